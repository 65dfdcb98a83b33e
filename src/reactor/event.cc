#include "mailroot/reactor/event.h"

#include "mailroot/reactor/reactor.h"

namespace mailroot::reactor {

Event::~Event() { MAILROOT_ASSERT(waiters_.empty(), "an event outlives its waiters"); }

void Event::notify_one() {
  if (!waiters_.empty()) static_cast<Waiter&>(waiters_.pop_front()).notify();
}

void Event::notify_all() {
  while (!waiters_.empty()) notify_one();
}

bool Event::Waiter::await_suspend(std::coroutine_handle<> waiter) {
  if (!begin_wait()) return false;
  waiter_ = waiter;
  event_.waiters_.push_back(*this);
  return true;
}

result<void> Event::Waiter::await_resume() const {
  if (was_interrupted()) return interruption();
  return {};
}

void Event::Waiter::notify() {
  end_wait();
  reactor().resume_later(waiter_);
}

void Event::Waiter::interrupt() {
  static_cast<Entry&>(*this).unlink();
  reactor().resume_later(waiter_);
}

}  // namespace mailroot::reactor
