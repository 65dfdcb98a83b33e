#include "mailroot/reactor/task_group.h"

namespace mailroot::reactor {

// The frame that owns a spawned task. Starts at once and destroys itself at its end.
struct TaskGroup::Runner {
  struct promise_type {
    static void* operator new(size_t size_bytes) { return allocate_frame(size_bytes); }
    static void operator delete(void* frame, size_t size_bytes) noexcept {
      release_frame(frame, size_bytes);
    }
    Runner get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() {
      assertion_failed("no exception", "an exception left a coroutine", __FILE__, __LINE__);
    }
  };
};

TaskGroup::~TaskGroup() {
  MAILROOT_ASSERT(running_ == 0, "a task group is joined before it dies");
  MAILROOT_ASSERT(joiners_.empty(), "a task group outlives those who join it");
}

TaskGroup::Runner TaskGroup::run(TaskGroup& group, task<void> child) {
  {
    task<void> own = std::move(child);
    co_await own;
  }
  group.finished();
}

void TaskGroup::spawn(task<void> child) {
  MAILROOT_ASSERT(static_cast<bool>(child), "spawn takes a task");
  ++running_;
  run(*this, std::move(child));
}

void TaskGroup::finished() {
  --running_;
  if (running_ != 0) return;
  while (!joiners_.empty()) resume_later(joiners_.pop_front().waiter_);
}

}  // namespace mailroot::reactor
