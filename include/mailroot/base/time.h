// Two kinds of time. Instant is monotonic and drives every timer; WallTime is stored and shown.
// Nothing here asks a clock: only reactor::Backend knows the time, so that it can be simulated.
#pragma once

#include <chrono>

namespace mailroot {

using Duration = std::chrono::nanoseconds;

struct MonotonicClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};
using Instant = MonotonicClock::time_point;

// Nanoseconds since 1970-01-01 UTC.
struct WallClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<WallClock>;
  static constexpr bool is_steady = false;
};
using WallTime = WallClock::time_point;

inline constexpr Instant kNever = Instant::max();

}  // namespace mailroot
