#include "due_wheel.h"

#include <algorithm>
#include <bit>

#include "mailroot/queue/limits.h"

namespace mailroot::queue {
namespace {
constexpr uint64_t kTickLast = (uint64_t{1} << 36) - 1;
}

DueWheel::DueWheel(Instant start) : start_(start) {}

uint32_t DueWheel::add(Instant when, uint32_t payload) {
  const uint32_t timer = nodes_.acquire();
  Node& node = nodes_[timer];
  uint64_t tick = current_ + 1;
  if (when > start_) {
    // Rounded up, so that nothing fires early.
    const auto wait = static_cast<uint64_t>((when - start_).count());
    const auto grain = static_cast<uint64_t>(kTimerTick.count());
    tick = std::max(tick, wait / grain + (wait % grain != 0 ? 1 : 0));
  }
  node.tick = std::min(tick, kTickLast);
  node.payload = payload;
  place(timer);
  return timer;
}

// An entry stands at the level of the highest digit in which its tick differs from the current
// one; everything at a lower level is therefore due before everything at a higher one.
void DueWheel::place(uint32_t timer) {
  Node& node = nodes_[timer];
  const uint64_t difference = (node.tick ^ current_) | 1;
  const auto level = static_cast<uint32_t>((63 - std::countl_zero(difference)) / kBits);
  const uint32_t digit = (node.tick >> (level * kBits)) & (kSlots - 1);
  node.slot = static_cast<uint16_t>(level * kSlots + digit);
  Slot& slot = slots_[node.slot];
  node.previous = slot.tail;
  node.next = kNone;
  (slot.tail == kNone ? slot.head : nodes_[slot.tail].next) = timer;
  slot.tail = timer;
  occupied_[level] |= uint64_t{1} << digit;
}

void DueWheel::unlink(uint32_t timer) {
  Node& node = nodes_[timer];
  Slot& slot = slots_[node.slot];
  (node.previous == kNone ? slot.head : nodes_[node.previous].next) = node.next;
  (node.next == kNone ? slot.tail : nodes_[node.next].previous) = node.previous;
  if (slot.head == kNone) {
    occupied_[node.slot / kSlots] &= ~(uint64_t{1} << (node.slot % kSlots));
  }
}

void DueWheel::cancel(uint32_t timer) {
  unlink(timer);
  nodes_.release(timer);
}

uint64_t DueWheel::next_tick() const {
  for (uint32_t level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) continue;
    const auto digit = static_cast<uint64_t>(std::countr_zero(occupied_[level]));
    const uint32_t shift = level * kBits;
    return (current_ >> (shift + kBits) << (shift + kBits)) | (digit << shift);
  }
  return UINT64_MAX;
}

Instant DueWheel::next_deadline() const {
  const uint64_t tick = next_tick();
  if (tick == UINT64_MAX) return kNever;
  return start_ + kTimerTick * static_cast<int64_t>(tick);
}

void DueWheel::advance(Instant now, std::vector<uint32_t>& due) {
  if (now < start_) return;
  const auto target = static_cast<uint64_t>((now - start_) / kTimerTick);
  for (uint64_t tick = next_tick(); tick <= target; tick = next_tick()) {
    current_ = tick;
    for (uint32_t level = kLevels; level-- > 0;) {
      const uint32_t shift = level * kBits;
      if (level > 0 && (tick & ((uint64_t{1} << shift) - 1)) != 0) continue;
      const uint32_t digit = (tick >> shift) & (kSlots - 1);
      if ((occupied_[level] >> digit & 1) == 0) continue;
      uint32_t timer = slots_[level * kSlots + digit].head;
      while (timer != kNone) {
        const uint32_t next = nodes_[timer].next;
        unlink(timer);
        if (nodes_[timer].tick <= tick) {
          due.push_back(nodes_[timer].payload);
          nodes_.release(timer);
        } else {
          place(timer);
        }
        timer = next;
      }
    }
  }
  current_ = std::max(current_, target);
}

}  // namespace mailroot::queue
