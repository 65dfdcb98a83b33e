// A hierarchical timer wheel: 4 levels of 64 slots, a tick of 4 ms in the reactor. O(1) add and
// cancel, no allocation, deterministic order (tick, then order of adding). Pure: told the time.
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
};

class TimerWheel {
 public:
  TimerWheel(Duration tick, Instant start);
  // Fires at the first advance() whose now is not before `when`, never early.
  void add(Timer& timer, Instant when);
  void cancel(Timer& timer);
  // Fires all due timers, in order; a timer may add or cancel timers.
  void advance(Instant now);
  // The earliest moment at which advance() may have work; kNever when empty. May be early by a
  // cascade, never late.
  Instant next_deadline() const;

 private:
  static constexpr int kLevels = 4;
  static constexpr int kSlots = 64;
  void place(Timer& timer);
  Duration tick_;
  uint64_t current_tick_ = 0;
  Instant start_;
  std::array<uint64_t, kLevels> occupied_{};
  std::array<std::array<IntrusiveList<Timer>, kSlots>, kLevels> slots_;
  IntrusiveList<Timer> far_;
};

}  // namespace mailroot::reactor
