#include "mailroot/reactor/timer_wheel.h"

#include <bit>

namespace mailroot::reactor {

namespace {

constexpr uint64_t kDigitMask = 63;

}  // namespace

TimerWheel::TimerWheel(Duration tick, Instant start) : tick_(tick), start_(start) {
  MAILROOT_ASSERT(tick > Duration::zero(), "a tick has a length");
}

uint64_t TimerWheel::tick_at_or_after(Instant when) const {
  if (when <= start_) return 0;
  // In unsigned arithmetic, since the distance of two moments may exceed a Duration.
  const uint64_t distance = static_cast<uint64_t>(when.time_since_epoch().count()) -
                            static_cast<uint64_t>(start_.time_since_epoch().count());
  const uint64_t tick = static_cast<uint64_t>(tick_.count());
  return distance / tick + (distance % tick != 0 ? 1 : 0);
}

void TimerWheel::add(Timer& timer, Instant when) {
  timer.when_ = when;
  timer.tick_ = tick_at_or_after(when);
  if (timer.tick_ <= current_tick_) {
    due_.push_back(timer);
  } else {
    place(timer);
  }
}

void TimerWheel::cancel(Timer& timer) { timer.unlink(); }

void TimerWheel::place(Timer& timer) {
  const uint64_t difference = timer.tick_ ^ current_tick_;
  const int level = difference == 0 ? 0 : (std::bit_width(difference) - 1) / kSlotBits;
  if (level >= kLevels) {
    far_.push_back(timer);
    return;
  }
  const uint64_t slot = (timer.tick_ >> (level * kSlotBits)) & kDigitMask;
  occupied_[level] |= uint64_t{1} << slot;
  slots_[level][slot].push_back(timer);
}

void TimerWheel::place_all(Slot& from) {
  Slot moved;
  while (!from.empty()) moved.push_back(from.pop_front());
  while (!moved.empty()) place(moved.pop_front());
}

// The first slot after the current one that holds a timer; -1 when none.
int TimerWheel::occupied_slot(int level) const {
  const uint64_t digit = (current_tick_ >> (level * kSlotBits)) & kDigitMask;
  uint64_t later = occupied_[level] & ~((uint64_t{2} << digit) - 1);
  if (digit == kDigitMask) later = 0;
  while (later != 0) {
    const int slot = std::countr_zero(later);
    if (!slots_[level][slot].empty()) return slot;
    later &= later - 1;
    occupied_[level] &= ~(uint64_t{1} << slot);
  }
  return -1;
}

// The next tick at which a timer fires or a slot cascades. Slots of a lower level always come
// before those of a higher one.
uint64_t TimerWheel::next_event_tick() const {
  for (int level = 0; level < kLevels; ++level) {
    const int slot = occupied_slot(level);
    if (slot < 0) continue;
    const uint64_t above = current_tick_ >> ((level + 1) * kSlotBits);
    return ((above << kSlotBits) | static_cast<uint64_t>(slot)) << (level * kSlotBits);
  }
  if (far_.empty()) return kNoTick;
  return ((current_tick_ >> (kLevels * kSlotBits)) + 1) << (kLevels * kSlotBits);
}

// Spreads the slot that begins at the current tick over the lower levels.
void TimerWheel::cascade() {
  int level = 0;
  while (level < kLevels && ((current_tick_ >> (level * kSlotBits)) & kDigitMask) == 0) ++level;
  if (level == kLevels) {
    place_all(far_);
  } else if (level > 0) {
    const uint64_t slot = (current_tick_ >> (level * kSlotBits)) & kDigitMask;
    occupied_[level] &= ~(uint64_t{1} << slot);
    place_all(slots_[level][slot]);
  }
}

void TimerWheel::advance(Instant now) {
  Slot due;
  while (!due_.empty()) due.push_back(due_.pop_front());
  while (!due.empty()) due.pop_front().on_timer();
  if (now < start_) return;
  const uint64_t target = static_cast<uint64_t>((now - start_) / tick_);
  while (current_tick_ < target) {
    const uint64_t next = next_event_tick();
    if (next > target) {
      current_tick_ = target;
      break;
    }
    current_tick_ = next;
    cascade();
    const uint64_t slot = current_tick_ & kDigitMask;
    Slot& firing = slots_[0][slot];
    occupied_[0] &= ~(uint64_t{1} << slot);
    while (!firing.empty()) firing.pop_front().on_timer();
  }
}

Instant TimerWheel::next_deadline() const {
  if (!due_.empty()) return start_;
  const uint64_t next = next_event_tick();
  if (next == kNoTick) return kNever;
  const uint64_t reach = static_cast<uint64_t>((kNever - start_) / tick_);
  if (next >= reach) return kNever;
  return start_ + tick_ * static_cast<int64_t>(next);
}

}  // namespace mailroot::reactor
