// Destinations: windows, backoff, fairness, slots; and what a message costs.
#include <malloc.h>

#include <map>
#include <set>

#include "helpers.h"

using namespace mailroot;
using namespace mailroot::queue;
using namespace mailroot::queue::test;

TEST_CASE("a new message is delivered at once and leaves nothing behind") {
  Bench bench;
  CHECK(bench.queue.wake_at() == kNever);
  REQUIRE(bench.add(1, {"mx:a"}));
  const auto grant = bench.connect();
  REQUIRE(grant);
  CHECK_FALSE(grant->is_probe);
  CHECK(bench.queue.key(grant->destination) == "mx:a");
  CHECK(bench.slots->in_use("mx:a") == 1);
  CHECK(bench.slots->in_use(kAllDestinations) == 1);
  const Assignment assignment = bench.take(grant->destination);
  CHECK(assignment.id == id_of(1));
  CHECK(assignment.recipients == std::vector<uint32_t>{0});
  CHECK_FALSE(assignment.shared);
  CHECK_FALSE(bench.queue.take(grant->destination));
  const RecipientResult result{0, Result::delivered};
  const StoredState stored = bench.queue.preview(assignment, {&result, 1}, bench.now);
  CHECK(stored.status == "D");
  CHECK(stored.done);
  CHECK(stored.attempts == 1);
  bench.settle(assignment, Result::delivered);
  bench.queue.connection_closed(grant->destination);
  CHECK(bench.queue.counters().messages == 0);
  CHECK(bench.queue.counters().size_bytes == 0);
  CHECK(bench.queue.counters().delivered == 1);
  CHECK(bench.slots->in_use(kAllDestinations) == 0);
  CHECK(bench.queue.wake_at() == kNever);
}

TEST_CASE("an id is queued once, and a message without open recipients not at all") {
  Bench bench;
  CHECK(bench.add(1, {"mx:a"}));
  CHECK_FALSE(bench.add(1, {"mx:b"}));
  CHECK_FALSE(bench.add(2, {"mx:a", "mx:b"}, "DB"));
  CHECK(bench.queue.counters().messages == 1);
}

TEST_CASE("the window starts at 2 and grows by one per full window of success") {
  Bench bench;
  for (uint64_t i = 0; i < 100; ++i) REQUIRE(bench.add(i, {"mx:a"}));
  std::vector<ConnectionGrant> open;
  std::vector<Assignment> hands;
  const auto connect_all = [&] {
    while (const auto grant = bench.connect()) {
      open.push_back(*grant);
      hands.push_back(bench.take(grant->destination));
    }
  };
  connect_all();
  CHECK(open.size() == 2);
  for (size_t window = 2; window < 6; ++window) {
    CHECK(bench.view("mx:a").window == window);
    for (size_t i = 0; i < window; ++i) {
      bench.settle(hands[i], Result::delivered);
      hands[i] = bench.take(open[i].destination);
    }
    connect_all();
    CHECK(open.size() == window + 1);
  }
}

TEST_CASE("the only connection failing means backoff; one probe; success reopens slowly") {
  Bench bench;
  for (uint64_t i = 0; i < 50; ++i) REQUIRE(bench.add(i, {"mx:a"}));
  auto first = bench.connect();
  auto second = bench.connect();
  REQUIRE(second);
  const auto fail = [&](const ConnectionGrant& grant) {
    bench.settle(bench.take(grant.destination), Result::deferred, Verdict::failed);
    bench.queue.connection_closed(grant.destination);
  };
  fail(*first);
  CHECK(bench.view("mx:a").state == DestinationState::busy);
  CHECK(bench.view("mx:a").window == 1);
  fail(*second);
  CHECK(bench.view("mx:a").state == DestinationState::backoff);
  CHECK(bench.view("mx:a").last_error == "refused");
  CHECK_FALSE(bench.connect());

  // Quick retries first, then every 15 minutes, always one probe.
  const std::vector<Duration> rests = {1min, 1min, 1min, 15min, 15min};
  for (const Duration rest : rests) {
    bench.pass(rest - 100ms);
    CHECK_FALSE(bench.connect());
    bench.pass(100ms + kTimerTick * 2);
    const auto probe = bench.connect();
    REQUIRE(probe);
    CHECK(probe->is_probe);
    CHECK_FALSE(bench.connect());
    fail(*probe);
  }
  bench.pass(16min);
  const auto probe = bench.connect();
  REQUIRE(probe);
  bench.settle(bench.take(probe->destination), Result::delivered);
  CHECK(bench.view("mx:a").state == DestinationState::busy);
  CHECK(bench.view("mx:a").window == 2);
  CHECK(bench.view("mx:a").failures == 0);
  CHECK(bench.view("mx:a").last_error.empty());
  const auto another = bench.connect();
  CHECK(another);
  CHECK_FALSE(bench.connect());
}

TEST_CASE("a probe that learns nothing may be repeated") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a"}));
  bench.attempt(Result::deferred, Verdict::failed);
  bench.pass(2min);
  const auto probe = bench.connect();
  REQUIRE(probe);
  bench.settle(bench.take(probe->destination), Result::not_tried, Verdict::unknown);
  CHECK_FALSE(bench.connect());
  bench.queue.connection_closed(probe->destination);
  const auto again = bench.connect();
  REQUIRE(again);
  CHECK(again->is_probe);
}

TEST_CASE("refused recipients are no failure of the host") {
  Bench bench;
  for (uint64_t i = 0; i < 20; ++i) REQUIRE(bench.add(i, {"mx:a"}));
  for (int i = 0; i < 20; ++i) bench.attempt(i % 2 ? Result::deferred : Result::bounced);
  CHECK(bench.view("mx:a").failures == 0);
  CHECK(bench.view("mx:a").waiting == 10);
  CHECK(bench.view("mx:a").state == DestinationState::idle);
}

TEST_CASE("an idle connection is used before another is opened") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a"}));
  const auto grant = bench.connect();
  REQUIRE(grant);
  bench.settle(bench.take(grant->destination), Result::delivered);
  REQUIRE(bench.add(2, {"mx:a"}));
  CHECK(bench.queue.has_mail(grant->destination));
  CHECK_FALSE(bench.connect());
  CHECK(bench.queue.next_wake() == grant->destination);
  CHECK_FALSE(bench.queue.next_wake());
  REQUIRE(bench.add(3, {"mx:a"}));
  CHECK(bench.connect());
}

TEST_CASE("an unused grant comes back and can be given again") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a"}));
  const auto grant = bench.connect();
  REQUIRE(grant);
  CHECK_FALSE(bench.connect());
  bench.queue.connection_closed(grant->destination);
  CHECK(bench.slots->in_use(kAllDestinations) == 0);
  CHECK(bench.connect());
}

TEST_CASE("300 dead hosts delay nobody else") {
  Bench bench;
  for (uint64_t i = 0; i < 300; ++i) REQUIRE(bench.add(i, {"mx:dead" + std::to_string(i)}));
  REQUIRE(bench.add(1000, {"mx:good"}));
  bool found = false;
  while (const auto grant = bench.connect()) {
    found |= bench.queue.key(grant->destination) == "mx:good";
  }
  CHECK(found);
  CHECK(bench.queue.counters().connections == 301);
}

TEST_CASE("hosts that failed lately get at most half of the connections") {
  Bench bench({.schedule = {}, .connections_max = 10, .per_destination_max = 100});
  for (uint64_t i = 0; i < 30; ++i) REQUIRE(bench.add(i, {"mx:dead" + std::to_string(i)}));
  for (int i = 0; i < 30; ++i) bench.attempt(Result::deferred, Verdict::failed);
  bench.pass(2min);
  uint32_t probes = 0;
  while (const auto grant = bench.connect()) probes += grant->is_probe;
  CHECK(probes == 5);
  REQUIRE(bench.add(1000, {"mx:good"}));
  const auto grant = bench.connect();
  REQUIRE(grant);
  CHECK(bench.queue.key(grant->destination) == "mx:good");
}

TEST_CASE("round robin by bytes: big mail does not crowd out small mail") {
  Bench bench({.schedule = {}, .connections_max = 1, .per_destination_max = 1});
  const auto big = bench.queue.destination("mx:big", DestinationKind::remote);
  const auto small = bench.queue.destination("mx:small", DestinationKind::remote);
  for (uint64_t i = 0; i < 200; ++i) {
    Admission admission;
    admission.id = id_of(i);
    admission.size_bytes = i % 2 ? 200'000 : 1000;
    admission.arrived = bench.now.wall;
    const DestinationId to = i % 2 ? big : small;
    admission.destinations = {&to, 1};
    REQUIRE(bench.queue.admit(admission, bench.now));
  }
  std::map<DestinationId, int> connections;
  for (int i = 0; i < 60; ++i) {
    const auto grant = bench.connect();
    REQUIRE(grant);
    ++connections[grant->destination];
    bench.settle(bench.take(grant->destination), Result::delivered);
    bench.queue.connection_closed(grant->destination);
  }
  CHECK(connections[big] >= 5);  // not starved either
  CHECK(connections[small] > 2 * connections[big]);
}

TEST_CASE("limits are process-wide, and a slot given up goes to the shard that waits") {
  std::vector<std::pair<uint16_t, std::string>> told;
  const auto slots = make_slot_table([&](uint16_t shard, const std::string& key) {
    told.emplace_back(shard, key);
    return true;
  });
  const Moment now{kStart, kWallStart};
  const QueueOptions options{.schedule = {}, .connections_max = 100, .per_destination_max = 1};
  Queue first(options, *slots, 0, 1, now);
  Queue second(options, *slots, 1, 2, now);
  uint64_t counter = 0;
  for (Queue* queue : {&first, &second}) {
    for (int i = 0; i < 20; ++i) {
      const DestinationId to = queue->destination("smart:x", DestinationKind::remote);
      Admission admission;
      admission.id = id_of(++counter);
      admission.arrived = now.wall;
      admission.destinations = {&to, 1};
      REQUIRE(queue->admit(admission, now));
    }
  }
  const auto grant = first.next_connection(now);
  REQUIRE(grant);
  CHECK_FALSE(first.should_yield(grant->destination, 100));
  CHECK_FALSE(second.next_connection(now));
  CHECK(second.wake_at() != kNever);  // should the wake-up get lost
  CHECK_FALSE(first.should_yield(grant->destination, kYieldAfterMessages - 1));
  CHECK(first.should_yield(grant->destination, kYieldAfterMessages));
  first.connection_closed(grant->destination);
  REQUIRE(told.size() == 1);
  CHECK(told[0].first == 1);
  CHECK_FALSE(first.next_connection(now));
  second.slot_freed(told[0].second);
  CHECK(second.next_connection(now));
  CHECK(slots->in_use("smart:x") == 1);
}

TEST_CASE("a slot that came too late is passed on") {
  std::vector<uint16_t> told;
  const auto slots = make_slot_table([&](uint16_t shard, const std::string&) {
    told.push_back(shard);
    return true;
  });
  const Moment now{kStart, kWallStart};
  const QueueOptions options{.schedule = {}, .connections_max = 1, .per_destination_max = 1};
  Queue queue(options, *slots, 1, 1, now);
  REQUIRE(slots->take(0, kAllDestinations, 1));
  const DestinationId to = queue.destination("mx:a", DestinationKind::remote);
  Admission admission;
  admission.id = id_of(1);
  admission.arrived = now.wall;
  admission.destinations = {&to, 1};
  REQUIRE(queue.admit(admission, now));
  CHECK_FALSE(queue.next_connection(now));
  CHECK(slots->in_use("mx:a") == 0);  // both slots or neither
  slots->give(kAllDestinations);
  CHECK(told == std::vector<uint16_t>{1});
  CHECK(remove(queue, id_of(1)));
  queue.slot_freed(kAllDestinations);
  CHECK_FALSE(queue.next_connection(now));
  CHECK(slots->in_use(kAllDestinations) == 0);
}

TEST_CASE("local deliveries take no slot and never back off") {
  Bench bench({.schedule = {}, .connections_max = 1, .per_destination_max = 1});
  for (uint64_t i = 0; i < 20; ++i) REQUIRE(bench.add(i, {"drop"}));
  REQUIRE(bench.add(100, {"mx:a"}));
  REQUIRE(bench.add(101, {"mx:b"}));
  std::map<std::string, int> grants;
  while (const auto grant = bench.connect()) {
    ++grants[std::string(bench.queue.key(grant->destination))];
    if (bench.queue.key(grant->destination) == "drop") {
      bench.settle(bench.take(grant->destination), Result::deferred, Verdict::failed);
    }
  }
  CHECK(grants["drop"] == static_cast<int>(kLocalWindow));
  CHECK(grants["mx:a"] + grants["mx:b"] == 1);
  CHECK(bench.view("drop").state == DestinationState::busy);
  CHECK(bench.slots->in_use("drop") == 0);
}

TEST_CASE("quiet destinations are forgotten, but not all at once") {
  Bench bench;
  for (uint64_t i = 0; i < kIdleDestinationsMax + 500; ++i) {
    REQUIRE(bench.add(i, {"mx:d" + std::to_string(i)}));
    bench.attempt(Result::delivered);
  }
  bench.pass(1s);
  CHECK(bench.queue.counters().destinations == kIdleDestinationsMax);
  REQUIRE(bench.add(99999, {"mx:d0"}));
  bench.attempt(Result::delivered);
}

TEST_CASE("a million queued messages cost less than 400 bytes each") {
  Bench bench;
  const size_t before = mallinfo2().uordblks;
  constexpr uint64_t kCount = 1'000'000;
  for (uint64_t i = 0; i < kCount; ++i) {
    REQUIRE(bench.add(i, {"mx:host" + std::to_string(i % 10'000)}));
  }
  const size_t used = mallinfo2().uordblks - before;
  MESSAGE("bytes a message: " << used / kCount);
  CHECK(used / kCount < 400);
  CHECK(bench.queue.counters().messages == kCount);
  for (uint64_t i = 0; i < kCount; i += 1000) CHECK(bench.queue.show(id_of(i)));
  for (uint64_t i = 0; i < kCount; ++i) REQUIRE(remove(bench.queue, id_of(i)));
  CHECK(bench.queue.counters().messages == 0);
}
