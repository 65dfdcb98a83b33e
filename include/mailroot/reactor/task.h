// task<T>: a lazy coroutine for drivers. Completion hands the parent to the run queue, never
// resumes it from inside (no symmetric transfer: it overflows the stack in unoptimised and
// sanitised builds). Frames are never destroyed while suspended: groups are joined, not dropped.
#pragma once

#include <coroutine>
#include <optional>
#include <utility>

#include "mailroot/base/assert.h"

namespace mailroot::reactor {

// Hands a coroutine to the run queue of this thread's Reactor. Defined in reactor.cc.
void resume_later(std::coroutine_handle<> handle);

// Coroutine frames come from per-thread size-class free lists. Defined in frame_pool.cc.
void* allocate_frame(size_t size_bytes);
void release_frame(void* frame, size_t size_bytes) noexcept;

template <class T>
class task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> parent;
  bool finished = false;
  bool parent_waits = false;  // set when the parent really suspended

  static void* operator new(size_t size_bytes) { return allocate_frame(size_bytes); }
  static void operator delete(void* frame, size_t size_bytes) noexcept {
    release_frame(frame, size_bytes);
  }

  std::suspend_always initial_suspend() noexcept { return {}; }
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      PromiseBase& promise = self.promise();
      promise.finished = true;
      if (promise.parent_waits) resume_later(promise.parent);
    }
    void await_resume() const noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }
  [[noreturn]] void unhandled_exception() {
    assertion_failed("no exception", "an exception left a coroutine", __FILE__, __LINE__);
  }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  task<T> get_return_object();
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
};

template <>
struct Promise<void> : PromiseBase {
  task<void> get_return_object();
  void return_void() noexcept {}
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  task() = default;
  explicit task(Handle handle) : handle_(handle) {}
  task(task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~task() { destroy(); }

  bool await_ready() const noexcept { return false; }
  // Runs the child at once; false (no suspension) when it finished without waiting.
  bool await_suspend(std::coroutine_handle<> parent) {
    started_ = true;
    promise_type& promise = handle_.promise();
    promise.parent = parent;
    handle_.resume();
    if (promise.finished) return false;
    promise.parent_waits = true;
    return true;
  }
  T await_resume() {
    if constexpr (!std::is_void_v<T>) return std::move(*handle_.promise().value);
  }

  // For TaskGroup: gives up ownership of a task that was not started.
  Handle release() { return std::exchange(handle_, {}); }
  explicit operator bool() const { return static_cast<bool>(handle_); }

 private:
  void destroy() {
    if (!handle_) return;
    MAILROOT_ASSERT(!started_ || handle_.promise().finished,
                    "a suspended coroutine frame is never destroyed");
    handle_.destroy();
    handle_ = {};
  }

  Handle handle_;
  bool started_ = false;
};

namespace detail {
template <class T>
task<T> Promise<T>::get_return_object() {
  return task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline task<void> Promise<void>::get_return_object() {
  return task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace detail

}  // namespace mailroot::reactor
