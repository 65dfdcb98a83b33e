// Work that other threads hand to a reactor. Bounded; any thread posts, one thread drains.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

namespace mailroot::reactor {

class Mailbox {
 public:
  using Work = std::move_only_function<void()>;

  explicit Mailbox(size_t entries_max) : entries_max_(entries_max) {}

  enum class Posted { full, quiet, wake_owner };

  Posted post(Work work) {
    {
      const std::lock_guard guard(mutex_);
      if (entries_.size() >= entries_max_) return Posted::full;
      entries_.push_back(std::move(work));
      filled_.store(true, std::memory_order_seq_cst);
    }
    // Pairs with may_sleep(): either the owner sees `filled_`, or we see that it sleeps.
    return asleep_.exchange(false, std::memory_order_seq_cst) ? Posted::wake_owner : Posted::quiet;
  }

  // The owner is about to sleep; false when there is work after all.
  bool may_sleep() {
    asleep_.store(true, std::memory_order_seq_cst);
    return !filled_.load(std::memory_order_seq_cst);
  }
  void awake() { asleep_.store(false, std::memory_order_relaxed); }

  // The work posted so far; swaps vectors, so that their capacity is kept.
  void drain(std::vector<Work>& into) {
    if (!filled_.load(std::memory_order_acquire)) return;
    const std::lock_guard guard(mutex_);
    entries_.swap(into);
    filled_.store(false, std::memory_order_relaxed);
  }

 private:
  const size_t entries_max_;
  std::mutex mutex_;
  std::vector<Work> entries_;
  std::atomic<bool> filled_ = false;
  std::atomic<bool> asleep_ = false;
};

}  // namespace mailroot::reactor
