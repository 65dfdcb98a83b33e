#include "mailroot/reactor/cancel_scope.h"

namespace mailroot::reactor {

CancelScope::CancelScope(CancelScope* parent) {
  if (parent == nullptr) return;
  // A child of a cancelled scope is born cancelled and need not be told again.
  cancelled_ = parent->cancelled_;
  if (!cancelled_) parent->children_.push_back(*this);
}

CancelScope::~CancelScope() {
  MAILROOT_ASSERT(waiters_.empty(), "a scope outlives what waits under it");
  MAILROOT_ASSERT(children_.empty(), "a scope outlives its children");
}

void CancelScope::cancel() {
  if (cancelled_) return;
  cancelled_ = true;
  while (!children_.empty()) children_.pop_front().cancel();
  while (!waiters_.empty()) waiters_.pop_front().on_cancel();
}

void CancelScope::add(Cancellable& waiter) {
  MAILROOT_ASSERT(!cancelled_, "a cancelled scope takes no waiters");
  waiters_.push_back(waiter);
}

}  // namespace mailroot::reactor
