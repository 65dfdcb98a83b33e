// Reactor: one shard's event loop. Run queue, timers, cancellation and awaitable I/O over a
// Backend. One per thread; every member is for that thread, except post().
//
//   turn: run ready coroutines (bounded) -> drain mailbox -> fire timers -> backend.wait
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mailroot/base/result.h"
#include "mailroot/base/time.h"
#include "mailroot/reactor/backend.h"
#include "mailroot/reactor/call.h"
#include "mailroot/reactor/cancel_scope.h"
#include "mailroot/reactor/event.h"
#include "mailroot/reactor/limits.h"
#include "mailroot/reactor/operation.h"
#include "mailroot/reactor/streams.h"
#include "mailroot/reactor/task.h"
#include "mailroot/reactor/task_group.h"
#include "mailroot/reactor/timer_wheel.h"

namespace mailroot::reactor {

class NameWatches;

class Reactor {
 public:
  Reactor(std::unique_ptr<Backend> backend, const ReactorLimits& limits);
  ~Reactor();  // asserts that no operation is in flight, but for background closes
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  static Reactor* current();  // of this thread; null outside run()/turn()

  void run();  // turns until stop(); then until nothing is ready or in flight
  // One turn; false when nothing was done (for the simulator). May sleep only with nothing ready.
  bool turn(bool may_sleep);
  void stop();
  Instant next_deadline() const;  // of timers; kNever when none

  Instant now() const { return backend_->now(); }
  WallTime wall_now() const { return backend_->wall_now(); }
  uint64_t random() { return backend_->random(); }
  Backend& backend() { return *backend_; }

  // From any thread: runs `work` on this reactor's thread in a later turn. False when the mailbox
  // is full. Cross-shard traffic is a closed set of kinds; see server/messages.h.
  bool post(std::move_only_function<void()> work);

  void resume_later(std::coroutine_handle<> handle);
  // Lets the other ready coroutines run, and a turn begin if many are.
  class [[nodiscard]] Yield;
  Yield yield();

  // Timers: `callback` runs in the timer phase of a turn. See timer_wheel.h for granularity.
  void add_timer(Timer& timer, Instant when);
  void cancel_timer(Timer& timer);
  SleepCall sleep_until(Instant when, Wait wait);

  // Network. At most one send in flight per socket. A send that did not end well may have sent a
  // part: the connection is good only for closing.
  ConnectCall connect(SocketAddress peer, const SocketAddress* local, Wait wait);
  Call<result<void>> send(Descriptor socket, std::span<const iovec> buffers, Wait wait);
  Call<result<uint32_t>> poll(Descriptor descriptor, uint32_t events, Wait wait);
  Call<void> shut_down(Descriptor socket);
  // Before either of these, everything in flight on the descriptor has completed.
  void close(Descriptor descriptor);            // in the background; nothing waits for it
  Call<void> close_now(Descriptor descriptor);  // completed when it returns

  // Files. Durability calls take no Wait: they stand outside the cancel tree. Buffers and the
  // span that lists them stay alive and unchanged until completion.
  PathCall<result<Descriptor>> open_at(Descriptor directory, std::string path, uint32_t flags,
                                       uint32_t mode);
  Call<result<size_t>> read_at(Descriptor file, std::span<const iovec> buffers, uint64_t offset);
  Call<result<void>> write_at(Descriptor file, std::span<const iovec> buffers, uint64_t offset);
  Call<result<void>> sync(Descriptor file, SyncKind kind);
  PathCall<result<void>> rename_at(Descriptor from_directory, std::string from,
                                   Descriptor to_directory, std::string to, uint32_t flags);
  PathCall<result<void>> unlink_at(Descriptor directory, std::string path, uint32_t flags);
  PathCall<result<void>> make_directory_at(Descriptor directory, std::string path, uint32_t mode);
  OutputCall<FileStatus> stat_at(Descriptor directory, std::string path);
  OutputCall<std::vector<DirectoryEntry>> list_directory(Descriptor directory);
  Call<result<void>> truncate(Descriptor file, uint64_t length_bytes);
  Call<result<void>> allocate(Descriptor file, uint64_t offset, uint64_t length_bytes);
  OutputCall<FileSystemStatus> file_system_status(Descriptor directory);
  Call<result<void>> lock(Descriptor file);  // Errc::busy when somebody else holds it
  // About a thousand entries, read on from where the descriptor stands: one of the caller's own
  // (open_at(directory, ".")), for this only.
  OutputCall<DirectoryPage> list_page(Descriptor directory);
  // `group`: kGroupAsItIs leaves it. Both or nothing known: an error may have changed the group.
  Call<result<void>> set_access(Descriptor file, uint32_t group, uint32_t mode);

  // Internal to reactor/: has relieve() called at the end of this run phase, once.
  void relieve_later(Crowded& crowded);
  size_t& spilled_bytes();
  NameWatches& name_watches();
  // Internal to reactor/: a raw operation; its on_completion is called in the run phase.
  void submit(Operation& operation);
  void cancel(Operation& operation) { backend_->cancel(operation); }

 private:
  struct Impl;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Impl> impl_;
};

class Reactor::Yield {
 public:
  explicit Yield(Reactor& reactor) : reactor_(reactor) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) { reactor_.resume_later(self); }
  void await_resume() const noexcept {}

 private:
  Reactor& reactor_;
};

inline Reactor::Yield Reactor::yield() { return Yield(*this); }

}  // namespace mailroot::reactor
