#include "socket_calls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "mailroot/base/assert.h"

namespace mailroot::reactor {

namespace {

std::unexpected<Error> last_error() { return std::unexpected(error_from_errno(errno)); }

int family_of(const SocketAddress& address) {
  return address.ip.family() == IpFamily::v4 ? AF_INET : AF_INET6;
}

result<Descriptor> make_socket(int family) {
  const int made = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (made < 0) return last_error();
  return made;
}

bool set_option(Descriptor socket, int level, int option, int value) {
  return setsockopt(socket, level, option, &value, sizeof(value)) == 0;
}

result<void> bind_to(Descriptor socket, const SocketAddress& address) {
  sockaddr_storage storage{};
  const socklen_t length = address.to_sockaddr(reinterpret_cast<sockaddr*>(&storage));
  if (bind(socket, reinterpret_cast<sockaddr*>(&storage), length) < 0) return last_error();
  return {};
}

using NameCall = int (*)(int, sockaddr*, socklen_t*);

result<SocketAddress> name_by(NameCall call, Descriptor socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (call(socket, reinterpret_cast<sockaddr*>(&storage), &length) < 0) return last_error();
  if (storage.ss_family != AF_INET && storage.ss_family != AF_INET6) {
    return fail(Errc::unsupported);
  }
  return SocketAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&storage));
}

Duration clock_reading(clockid_t clock) {
  timespec reading{};
  clock_gettime(clock, &reading);
  return std::chrono::seconds(reading.tv_sec) + std::chrono::nanoseconds(reading.tv_nsec);
}

// Closes the socket and keeps the reason it was given up for.
std::unexpected<Error> give_up(Descriptor socket, Error why) {
  ::close(socket);
  return std::unexpected(why);
}

}  // namespace

result<Descriptor> make_bound_socket(const SocketAddress& address, const ListenOptions& options) {
  const result<Descriptor> made = make_socket(family_of(address));
  if (!made) return made;
  // SO_REUSEADDR: a restart must not wait for old connections in TIME_WAIT.
  bool set = set_option(*made, SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.reuse_port) set = set && set_option(*made, SOL_SOCKET, SO_REUSEPORT, 1);
  if (address.ip.family() == IpFamily::v6) {
    set = set && set_option(*made, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0);
  }
  if (!set) return give_up(*made, error_from_errno(errno));
  const result<void> bound = bind_to(*made, address);
  if (!bound) return give_up(*made, bound.error());
  return made;
}

result<void> listen_on(Descriptor socket, int backlog) {
  if (::listen(socket, backlog) < 0) return last_error();
  return {};
}

result<SocketAddress> local_address_of(Descriptor socket) { return name_by(getsockname, socket); }

result<SocketAddress> peer_address_of(Descriptor socket) { return name_by(getpeername, socket); }

void set_no_delay_on(Descriptor socket) {
  // Fails only for what is not TCP, where it means nothing.
  static_cast<void>(set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1));
}

result<Descriptor> make_connecting_socket(const SocketAddress& peer, const SocketAddress* local) {
  const result<Descriptor> made = make_socket(family_of(peer));
  if (!made || local == nullptr) return made;
  // The port is chosen at connect(), by the whole pair of addresses: many more are then to be had.
  if (local->port == 0) {
    static_cast<void>(set_option(*made, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
  }
  const result<void> bound = bind_to(*made, *local);
  if (!bound) return give_up(*made, bound.error());
  return made;
}

Instant monotonic_now() { return Instant(clock_reading(CLOCK_MONOTONIC)); }

WallTime wall_clock_now() { return WallTime(clock_reading(CLOCK_REALTIME)); }

uint64_t RandomSource::next() {
  if (left_ == 0) {
    // A block of up to 256 bytes comes whole or not at all (getrandom(2)).
    const ssize_t got = getrandom(block_, sizeof(block_), 0);
    MAILROOT_ASSERT(got == static_cast<ssize_t>(sizeof(block_)), "getrandom failed");
    left_ = kBlock;
  }
  return block_[--left_];
}

}  // namespace mailroot::reactor
