// The coroutines that are ready to run, in order. Grows to the largest number ever ready at once.
#pragma once

#include <coroutine>
#include <cstddef>
#include <vector>

#include "mailroot/base/assert.h"

namespace mailroot::reactor {

class RunQueue {
 public:
  bool empty() const { return head_ == tail_; }
  size_t size() const { return tail_ - head_; }

  void push(std::coroutine_handle<> handle) {
    if (size() == ring_.size()) grow();
    ring_[tail_++ & (ring_.size() - 1)] = handle;
  }

  std::coroutine_handle<> pop() {
    MAILROOT_ASSERT(!empty(), "pop from an empty run queue");
    return ring_[head_++ & (ring_.size() - 1)];
  }

 private:
  void grow() {
    std::vector<std::coroutine_handle<>> larger(ring_.size() * 2);
    const size_t count = size();
    for (size_t i = 0; i < count; ++i) larger[i] = ring_[(head_ + i) & (ring_.size() - 1)];
    ring_ = std::move(larger);
    head_ = 0;
    tail_ = count;
  }

  std::vector<std::coroutine_handle<>> ring_ = std::vector<std::coroutine_handle<>>(256);
  size_t head_ = 0;
  size_t tail_ = 0;
};

}  // namespace mailroot::reactor
