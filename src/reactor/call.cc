#include "mailroot/reactor/call.h"

#include <algorithm>
#include <cerrno>

#include "mailroot/reactor/reactor.h"

namespace mailroot::reactor {

bool Waiting::begin_wait() {
  CancelScope* scope = wait_.scope;
  if (scope != nullptr && scope->is_cancelled()) {
    interrupted_ = true;
    reason_ = Errc::cancelled;
    return false;
  }
  if (wait_.deadline != kNever) {
    if (wait_.deadline <= reactor_.now()) {
      interrupted_ = true;
      reason_ = Errc::timed_out;
      return false;
    }
    reactor_.add_timer(*this, wait_.deadline);
  }
  if (scope != nullptr) scope->add(*this);
  return true;
}

void Waiting::end_wait() {
  Cancellable::unlink();
  Timer::unlink();
}

void Waiting::strike(Errc reason) {
  end_wait();
  interrupted_ = true;
  reason_ = reason;
  interrupt();
}

bool CallBase::await_suspend(std::coroutine_handle<> waiter) {
  if (!begin_wait()) {
    result_ = -ECANCELED;
    return false;
  }
  waiter_ = waiter;
  on_completion = &CallBase::completed;
  reactor().submit(*this);
  return true;
}

void CallBase::completed(Operation& operation, const Completion& completion) {
  CallBase& call = static_cast<CallBase&>(operation);
  MAILROOT_ASSERT(!completion.more, "a call completes once");
  call.result_ = completion.result;
  call.end_wait();
  call.reactor().resume_later(call.waiter_);
}

void CallBase::interrupt() { reactor().cancel(*this); }

result<int32_t> CallBase::outcome() const {
  if (result_ >= 0) return result_;
  if (result_ == -ECANCELED && was_interrupted()) return interruption();
  return std::unexpected(error_from_errno(-result_));
}

namespace {

Operation connect_operation() {
  Operation operation;
  operation.opcode = Opcode::connect;
  return operation;
}

}  // namespace

ConnectCall::ConnectCall(Reactor& reactor, const SocketAddress& peer_address,
                         const SocketAddress* local, const Wait& wait)
    : ValueCall(reactor, connect_operation(), wait), peer_(peer_address) {
  address = &peer_;
  if (local == nullptr) return;
  local_ = *local;
  local_address = &local_;
}

SleepCall::SleepCall(Reactor& reactor, Instant when, const Wait& wait)
    : Waiting(reactor, Wait{std::min(when, wait.deadline), wait.scope}),
      is_sleep_(when <= wait.deadline) {}

bool SleepCall::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  return begin_wait();
}

void SleepCall::interrupt() { reactor().resume_later(waiter_); }

result<void> SleepCall::await_resume() const {
  const Error reason = interruption().error();
  if (is_sleep_ && reason.code == Errc::timed_out) return {};
  return std::unexpected(reason);
}

}  // namespace mailroot::reactor
