// A condition that coroutines of one thread wait for.
#pragma once

#include <coroutine>

#include "mailroot/base/intrusive_list.h"
#include "mailroot/reactor/call.h"

namespace mailroot::reactor {

// Holds no state: a notification that nobody waits for is lost. Dies after its waiters.
class Event {
 public:
  class [[nodiscard]] Waiter;

  Event() = default;
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  // result<void>: ok, timed_out or cancelled. Spurious returns do not happen, but check the state
  // you wait for: between the notification and the return other coroutines run.
  Waiter wait(Reactor& reactor, Wait wait);
  // Resume through the run queue, in the order of waiting.
  void notify_all();
  void notify_one();
  bool has_waiters() const { return !waiters_.empty(); }

 private:
  struct Entry : ListHook {};
  IntrusiveList<Entry> waiters_;
};

class Event::Waiter final : private Event::Entry, private Waiting {
 public:
  Waiter(Event& event, Reactor& reactor, const Wait& wait)
      : Waiting(reactor, wait), event_(event) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter);
  result<void> await_resume() const;

 private:
  friend class Event;
  void interrupt() final;
  void notify();
  Event& event_;
  std::coroutine_handle<> waiter_;
};

inline Event::Waiter Event::wait(Reactor& reactor, Wait wait) {
  return Waiter(*this, reactor, wait);
}

}  // namespace mailroot::reactor
