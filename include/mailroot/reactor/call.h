// What reactor's operations return: awaiters that live in the caller's frame, so that an operation
// costs no frame of its own. Used only as `auto r = co_await reactor.send(...)`.
#pragma once

#include <coroutine>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "mailroot/base/result.h"
#include "mailroot/reactor/cancel_scope.h"
#include "mailroot/reactor/operation.h"
#include "mailroot/reactor/timer_wheel.h"

namespace mailroot::reactor {

class Reactor;

// The deadline and the scope of one waiting call. Whichever strikes first calls interrupt(), once.
class Waiting : private Cancellable, private Timer {
 protected:
  Waiting(Reactor& reactor, const Wait& wait) : reactor_(reactor), wait_(wait) {}
  ~Waiting() = default;
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  bool begin_wait();  // false: over before it began, and interrupted() tells why
  void end_wait();
  virtual void interrupt() = 0;

  Reactor& reactor() const { return reactor_; }
  const Wait& wait() const { return wait_; }
  bool was_interrupted() const { return interrupted_; }
  std::unexpected<Error> interruption() const { return fail(reason_); }

 private:
  void on_cancel() final { strike(Errc::cancelled); }
  void on_timer() final { strike(Errc::timed_out); }
  void strike(Errc reason);

  Reactor& reactor_;
  Wait wait_;
  bool interrupted_ = false;
  Errc reason_ = Errc::cancelled;
};

// One operation from submit to its only completion.
class CallBase : protected Operation, private Waiting {
 public:
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter);

 protected:
  CallBase(Reactor& reactor, const Operation& operation, const Wait& wait)
      : Operation(operation), Waiting(reactor, wait) {}
  ~CallBase() = default;
  result<int32_t> outcome() const;

 private:
  void interrupt() final;
  static void completed(Operation& operation, const Completion& completion);

  std::coroutine_handle<> waiter_;
  int32_t result_ = 0;
};

// R: void, or result<> of void or of a number.
template <class R>
class ValueCall : public CallBase {
 public:
  R await_resume() const {
    if constexpr (!std::is_void_v<R>) {
      const result<int32_t> outcome_now = outcome();
      if (!outcome_now) return std::unexpected(outcome_now.error());
      if constexpr (!std::is_void_v<typename R::value_type>) {
        return static_cast<typename R::value_type>(*outcome_now);
      } else {
        return {};
      }
    }
  }

 protected:
  using CallBase::CallBase;
  ~ValueCall() = default;
};

template <class R>
class [[nodiscard]] Call final : public ValueCall<R> {
 public:
  Call(Reactor& reactor, const Operation& operation, const Wait& wait)
      : ValueCall<R>(reactor, operation, wait) {}
};

// A connection being made; keeps both addresses.
class [[nodiscard]] ConnectCall final : public ValueCall<result<Descriptor>> {
 public:
  ConnectCall(Reactor& reactor, const SocketAddress& peer, const SocketAddress* local,
              const Wait& wait);

 private:
  SocketAddress peer_;
  SocketAddress local_;
};

// A call that owns the one or two paths it names.
template <class R>
class [[nodiscard]] PathCall final : public ValueCall<R> {
 public:
  PathCall(Reactor& reactor, const Operation& operation, std::string path)
      : PathCall(reactor, operation, std::move(path), std::string()) {}
  PathCall(Reactor& reactor, const Operation& operation, std::string path, std::string path2)
      : ValueCall<R>(reactor, operation, Wait{}),
        own_path_(std::move(path)),
        own_path2_(std::move(path2)) {
    this->path = own_path_.c_str();
    this->path2 = own_path2_.c_str();
  }

 private:
  std::string own_path_;
  std::string own_path2_;
};

// A call with a larger answer than a number.
template <class T>
class [[nodiscard]] OutputCall final : public CallBase {
 public:
  OutputCall(Reactor& reactor, const Operation& operation)
      : OutputCall(reactor, operation, std::string()) {}
  OutputCall(Reactor& reactor, const Operation& operation, std::string path)
      : CallBase(reactor, operation, Wait{}), own_path_(std::move(path)) {
    this->path = own_path_.c_str();
    this->output = &value_;
  }
  result<T> await_resume() {
    const result<int32_t> outcome_now = outcome();
    if (!outcome_now) return std::unexpected(outcome_now.error());
    return std::move(value_);
  }

 private:
  std::string own_path_;
  T value_;
};

// Ends at `when`, or with the wait's own reason if that is earlier.
class [[nodiscard]] SleepCall final : private Waiting {
 public:
  SleepCall(Reactor& reactor, Instant when, const Wait& wait);
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter);
  result<void> await_resume() const;

 private:
  void interrupt() final;
  bool is_sleep_;  // the earlier of the two moments is `when`: timed_out is success
  std::coroutine_handle<> waiter_;
};

}  // namespace mailroot::reactor
