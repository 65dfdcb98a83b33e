// Socket calls that never block: the same for every backend on a real kernel.
#pragma once

#include "mailroot/reactor/backend.h"

namespace mailroot::reactor {

// All sockets are made with CLOEXEC and non-blocking.
result<Descriptor> make_bound_socket(const SocketAddress& address, const ListenOptions& options);
result<void> listen_on(Descriptor socket, int backlog);
result<SocketAddress> local_address_of(Descriptor socket);
result<SocketAddress> peer_address_of(Descriptor socket);
void set_no_delay_on(Descriptor socket);
// A TCP socket for a connection to `peer`, bound to `local` unless that is null.
result<Descriptor> make_connecting_socket(const SocketAddress& peer, const SocketAddress* local);

Instant monotonic_now();
WallTime wall_clock_now();

// Random numbers from the kernel, fetched in blocks.
class RandomSource {
 public:
  uint64_t next();

 private:
  static constexpr size_t kBlock = 32;
  uint64_t block_[kBlock];
  size_t left_ = 0;
};

}  // namespace mailroot::reactor
