// Backend: the world as one shard sees it. Three exist: uring, epoll, sim. Used by one thread,
// except wake(). Nothing outside reactor/ asks for time, randomness or I/O in any other way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/address.h"
#include "mailroot/base/bytes.h"
#include "mailroot/base/result.h"
#include "mailroot/base/time.h"
#include "mailroot/reactor/operation.h"

namespace mailroot::reactor {

struct ListenOptions {
  bool reuse_port = true;
  bool v6_only = true;
  int backlog = 4096;
};

inline constexpr size_t kReceiveUnitBytes = 4096;

struct WatchedName {
  NameEventKind kind = NameEventKind::lost;
  int id = -1;  // of the directory; -1 with `lost`: any of them
  std::string name;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Starts the operation. Its completions come from wait(). Several hundred may be queued; they
  // enter the kernel together at the next wait().
  virtual void submit(Operation& operation) = 0;
  // Asks for an early end; the operation still completes exactly once more, with -ECANCELED or
  // with what happened first.
  virtual void cancel(Operation& operation) = 0;
  // Appends completions that are ready to `ready`; sleeps until about `until` if there are none
  // (until in the past: only looks; the Reactor checks its timers against now() itself). Work that
  // never ends, a socket that always has more, is cut into turns. Runs no callback.
  virtual void wait(Instant until, std::vector<Completion>& ready) = 0;
  // Ends a wait() in progress or the next one. The only member callable from another thread.
  virtual void wake() = 0;

  virtual Instant now() const = 0;  // as of the last wait(); cheap
  virtual WallTime wall_now() const = 0;
  virtual uint64_t random() = 0;

  // The receive pool: units of kReceiveUnitBytes.
  virtual MutableBytes buffer(int32_t index) = 0;
  virtual void release_buffer(int32_t index) = 0;

  // Calls that never block and need no completion.
  virtual result<Descriptor> bind_socket(const SocketAddress& address, const ListenOptions&) = 0;
  virtual result<void> listen(Descriptor socket, int backlog) = 0;
  virtual result<SocketAddress> local_address(Descriptor socket) = 0;
  virtual result<SocketAddress> peer_address(Descriptor socket) = 0;
  virtual void set_no_delay(Descriptor socket) = 0;

  // Events of names in directories: a descriptor to poll for input, directories added to it (the
  // result names one in its events), what happened since the last call, oldest first and bounded.
  // The simulator has none of it.
  virtual result<Descriptor> make_name_watch() = 0;
  virtual result<int> watch_directory(Descriptor watch, Descriptor directory) = 0;
  virtual void unwatch_directory(Descriptor watch, int id) = 0;
  virtual result<void> read_name_events(Descriptor watch, std::vector<WatchedName>& events) = 0;

  virtual std::string_view name() const = 0;  // "io_uring", "epoll", "sim"
};

enum class BackendChoice : uint8_t { automatic, io_uring, epoll };

struct BackendOptions {
  uint32_t receive_buffers = 2048;  // power of two; 4 KiB each
  uint32_t queue_entries = 1024;
  uint32_t file_workers_max = 4;  // io-wq bound, or helper threads
};

// Makes the backend for the calling thread (io_uring rings belong to the thread that makes them).
// automatic: probes io_uring, falls back to epoll; `why` then says why. io_uring: fails instead.
result<std::unique_ptr<Backend>> make_backend(BackendChoice choice, const BackendOptions& options,
                                              std::string& why);

}  // namespace mailroot::reactor
