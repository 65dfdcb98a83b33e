// When a deferred message is tried again, when its sender is told, when it is given up. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "mailroot/base/queue_id.h"
#include "mailroot/base/time.h"

namespace mailroot::queue {

struct RetrySchedule {
  uint32_t quick_retries_count = 3;  // tries of quick_retries_interval before the list begins
  Duration quick_retries_interval = std::chrono::minutes(1);
  // At least one; the last repeats until expiration.
  std::vector<Duration> retry_intervals = {std::chrono::minutes(15), std::chrono::minutes(30),
                                           std::chrono::minutes(60), std::chrono::minutes(240)};
  Duration delay_notification = std::chrono::hours(12);  // after arrival; 0 = never
  Duration expiration = std::chrono::hours(48);          // after arrival
  Duration local_delay_notification = std::chrono::hours(12);
  Duration local_expiration = std::chrono::hours(48);
};

// The wait after `attempts` failed attempts (at least one), without jitter.
Duration retry_interval(const RetrySchedule& schedule, uint32_t attempts);

// What is added to it so that messages deferred together do not return together: 0 up to a
// sixteenth of the interval, never negative, the same for the same arguments.
Duration retry_jitter(Duration interval, uint64_t seed, const QueueId& id, uint32_t attempts);

// How long a destination rests after `failures` connection failures in a row: as the schedule, but
// never longer than its first interval, so that new mail is not held back by old trouble.
Duration backoff_interval(const RetrySchedule& schedule, uint32_t failures);

}  // namespace mailroot::queue
