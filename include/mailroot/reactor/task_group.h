// Concurrent tasks with an owner.
#pragma once

#include <coroutine>
#include <cstddef>

#include "mailroot/base/intrusive_list.h"
#include "mailroot/reactor/task.h"

namespace mailroot::reactor {

// Owns running tasks; joined by its owner before it dies. No task is ever detached. One thread.
class TaskGroup {
 public:
  class [[nodiscard]] Join;

  TaskGroup() = default;
  ~TaskGroup();  // asserts that nothing runs
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  // Runs the child until its first wait, at once. Call it inside Reactor::run() or turn().
  void spawn(task<void> child);
  size_t running() const { return running_; }
  Join join();  // waits until running() == 0

 private:
  struct Runner;
  static Runner run(TaskGroup& group, task<void> child);
  void finished();
  size_t running_ = 0;
  IntrusiveList<Join> joiners_;
};

class TaskGroup::Join : public ListHook {
 public:
  explicit Join(TaskGroup& group) : group_(group) {}
  bool await_ready() const noexcept { return group_.running_ == 0; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    group_.joiners_.push_back(*this);
  }
  void await_resume() const noexcept {}

 private:
  friend class TaskGroup;
  TaskGroup& group_;
  std::coroutine_handle<> waiter_;
};

inline TaskGroup::Join TaskGroup::join() { return Join(*this); }

}  // namespace mailroot::reactor
