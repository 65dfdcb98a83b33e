#include "mailroot/queue/schedule.h"

#include <algorithm>

#include "mailroot/base/assert.h"

namespace mailroot::queue {

Duration retry_interval(const RetrySchedule& schedule, uint32_t attempts) {
  MAILROOT_ASSERT(!schedule.retry_intervals.empty(), "a retry schedule has an interval");
  MAILROOT_ASSERT(attempts > 0, "a wait follows an attempt");
  if (attempts <= schedule.quick_retries_count) return schedule.quick_retries_interval;
  const size_t index = attempts - schedule.quick_retries_count - 1;
  return schedule.retry_intervals[std::min(index, schedule.retry_intervals.size() - 1)];
}

Duration retry_jitter(Duration interval, uint64_t seed, const QueueId& id, uint32_t attempts) {
  const int64_t span = interval.count() / 16;
  if (span <= 0) return Duration(0);
  // SplitMix64 over what identifies this attempt.
  uint64_t mixed = seed + std::hash<QueueId>()(id) + uint64_t{attempts} * 0x9E3779B97F4A7C15U;
  mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9U;
  mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBU;
  mixed ^= mixed >> 31;
  return Duration(static_cast<int64_t>(mixed % static_cast<uint64_t>(span + 1)));
}

Duration backoff_interval(const RetrySchedule& schedule, uint32_t failures) {
  return std::min(retry_interval(schedule, failures), schedule.retry_intervals.front());
}

}  // namespace mailroot::queue
