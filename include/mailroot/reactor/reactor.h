// Reactor: one shard's event loop. Run queue, timers, cancellation and awaitable I/O over a
// Backend. One per thread; every member is for that thread, except post() and stop_from_anywhere().
//
//   turn: run ready coroutines (bounded) -> drain mailbox -> fire timers -> backend.wait
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mailroot/base/intrusive_list.h"
#include "mailroot/base/result.h"
#include "mailroot/base/time.h"
#include "mailroot/reactor/backend.h"
#include "mailroot/reactor/operation.h"
#include "mailroot/reactor/task.h"
#include "mailroot/reactor/timer_wheel.h"

namespace mailroot::reactor {

class CancelScope;
class Reactor;

// How long and under whom a call may wait. Every waiting call takes one.
struct Wait {
  Instant deadline = kNever;     // then Errc::timed_out
  CancelScope* scope = nullptr;  // its cancel() ends the call with Errc::cancelled
};

// Something that can be called off: pending operations, sleeps and event waits.
class Cancellable : public ListHook {
 public:
  virtual void on_cancel() = 0;

 protected:
  ~Cancellable() = default;
};

// A tree of what may be called off together: process, shard, virtual server, connection.
// Once cancelled it stays so: later waits under it end at once with Errc::cancelled.
class CancelScope : public ListHook {
 public:
  explicit CancelScope(CancelScope* parent);
  ~CancelScope();
  void cancel();
  bool is_cancelled() const { return cancelled_; }
  void add(Cancellable& waiter);  // internal to reactor/

 private:
  bool cancelled_ = false;
  IntrusiveList<Cancellable> waiters_;
  IntrusiveList<CancelScope> children_;
};

// Owns running tasks; joined by its owner before it dies. No task is ever detached.
class TaskGroup {
 public:
  TaskGroup() = default;
  ~TaskGroup();                  // asserts that nothing runs
  void spawn(task<void> child);  // runs until its first wait, at once
  size_t running() const { return running_; }
  task<void> join();  // waits until running() == 0

 private:
  struct Runner;
  size_t running_ = 0;
  std::vector<std::coroutine_handle<>> joiners_;
};

// A condition that coroutines wait for. notify_* resumes through the run queue.
class Event {
 public:
  // ok, timed_out or cancelled. Spurious returns do not happen, but check the state you wait for.
  task<result<void>> wait(Reactor& reactor, Wait wait);
  void notify_all();
  void notify_one();
  bool has_waiters() const;

 private:
  struct Waiter;
  IntrusiveList<Waiter> waiters_;
};

// A filled unit of the receive pool; goes back when it dies.
class BufferLease {
 public:
  BufferLease() = default;
  BufferLease(Backend& backend, int32_t index, size_t size_bytes);
  ~BufferLease();
  BufferLease(BufferLease&& other) noexcept;
  BufferLease& operator=(BufferLease&& other) noexcept;
  ByteView bytes() const;

 private:
  Backend* backend_ = nullptr;
  int32_t index_ = -1;
  size_t size_bytes_ = 0;
};

// What arrives on one connected socket, in order. Buffers that arrived before anybody asked wait
// inside, bounded: above kStreamBuffersMax the multishot receive is stopped until read (back
// pressure). stop() must have completed before the stream dies.
class ReceiveStream {
 public:
  ReceiveStream(Reactor& reactor, Descriptor socket);
  ~ReceiveStream();
  // The next bytes; Errc::end_of_stream at the peer's orderly close, reset, timed_out, cancelled.
  task<result<BufferLease>> next(Wait wait);
  // The same without waiting: nothing when no bytes are here yet.
  bool has_ready() const;
  task<void> stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Connections arriving at one listening socket. Pauses by itself on too_many_files and goes on
// (threats 46: accept must not spin). stop() must have completed before it dies.
class AcceptStream {
 public:
  AcceptStream(Reactor& reactor, Descriptor listener);
  ~AcceptStream();
  task<result<Descriptor>> next(Wait wait);
  task<void> stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct ReactorLimits {
  uint32_t resumptions_per_turn = 256;
  uint32_t mailbox_entries = 1024;
};

class Reactor {
 public:
  Reactor(std::unique_ptr<Backend> backend, const ReactorLimits& limits);
  ~Reactor();
  static Reactor* current();  // of this thread; null outside run()/turn()

  void run();                 // turns until stop(); then until the run queue is empty
  bool turn(bool may_sleep);  // one turn; false when nothing was done (for the simulator)
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

  // Timers: `callback` runs in the timer phase of a turn. See timer_wheel.h for granularity.
  void add_timer(Timer& timer, Instant when);
  void cancel_timer(Timer& timer);
  task<result<void>> sleep_until(Instant when, Wait wait);

  // Network.
  task<result<Descriptor>> connect(SocketAddress peer, const SocketAddress* local, Wait wait);
  task<result<void>> send(Descriptor socket, std::span<const iovec> buffers, Wait wait);
  task<result<uint32_t>> poll(Descriptor descriptor, uint32_t events, Wait wait);
  task<void> shut_down(Descriptor socket);
  void close(Descriptor descriptor);            // in the background; nothing waits for it
  task<void> close_now(Descriptor descriptor);  // completed when it returns

  // Files. Durability calls take no Wait: they stand outside the cancel tree (decisions.md 27).
  task<result<Descriptor>> open_at(Descriptor directory, std::string path, uint32_t flags,
                                   uint32_t mode);
  task<result<size_t>> read_at(Descriptor file, std::span<const iovec> buffers, uint64_t offset);
  task<result<void>> write_at(Descriptor file, std::span<const iovec> buffers, uint64_t offset);
  task<result<void>> sync(Descriptor file, SyncKind kind);
  task<result<void>> rename_at(Descriptor from_directory, std::string from, Descriptor to_directory,
                               std::string to, uint32_t flags);
  task<result<void>> unlink_at(Descriptor directory, std::string path, uint32_t flags);
  task<result<void>> make_directory_at(Descriptor directory, std::string path, uint32_t mode);
  task<result<FileStatus>> stat_at(Descriptor directory, std::string path);
  task<result<std::vector<DirectoryEntry>>> list_directory(Descriptor directory);
  task<result<void>> truncate(Descriptor file, uint64_t length_bytes);
  task<result<void>> allocate(Descriptor file, uint64_t offset, uint64_t length_bytes);
  task<result<FileSystemStatus>> file_system_status(Descriptor directory);
  task<result<void>> lock(Descriptor file);

 private:
  friend class TaskGroup;
  struct Impl;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailroot::reactor
