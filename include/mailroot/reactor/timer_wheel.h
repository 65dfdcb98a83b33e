// A hierarchical timer wheel: 4 levels of 64 slots, a tick of 4 ms in the reactor. O(1) add and
// cancel, no allocation, deterministic order (tick, then order of adding). Pure: told the time.
//
// A timer's level is the highest base-64 digit in which its tick differs from the current tick, so
// a slot cascades before anybody can add behind it: that is what keeps the order of adding.
#pragma once

#include <array>
#include <cstdint>

#include "mailroot/base/intrusive_list.h"
#include "mailroot/base/time.h"

namespace mailroot::reactor {

class Timer : public ListHook {
 public:
  virtual void on_timer() = 0;
  Instant when() const { return when_; }

 protected:
  ~Timer() = default;

 private:
  friend class TimerWheel;
  Instant when_ = kNever;
  uint64_t tick_ = 0;
};

class TimerWheel {
 public:
  TimerWheel(Duration tick, Instant start);
  // Fires at the first advance() whose now is not before `when` rounded up to a tick, never early.
  // One that is already due fires at the next advance(), even at the same now.
  void add(Timer& timer, Instant when);
  void cancel(Timer& timer);
  // Fires all due timers, in order; a timer may add or cancel timers.
  void advance(Instant now);
  // The earliest moment at which advance() may have work; kNever when empty. May be early by a
  // cascade, never late.
  Instant next_deadline() const;

 private:
  static constexpr int kLevels = 4;
  static constexpr int kSlotBits = 6;
  static constexpr int kSlots = 1 << kSlotBits;
  static constexpr uint64_t kNoTick = UINT64_MAX;
  using Slot = IntrusiveList<Timer>;

  void place(Timer& timer);
  void place_all(Slot& from);
  void cascade();
  uint64_t next_event_tick() const;
  uint64_t tick_at_or_after(Instant when) const;
  int occupied_slot(int level) const;

  Duration tick_;
  Instant start_;
  uint64_t current_tick_ = 0;  // all ticks up to here have fired
  // A set bit means "may be occupied": timers leave their slots without telling.
  mutable std::array<uint64_t, kLevels> occupied_{};
  std::array<std::array<Slot, kSlots>, kLevels> slots_;
  Slot due_;  // added when their tick had passed
  Slot far_;  // beyond the four levels (18 hours at 4 ms)
};

}  // namespace mailroot::reactor
