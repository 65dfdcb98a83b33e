// Messages with several recipients and destinations, deferral, expiry, delay, clocks.
#include <map>

#include "helpers.h"

using namespace mailroot;
using namespace mailroot::queue;
using namespace mailroot::queue::test;

namespace {

const std::vector<Duration> kDefaultWaits = {1min, 1min, 1min, 15min, 30min, 60min, 240min, 240min};

}  // namespace

TEST_CASE("a deferred message returns exactly when the schedule says") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a"}));
  for (const Duration wait : kDefaultWaits) {
    bench.attempt(Result::deferred);
    CHECK(bench.view("mx:a").waiting == 1);
    bench.pass(wait - 1ms);
    CHECK_FALSE(bench.connect());
    bench.pass(wait / 16 + kTimerTick * 2);
    CHECK(bench.view("mx:a").ready == 1);
  }
  CHECK(bench.queue.show(id_of(1))->attempts == kDefaultWaits.size());
}

TEST_CASE("what is stored agrees with what happens") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a"}));
  const auto grant = bench.connect();
  const Assignment assignment = bench.take(grant->destination);
  const RecipientResult deferred{0, Result::deferred};
  const StoredState stored = bench.queue.preview(assignment, {&deferred, 1}, bench.now);
  CHECK(stored.status == "W");
  CHECK_FALSE(stored.done);
  CHECK(stored.attempts == 1);
  CHECK(stored.next_attempt >= bench.now.wall + 1min);
  CHECK(stored.next_attempt <= bench.now.wall + 64s);
  bench.settle(assignment, Result::deferred);
  CHECK(bench.queue.show(id_of(1))->next_attempt - bench.now.at ==
        stored.next_attempt - bench.now.wall);
}

TEST_CASE("recipients are grouped by destination; each has its own outcome") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a", "mx:b", "mx:a", "drop", "mx:a"}));
  CHECK(bench.queue.show(id_of(1))->destinations == 3);
  std::map<std::string, Assignment> hands;
  while (const auto grant = bench.connect()) {
    const std::string key(bench.queue.key(grant->destination));
    hands[key] = bench.take(grant->destination);
    CHECK(hands[key].shared);
  }
  REQUIRE(hands.size() == 3);
  CHECK(hands["mx:a"].recipients == std::vector<uint32_t>{0, 2, 4});
  CHECK(hands["mx:b"].recipients == std::vector<uint32_t>{1});
  const std::vector<RecipientResult> mixed = {
      {4, Result::bounced}, {0, Result::delivered}, {2, Result::deferred}};
  const StoredState stored = bench.queue.preview(hands["mx:a"], mixed, bench.now);
  CHECK(stored.status == "DWWWB");
  CHECK(stored.next_attempt == bench.now.wall);  // other groups are being tried now
  bench.queue.settle(hands["mx:a"], mixed, Verdict::worked, "", bench.now);
  bench.settle(hands["drop"], Result::delivered);
  CHECK(bench.queue.stored_state(id_of(1), bench.now)->status == "DWWDB");
  bench.settle(hands["mx:b"], Result::delivered);
  CHECK(bench.queue.show(id_of(1))->recipients_open == 1);
  CHECK(bench.queue.show(id_of(1))->recipients == 5);
  bench.pass(2min);
  const Assignment last = bench.take(hands["mx:a"].destination);
  CHECK(last.recipients == std::vector<uint32_t>{2});
  CHECK(last.attempts == 1);
  bench.settle(last, Result::delivered);
  CHECK(bench.queue.counters().messages == 0);
  CHECK(bench.queue.counters().delivered == 4);
  CHECK(bench.queue.counters().bounced == 1);
}

TEST_CASE("what no transaction had room for is tried at once, and is no attempt") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a", "mx:a", "mx:a", "mx:a"}));
  const auto grant = bench.connect();
  Assignment assignment = bench.take(grant->destination);
  const std::vector<RecipientResult> results = {
      {0, Result::delivered}, {1, Result::deferred}, {2, Result::not_tried}};
  CHECK(bench.queue.preview(assignment, results, bench.now).next_attempt == bench.now.wall);
  bench.queue.settle(assignment, results, Verdict::worked, "", bench.now);
  CHECK(bench.view("mx:a").waiting == 1);
  CHECK(bench.view("mx:a").ready == 1);
  assignment = bench.take(grant->destination);
  CHECK(assignment.recipients == std::vector<uint32_t>{2, 3});
  bench.settle(assignment, Result::not_tried, Verdict::unknown);
  assignment = bench.take(grant->destination);
  CHECK(assignment.attempts == 1);
  bench.settle(assignment, Result::delivered);
  bench.pass(2min);
  assignment = bench.take(grant->destination);
  CHECK(assignment.recipients == std::vector<uint32_t>{1});
}

TEST_CASE("parts of a long recipient list are settled on the way") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a", "mx:a", "mx:a"}));
  const auto grant = bench.connect();
  Assignment assignment = bench.take(grant->destination);
  const RecipientResult part{1, Result::delivered};
  CHECK(bench.queue.preview_part(assignment, {&part, 1}, bench.now).status == "WDW");
  bench.queue.settle_part(assignment, {&part, 1});
  CHECK(assignment.recipients == std::vector<uint32_t>{0, 2});
  bench.settle(assignment, Result::deferred);
  CHECK(bench.queue.stored_state(id_of(1), bench.now)->status == "WDW");
}

TEST_CASE("a removed message is forgotten with all its groups") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a", "mx:b"}));
  for (int i = 0; i < 2; ++i) {
    const auto grant = bench.connect();
    REQUIRE(grant);
    bench.queue.forget(bench.take(grant->destination));
    bench.queue.connection_closed(grant->destination);
  }
  CHECK(bench.queue.counters().messages == 0);
  CHECK(bench.queue.counters().ready == 0);
  CHECK(bench.view("mx:a").size_bytes == 0);
}

TEST_CASE("recipients move to where a new configuration sends them") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a", "mx:a", "mx:a"}));
  const auto grant = bench.connect();
  Assignment assignment = bench.take(grant->destination);
  const DestinationId smart = bench.queue.destination("smart:x", DestinationKind::remote);
  const uint32_t middle = 1;
  CHECK_FALSE(bench.queue.reroute(assignment, {&middle, 1}, smart, bench.now));
  CHECK(assignment.recipients == std::vector<uint32_t>{0, 2});
  CHECK(assignment.shared);
  const std::vector<uint32_t> rest = assignment.recipients;
  CHECK(bench.queue.reroute(assignment, rest, smart, bench.now));
  bench.queue.connection_closed(grant->destination);
  CHECK(bench.view("mx:a").size_bytes == 0);
  CHECK(bench.view("smart:x").ready == 2);
  CHECK(bench.queue.show(id_of(1))->recipients_open == 3);
  bench.attempt(Result::delivered);
  bench.attempt(Result::delivered);
  CHECK(bench.queue.counters().messages == 0);
}

TEST_CASE("delay notification and expiry come at their times, once") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a"}));
  std::vector<std::pair<NoticeKind, Duration>> notices;
  int attempts = 0;
  for (; bench.queue.counters().messages > 0; bench.pass_to_wake()) {
    while (const auto notice = bench.queue.next_notice()) {
      notices.emplace_back(notice->kind, bench.now.at - kStart);
      CHECK(notice->assignment.recipients == std::vector<uint32_t>{0});
      if (notice->kind == NoticeKind::delayed) {
        CHECK(notice->expires == kStart + 48h);
        CHECK(bench.queue.preview_delay(*notice, bench.now).delay_notified);
        bench.queue.delay_notified(*notice);
      } else {
        const RecipientResult bounced{0, Result::bounced};
        const auto stored = bench.queue.preview(notice->assignment, {&bounced, 1}, bench.now);
        CHECK(stored.done);
        bench.settle(notice->assignment, Result::bounced, Verdict::unknown);
      }
    }
    while (const auto grant = bench.connect()) {
      bench.settle(bench.take(grant->destination), Result::deferred, Verdict::failed);
      bench.queue.connection_closed(grant->destination);
      ++attempts;
    }
  }
  REQUIRE(notices.size() == 2);
  CHECK(notices[0].first == NoticeKind::delayed);
  CHECK(notices[0].second >= 12h);
  CHECK(notices[0].second <= 12h + kTimerTick);
  CHECK(notices[1].first == NoticeKind::expired);
  CHECK(notices[1].second >= 48h);
  CHECK(notices[1].second <= 48h + kTimerTick);
  // 0, 1, 2, 3 min, then 15, 30, 60 and every 240 min with up to a sixteenth more.
  CHECK(attempts >= 17);
  CHECK(attempts <= 18);
  CHECK(bench.queue.counters().expired == 1);
}

TEST_CASE("messages behind a dead host expire though they were never tried") {
  Bench bench;
  for (uint64_t i = 0; i < 10; ++i) REQUIRE(bench.add(i, {"mx:dead"}));
  uint64_t expired = 0, delayed = 0;
  while (bench.queue.counters().messages > 0 && bench.now.at < kStart + 60h) {
    bench.pass_to_wake();
    while (const auto notice = bench.queue.next_notice()) {
      if (notice->kind == NoticeKind::delayed) {
        ++delayed;
        bench.queue.delay_notified(*notice);
        continue;
      }
      ++expired;
      CHECK(notice->last_error == "refused");
      bench.settle(notice->assignment, Result::bounced, Verdict::unknown);
    }
    if (const auto grant = bench.connect()) {
      bench.settle(bench.take(grant->destination), Result::deferred, Verdict::failed);
      bench.queue.connection_closed(grant->destination);
    }
  }
  CHECK(expired == 10);
  CHECK(delayed == 10);
  CHECK(bench.now.at <= kStart + 48h + 2min);
}

TEST_CASE("recipients that expire together are reported together") {
  QueueOptions options;
  options.schedule.expiration = 1h;
  Bench bench(options);
  REQUIRE(bench.add(1, {"mx:a", "mx:b", "mx:c", "mx:b", "mx:d"}));
  while (const auto grant = bench.connect()) {
    const bool good = bench.queue.key(grant->destination) == "mx:c";
    bench.settle(bench.take(grant->destination), good ? Result::delivered : Result::deferred);
    bench.queue.connection_closed(grant->destination);
  }
  for (Duration passed{}; passed < 59min; passed += 1min) {
    bench.pass(1min);
    while (const auto grant = bench.connect()) {
      bench.settle(bench.take(grant->destination), Result::deferred);
      bench.queue.connection_closed(grant->destination);
    }
  }
  bench.pass(2min);
  const auto notice = bench.queue.next_notice();
  REQUIRE(notice);
  CHECK(notice->kind == NoticeKind::expired);
  CHECK(notice->assignment.recipients == std::vector<uint32_t>{0, 1, 3, 4});
  CHECK_FALSE(bench.queue.next_notice());
  bench.settle(notice->assignment, Result::bounced, Verdict::unknown);
  CHECK(bench.queue.counters().messages == 0);
  CHECK(bench.queue.counters().bounced == 4);
}

TEST_CASE("an expiry whose report could not be stored comes again in a minute") {
  QueueOptions options;
  options.schedule.expiration = 10min;
  Bench bench(options);
  REQUIRE(bench.add(1, {"mx:a"}));
  bench.attempt(Result::deferred);
  bench.pass(11min);
  auto notice = bench.queue.next_notice();
  REQUIRE(notice);
  bench.settle(notice->assignment, Result::deferred, Verdict::unknown);
  CHECK_FALSE(bench.connect());
  bench.pass(30s);
  CHECK_FALSE(bench.queue.next_notice());
  bench.pass(31s);
  notice = bench.queue.next_notice();
  REQUIRE(notice);
  CHECK(notice->kind == NoticeKind::expired);
  CHECK(notice->assignment.attempts == 1);
}

TEST_CASE("a delay report that could not be stored waits for the next attempt") {
  QueueOptions options;
  options.schedule.delay_notification = 10min;
  Bench bench(options);
  REQUIRE(bench.add(1, {"mx:a"}));
  for (int i = 0; i < 4; ++i) {
    bench.attempt(Result::deferred);
    bench.pass(2min);
  }
  bench.pass(3min);
  const auto notice = bench.queue.next_notice();
  REQUIRE(notice);
  bench.queue.delay_failed(*notice);
  bench.pass(1min);
  CHECK_FALSE(bench.queue.next_notice());
  bench.pass(40min);
  bench.attempt(Result::deferred);
  bench.pass(1s);
  CHECK(bench.queue.next_notice());
}

TEST_CASE("no clock step expires mail or stretches a wait") {
  SUBCASE("forward while we were down") {
    Bench bench;
    Admission admission;
    const DestinationId to = bench.queue.destination("mx:a", DestinationKind::remote);
    admission.id = id_of(1);
    admission.arrived = bench.now.wall - 24h * 400;
    admission.next_attempt = bench.now.wall - 24h * 399;
    admission.attempts = 3;
    admission.destinations = {&to, 1};
    REQUIRE(bench.queue.admit(admission, bench.now));
    bench.pass(5min);
    CHECK_FALSE(bench.queue.next_notice());
    bench.attempt(Result::deferred);  // one attempt in this run, then it is really too old
    bench.pass(1s);
    CHECK(bench.queue.next_notice()->kind == NoticeKind::expired);
  }
  SUBCASE("back while we were down") {
    Bench bench;
    Admission admission;
    const DestinationId to = bench.queue.destination("mx:a", DestinationKind::remote);
    admission.id = id_of(1);
    admission.arrived = bench.now.wall + 24h * 400;
    admission.next_attempt = bench.now.wall + 24h * 400;
    admission.attempts = 3;
    admission.destinations = {&to, 1};
    REQUIRE(bench.queue.admit(admission, bench.now));
    CHECK_FALSE(bench.connect());
    bench.pass(240min + 1s);
    bench.attempt(Result::delivered);
  }
  SUBCASE("while running") {
    Bench bench;
    REQUIRE(bench.add(1, {"mx:a"}));
    bench.attempt(Result::deferred);
    bench.now.wall += 24h * 400;
    bench.pass(30s);
    CHECK_FALSE(bench.connect());
    CHECK_FALSE(bench.queue.next_notice());
    bench.now.wall -= 24h * 800;
    bench.pass(40s);
    const auto stored = bench.queue.stored_state(id_of(1), bench.now);
    CHECK(stored->next_attempt == bench.now.wall);
    bench.attempt(Result::delivered);
  }
}
