// The process-wide counters behind one mutex: a connection costs thousands of times what holding
// it costs, and it is taken only when one opens or closes.
#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>

#include "mailroot/base/assert.h"
#include "mailroot/queue/slots.h"

namespace mailroot::queue {
namespace {

struct Line {
  uint32_t in_use = 0;
  uint32_t limit = 0;  // as last asked for: a lowered limit takes effect as slots come back
  std::deque<uint16_t> waiters;
};

class SharedSlots final : public SlotTable {
 public:
  explicit SharedSlots(SlotFreed slot_freed) : slot_freed_(std::move(slot_freed)) {}

  bool take(uint16_t shard, std::string_view key, uint32_t limit) override {
    const std::lock_guard lock(mutex_);
    Line& line = lines_.try_emplace(std::string(key)).first->second;
    line.limit = limit;
    const bool stands_in_line = std::ranges::find(line.waiters, shard) != line.waiters.end();
    // Whoever waits goes first, or the giver would take its own slot again and again.
    if (line.in_use < limit &&
        (stands_in_line || line.waiters.size() < size_t{limit} - line.in_use)) {
      if (stands_in_line) leave(line, shard);
      ++line.in_use;
      return true;
    }
    if (!stands_in_line) {
      line.waiters.push_back(shard);
      waiting_.fetch_add(1, std::memory_order_relaxed);
    }
    return false;
  }

  void give(std::string_view key) override {
    const std::lock_guard lock(mutex_);
    const auto found = lines_.find(key);
    MAILROOT_ASSERT(found != lines_.end() && found->second.in_use > 0, "a slot is given back once");
    Line& line = found->second;
    while (!line.waiters.empty() && line.in_use <= line.limit) {
      const uint16_t shard = line.waiters.front();
      line.waiters.pop_front();
      waiting_.fetch_sub(1, std::memory_order_relaxed);
      if (slot_freed_(shard, found->first)) return;
    }
    --line.in_use;
    if (line.in_use == 0 && line.waiters.empty()) lines_.erase(found);
  }

  void stop_waiting(uint16_t shard, std::string_view key) override {
    const std::lock_guard lock(mutex_);
    const auto found = lines_.find(key);
    if (found == lines_.end()) return;
    leave(found->second, shard);
    if (found->second.in_use == 0 && found->second.waiters.empty()) lines_.erase(found);
  }

  bool has_waiters(std::string_view key) const override {
    if (waiting_.load(std::memory_order_relaxed) == 0) return false;
    const std::lock_guard lock(mutex_);
    const auto found = lines_.find(key);
    return found != lines_.end() && !found->second.waiters.empty();
  }

  uint32_t in_use(std::string_view key) const override {
    const std::lock_guard lock(mutex_);
    const auto found = lines_.find(key);
    return found == lines_.end() ? 0 : found->second.in_use;
  }

 private:
  void leave(Line& line, uint16_t shard) {
    const auto removed = std::erase(line.waiters, shard);
    waiting_.fetch_sub(static_cast<uint32_t>(removed), std::memory_order_relaxed);
  }

  SlotFreed slot_freed_;
  mutable std::mutex mutex_;
  std::map<std::string, Line, std::less<>> lines_;
  std::atomic<uint32_t> waiting_ = 0;
};

}  // namespace

std::unique_ptr<SlotTable> make_slot_table(SlotFreed slot_freed) {
  return std::make_unique<SharedSlots>(std::move(slot_freed));
}

}  // namespace mailroot::queue
