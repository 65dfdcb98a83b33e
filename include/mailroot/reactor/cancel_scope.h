// What may be called off together, and how long a call may wait.
#pragma once

#include "mailroot/base/intrusive_list.h"
#include "mailroot/base/time.h"

namespace mailroot::reactor {

class CancelScope;

// How long and under whom a call may wait. Every waiting call takes one.
struct Wait {
  Instant deadline = kNever;     // then Errc::timed_out
  CancelScope* scope = nullptr;  // its cancel() ends the call with Errc::cancelled
};

// Something that can be called off: pending operations, sleeps and event waits.
class Cancellable : public ListHook {
 public:
  virtual void on_cancel() = 0;  // must not run coroutines; may push them to the run queue

 protected:
  ~Cancellable() = default;
};

// A tree of what may be called off together: process, shard, virtual server, connection.
// Once cancelled it stays so: later waits under it end at once with Errc::cancelled. One thread.
// Dies after everything that waits under it, and after its children.
class CancelScope : public ListHook {
 public:
  explicit CancelScope(CancelScope* parent);  // parent may be null
  ~CancelScope();
  void cancel();
  bool is_cancelled() const { return cancelled_; }
  void add(Cancellable& waiter);  // internal to reactor/

 private:
  bool cancelled_ = false;
  IntrusiveList<Cancellable> waiters_;
  IntrusiveList<CancelScope> children_;
};

}  // namespace mailroot::reactor
