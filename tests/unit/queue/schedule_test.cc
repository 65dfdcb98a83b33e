#include "mailroot/queue/schedule.h"

#include <doctest/doctest.h>

#include <set>

using namespace mailroot;
using namespace mailroot::queue;
using namespace std::chrono_literals;

TEST_CASE("quick retries come first, then the list, whose last entry repeats") {
  const RetrySchedule schedule;
  const std::vector<Duration> expected = {1min, 1min, 1min, 15min, 30min, 60min, 240min, 240min};
  for (uint32_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(retry_interval(schedule, i + 1) == expected[i]);
  }
  CHECK(retry_interval(schedule, UINT32_MAX) == 240min);
}

TEST_CASE("without quick retries the list begins at once") {
  RetrySchedule schedule;
  schedule.quick_retries_count = 0;
  schedule.retry_intervals = {1s};
  CHECK(retry_interval(schedule, 1) == 1s);
  CHECK(retry_interval(schedule, 50) == 1s);
}

TEST_CASE("a destination rests as long as the schedule says, at most its first interval") {
  const RetrySchedule schedule;
  CHECK(backoff_interval(schedule, 1) == 1min);
  CHECK(backoff_interval(schedule, 4) == 15min);
  CHECK(backoff_interval(schedule, 5) == 15min);
  CHECK(backoff_interval(schedule, 100) == 15min);
}

TEST_CASE("jitter is never negative, bounded, repeatable and spread") {
  std::set<Duration> seen;
  for (uint64_t i = 0; i < 1000; ++i) {
    const QueueId id{.epoch = 1, .shard = 2, .counter = i};
    const Duration jitter = retry_jitter(16min, 42, id, 1);
    CHECK(jitter >= 0s);
    CHECK(jitter <= 1min);
    CHECK(jitter == retry_jitter(16min, 42, id, 1));
    seen.insert(jitter);
  }
  CHECK(seen.size() > 990);
  CHECK(*seen.begin() < 5s);
  CHECK(*seen.rbegin() > 55s);
  CHECK(retry_jitter(0s, 1, {}, 1) == 0s);
}
