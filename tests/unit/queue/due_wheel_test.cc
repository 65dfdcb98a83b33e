#include "due_wheel.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

#include "mailroot/queue/limits.h"

using namespace mailroot;
using namespace mailroot::queue;
using namespace std::chrono_literals;

namespace {
constexpr Instant kStart{5s};
}

TEST_CASE("nothing fires early, and everything fires within a tick") {
  std::mt19937_64 random(1);
  DueWheel wheel(kStart);
  std::multimap<Instant, uint32_t> oracle;
  std::map<uint32_t, std::pair<uint32_t, Instant>> live;  // payload -> timer, when
  Instant now = kStart;
  uint32_t next = 0;
  std::vector<uint32_t> due;
  for (int round = 0; round < 20000; ++round) {
    const uint64_t dice = random() % 10;
    if (dice < 5) {
      const std::array<Duration, 6> spans = {1s, 30s, 10min, 5h, 72h, 24h * 60};
      const auto span = static_cast<uint64_t>(spans[random() % spans.size()].count());
      const Instant when = now + Duration(static_cast<int64_t>(random() % span));
      live[next] = {wheel.add(when, next), when};
      ++next;
    } else if (dice == 5 && !live.empty()) {
      const auto victim = std::next(live.begin(), static_cast<int64_t>(random() % live.size()));
      wheel.cancel(victim->second.first);
      live.erase(victim);
    } else {
      const std::array<Duration, 4> steps = {10ms, 2s, 20min, 26h};
      now += Duration(static_cast<int64_t>(random() % 1000) * steps[random() % 4].count() / 1000);
      due.clear();
      wheel.advance(now, due);
      for (const uint32_t payload : due) {
        REQUIRE(live.contains(payload));
        REQUIRE(live[payload].second <= now);
        live.erase(payload);
      }
      for (const auto& [payload, timer] : live) REQUIRE(timer.second + kTimerTick * 2 > now);
      REQUIRE(wheel.size() == live.size());
    }
  }
  CHECK(next > 5000);
}

TEST_CASE("the next deadline leads to every timer without polling") {
  DueWheel wheel(kStart);
  CHECK(wheel.next_deadline() == kNever);
  wheel.add(kStart + 47h, 1);
  wheel.add(kStart + 100ms, 2);
  std::vector<uint32_t> due;
  std::vector<Instant> fired;
  int wakes = 0;
  for (; wheel.next_deadline() != kNever; ++wakes) {
    const Instant now = wheel.next_deadline();
    const size_t before = due.size();
    wheel.advance(now, due);
    if (due.size() > before) fired.push_back(now);
    REQUIRE(wakes < 20);
  }
  CHECK(due == std::vector<uint32_t>{2, 1});
  REQUIRE(fired.size() == 2);
  CHECK(fired[0] >= kStart + 100ms);
  CHECK(fired[0] <= kStart + 100ms + kTimerTick);
  CHECK(fired[1] >= kStart + 47h);
  CHECK(fired[1] <= kStart + 47h + kTimerTick);
}

TEST_CASE("the past and the end of time are harmless") {
  DueWheel wheel(kStart);
  std::vector<uint32_t> due;
  wheel.add(Instant(0s), 1);
  wheel.add(kNever, 2);
  wheel.advance(Instant(0s), due);
  CHECK(due.empty());
  wheel.advance(kStart + 1s, due);
  CHECK(due == std::vector<uint32_t>{1});
  wheel.advance(kStart + 24h * 365 * 10, due);
  CHECK(due.size() == 1);
  CHECK(wheel.size() == 1);
}
