// Virtual time and what happens in it: events in order of (time, order of scheduling).
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "mailroot/base/assert.h"
#include "mailroot/base/time.h"

namespace mailroot::reactor::sim {

class Scheduler {
 public:
  Instant now() const { return now_; }
  void at(Instant when, std::move_only_function<void()> work) {
    events_.push(Event{std::max(when, now_), next_order_++, std::move(work)});
  }
  void after(Duration delay, std::move_only_function<void()> work) {
    at(now_ + delay, std::move(work));
  }
  Instant next() const { return events_.empty() ? kNever : events_.top().when; }
  bool empty() const { return events_.empty(); }

  // Moves time to the first event and runs it.
  void run_next() {
    MAILROOT_ASSERT(!events_.empty(), "an event is there");
    Event event = std::move(const_cast<Event&>(events_.top()));  // popped at once
    events_.pop();
    now_ = event.when;
    event.work();
  }
  // What a turn costs: code that never sleeps must not hold time still. Never passes an event;
  // false when one is due instead.
  bool spend(Duration time) {
    if (next() <= now_) return false;
    now_ = std::min(now_ + time, next());
    return true;
  }
  void advance_to(Instant when) {
    MAILROOT_ASSERT(when <= next(), "time never jumps over an event");
    now_ = std::max(now_, when);
  }

 private:
  struct Event {
    Instant when;
    uint64_t order;
    std::move_only_function<void()> work;
    friend bool operator<(const Event& left, const Event& right) {
      return std::pair(left.when, left.order) > std::pair(right.when, right.order);
    }
  };
  // Not the epoch: code that confuses "no time" with a time shows up.
  Instant now_{std::chrono::seconds(1000)};
  uint64_t next_order_ = 0;
  std::priority_queue<Event> events_;
};

}  // namespace mailroot::reactor::sim
