// The timer wheel against a list that anybody can see through.
#include "mailroot/reactor/timer_wheel.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace mailroot::reactor::test {
namespace {

using std::chrono::milliseconds;

constexpr Duration kTick = milliseconds(4);
const Instant kStart = Instant(std::chrono::hours(1000) + milliseconds(1));

Instant at_ms(int64_t ms) { return kStart + milliseconds(ms); }

struct Recorder final : Timer {
  Recorder(std::vector<int>& log, int own_name) : fired(log), name(own_name) {}
  void on_timer() override { fired.push_back(name); }
  std::vector<int>& fired;
  int name;
};

TEST_CASE("a timer never fires early, and fires at its tick") {
  TimerWheel wheel(kTick, kStart);
  std::vector<int> fired;
  Recorder timer(fired, 1);
  wheel.add(timer, at_ms(5));  // between ticks: rounded up to 8
  wheel.advance(at_ms(7));
  CHECK(fired.empty());
  wheel.advance(at_ms(8));
  CHECK(fired == std::vector{1});
  CHECK(!timer.Timer::is_linked());
  CHECK(wheel.next_deadline() == kNever);
}

TEST_CASE("a moment in the past fires at the next advance") {
  TimerWheel wheel(kTick, kStart);
  std::vector<int> fired;
  wheel.advance(at_ms(1000));
  Recorder past(fired, 1);
  Recorder long_past(fired, 2);
  wheel.add(past, at_ms(900));
  wheel.add(long_past, Instant::min());
  CHECK(wheel.next_deadline() <= at_ms(1000));
  wheel.advance(at_ms(1000));
  CHECK(fired == std::vector{1, 2});
}

TEST_CASE("timers of one tick fire in the order of adding, whatever level they came from") {
  TimerWheel wheel(kTick, kStart);
  std::vector<int> fired;
  Recorder a(fired, 1), b(fired, 2), c(fired, 3), d(fired, 4);
  const Instant when = kStart + kTick * 70000;
  wheel.add(a, when);  // a high level now
  wheel.advance(kStart + kTick * 40000);
  wheel.add(b, when);
  wheel.advance(kStart + kTick * 69970);
  wheel.add(c, when);
  wheel.advance(kStart + kTick * 69999);
  wheel.add(d, when);
  wheel.advance(when);
  CHECK(fired == std::vector{1, 2, 3, 4});
}

TEST_CASE("a cancelled timer does not fire, and does not keep the loop awake") {
  TimerWheel wheel(kTick, kStart);
  std::vector<int> fired;
  Recorder near_one(fired, 1), far_one(fired, 2), beyond(fired, 3);
  wheel.add(near_one, at_ms(10));
  wheel.add(far_one, kStart + std::chrono::hours(3));
  wheel.add(beyond, kStart + std::chrono::hours(24 * 30));
  wheel.cancel(near_one);
  wheel.cancel(far_one);
  wheel.cancel(beyond);
  CHECK(wheel.next_deadline() == kNever);
  wheel.advance(kStart + std::chrono::hours(24 * 60));
  CHECK(fired.empty());
}

TEST_CASE("never stands still, however far the moment") {
  TimerWheel wheel(kTick, kStart);
  std::vector<int> fired;
  Recorder timer(fired, 1);
  wheel.add(timer, kNever);
  wheel.advance(kStart + std::chrono::hours(24 * 365));
  CHECK(fired.empty());
  CHECK(timer.Timer::is_linked());
  wheel.cancel(timer);
}

struct Restless final : Timer {
  Restless(TimerWheel& of, Instant until) : wheel(of), end(until) {}
  void on_timer() override {
    ++count;
    if (when() < end) wheel.add(*this, when() + kTick);
  }
  TimerWheel& wheel;
  Instant end;
  int count = 0;
};

TEST_CASE("a timer that adds itself again fires at each of its moments in one advance") {
  TimerWheel wheel(kTick, kStart);
  Restless timer(wheel, kStart + kTick * 200);
  wheel.add(timer, kStart + kTick);
  wheel.advance(kStart + kTick * 500);
  CHECK(timer.count == 200);
}

struct Canceller final : Timer {
  Canceller(TimerWheel& of, Timer& other_one) : wheel(of), other(other_one) {}
  void on_timer() override { wheel.cancel(other); }
  TimerWheel& wheel;
  Timer& other;
};

TEST_CASE("a timer may cancel another of its own tick") {
  TimerWheel wheel(kTick, kStart);
  std::vector<int> fired;
  Recorder victim(fired, 1);
  Canceller first(wheel, victim);
  SUBCASE("in a slot") {
    wheel.add(first, at_ms(40));
    wheel.add(victim, at_ms(40));
  }
  SUBCASE("overdue") {
    wheel.add(first, kStart);
    wheel.add(victim, kStart);
  }
  wheel.advance(at_ms(100));
  CHECK(fired.empty());
}

// The model: a list in the order of adding, searched from end to end.
class Model {
 public:
  void add(int name, Instant when) { waiting_.push_back({name, when}); }
  void cancel(int name) {
    std::erase_if(waiting_, [name](const Entry& entry) { return entry.name == name; });
  }
  Instant tick_of(Instant when) const {
    if (when <= kStart) return kStart;
    return kStart + kTick * ((when - kStart + kTick - Duration(1)) / kTick);
  }
  // Fires what is due at `now`: first what was overdue when added, then by tick.
  void advance(Instant now, std::vector<int>& fired) {
    std::vector<Entry> due;
    for (const Entry& entry : waiting_) {
      if (tick_of(entry.when) <= now) due.push_back(entry);
    }
    std::sort(due.begin(), due.end(), [this](const Entry& a, const Entry& b) {
      const bool a_late = tick_of(a.when) <= reached_;
      const bool b_late = tick_of(b.when) <= reached_;
      const Instant a_tick = a_late ? kStart : tick_of(a.when);
      const Instant b_tick = b_late ? kStart : tick_of(b.when);
      return std::pair(a_tick, a.name) < std::pair(b_tick, b.name);  // names grow as added
    });
    for (const Entry& entry : due) {
      fired.push_back(entry.name);
      cancel(entry.name);
    }
    reached_ = kStart + kTick * ((now - kStart) / kTick);
  }
  // The latest that next_deadline() may say.
  Instant first_tick() const {
    Instant first = kNever;
    for (const Entry& entry : waiting_) first = std::min(first, tick_of(entry.when));
    return first;
  }

 private:
  struct Entry {
    int name;
    Instant when;
  };
  std::vector<Entry> waiting_;
  Instant reached_ = kStart;
};

// A distance of any size: from nothing to five days, each magnitude as likely as the others.
Duration random_distance(std::mt19937_64& random) {
  const int bits = std::uniform_int_distribution<int>(0, 49)(random);
  return Duration(static_cast<int64_t>(random() & ((uint64_t{1} << bits) - 1)));
}

void run_against_model(uint64_t seed) {
  std::mt19937_64 random(seed);
  TimerWheel wheel(kTick, kStart);
  Model model;
  std::vector<int> fired;
  std::vector<int> expected;
  std::vector<std::unique_ptr<Recorder>> timers;
  Instant now = kStart;
  for (int step = 0; step < 3000; ++step) {
    switch (random() % 8) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const int name = static_cast<int>(timers.size());
        timers.push_back(std::make_unique<Recorder>(fired, name));
        const Instant when = now + random_distance(random) - milliseconds(random() % 3);
        wheel.add(*timers.back(), when);
        model.add(name, when);
        break;
      }
      case 4: {
        if (timers.empty()) break;
        const int name = static_cast<int>(random() % timers.size());
        wheel.cancel(*timers[static_cast<size_t>(name)]);
        model.cancel(name);
        break;
      }
      case 5:
        // As the reactor does it: sleep exactly to the next deadline.
        if (wheel.next_deadline() != kNever) now = std::max(now, wheel.next_deadline());
        break;
      default:
        now += random_distance(random) / (random() % 64 + 1);
    }
    REQUIRE(wheel.next_deadline() <= std::max(model.first_tick(), kStart));
    wheel.advance(now);
    model.advance(now, expected);
    REQUIRE(fired == expected);
    if (fired.size() > 100) {
      fired.clear();
      expected.clear();
    }
  }
  CHECK(now - kStart > std::chrono::hours(24 * 4));
}

TEST_CASE("random timers over simulated days fire as the model says") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    run_against_model(seed);
  }
}

TEST_CASE("sleeping from deadline to deadline reaches a far timer in few steps") {
  TimerWheel wheel(kTick, kStart);
  std::vector<int> fired;
  Recorder timer(fired, 1);
  wheel.add(timer, kStart + std::chrono::hours(24 * 5));
  int steps = 0;
  for (; fired.empty() && steps < 100; ++steps) wheel.advance(wheel.next_deadline());
  CHECK(fired == std::vector{1});
  CHECK(steps <= 12);
}

}  // namespace
}  // namespace mailroot::reactor::test
