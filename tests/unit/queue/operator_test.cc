// Hold, release, retry, remove, listings.
#include <algorithm>
#include <set>

#include "helpers.h"

using namespace mailroot;
using namespace mailroot::queue;
using namespace mailroot::queue::test;

TEST_CASE("retry now: a message, a destination, everything") {
  Bench bench;
  for (uint64_t i = 0; i < 6; ++i) REQUIRE(bench.add(i, {i % 2 ? "mx:a" : "mx:b"}));
  for (int i = 0; i < 6; ++i) bench.attempt(Result::deferred);
  CHECK_FALSE(bench.connect());
  CHECK(bench.queue.retry_message(id_of(1), bench.now));
  CHECK_FALSE(bench.queue.retry_message(id_of(77), bench.now));
  CHECK(bench.queue.counters().ready == 1);
  CHECK(bench.queue.retry_destination("mx:b", bench.now));
  CHECK_FALSE(bench.queue.retry_destination("mx:nobody", bench.now));
  CHECK(bench.queue.counters().ready == 4);
  CHECK(bench.queue.retry_all(0, bench.now) == 0);
  CHECK(bench.queue.counters().ready == 6);
  for (int i = 0; i < 6; ++i) bench.attempt(Result::delivered);
  CHECK(bench.queue.counters().messages == 0);
}

TEST_CASE("retry now opens a backoff for one probe") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a"}));
  REQUIRE(bench.add(2, {"mx:a"}));
  bench.attempt(Result::deferred, Verdict::failed);
  CHECK_FALSE(bench.connect());
  CHECK(bench.queue.retry_message(id_of(2), bench.now));
  const auto probe = bench.connect();
  REQUIRE(probe);
  CHECK(probe->is_probe);
  CHECK_FALSE(bench.connect());
}

TEST_CASE("a held message waits, does not expire, and is released") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a", "mx:b"}));
  bench.attempt(Result::deferred);
  CHECK(bench.queue.hold_message(id_of(1)));
  CHECK_FALSE(bench.queue.hold_message(id_of(1)));
  CHECK_FALSE(bench.queue.hold_message(id_of(2)));
  CHECK(bench.queue.stored_state(id_of(1), bench.now)->status == "HH");
  CHECK_FALSE(bench.queue.stored_state(id_of(1), bench.now)->done);
  CHECK(bench.queue.counters().held == 2);
  bench.pass(24h * 30);
  CHECK_FALSE(bench.connect());
  CHECK_FALSE(bench.queue.next_notice());
  CHECK(bench.queue.release_message(id_of(1), bench.now));
  CHECK_FALSE(bench.queue.release_message(id_of(1), bench.now));
  CHECK(bench.queue.stored_state(id_of(1), bench.now)->status == "WW");
  bench.pass(5min);
  CHECK_FALSE(bench.queue.next_notice());
  bench.attempt(Result::delivered);
  bench.attempt(Result::delivered);
  CHECK(bench.queue.counters().messages == 0);
}

TEST_CASE("held letters survive a restart") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a", "mx:a", "mx:a"}, "HWD"));
  const auto grant = bench.connect();
  REQUIRE(grant);
  const Assignment assignment = bench.take(grant->destination);
  CHECK(assignment.recipients == std::vector<uint32_t>{1});
  const RecipientResult delivered{1, Result::delivered};
  const StoredState stored = bench.queue.preview(assignment, {&delivered, 1}, bench.now);
  CHECK(stored.status == "HDD");
  CHECK_FALSE(stored.done);
  bench.settle(assignment, Result::delivered);
  CHECK(bench.queue.show(id_of(1))->state == MessageState::held);
}

TEST_CASE("a recipient that failed unreported is tried again") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a", "mx:a"}, "FD"));
  const auto grant = bench.connect();
  REQUIRE(grant);
  const Assignment assignment = bench.take(grant->destination);
  CHECK(assignment.recipients == std::vector<uint32_t>{0});
  CHECK(bench.queue.stored_state(id_of(1), bench.now)->status == "WD");
}

TEST_CASE("a held destination takes mail and sends none") {
  Bench bench;
  CHECK(bench.queue.hold_destination("mx:a", DestinationKind::remote));
  for (uint64_t i = 0; i < 5; ++i) REQUIRE(bench.add(i, {"mx:a"}));
  REQUIRE(bench.add(9, {"mx:b"}));
  const auto grant = bench.connect();
  REQUIRE(grant);
  CHECK(bench.queue.key(grant->destination) == "mx:b");
  CHECK_FALSE(bench.connect());
  CHECK(bench.view("mx:a").state == DestinationState::held);
  bench.pass(24h * 30);
  CHECK_FALSE(bench.connect());
  CHECK_FALSE(bench.queue.next_notice());
  CHECK(bench.queue.release_destination("mx:a", bench.now));
  CHECK_FALSE(bench.queue.release_destination("mx:a", bench.now));
  bench.pass(2min);
  CHECK_FALSE(bench.queue.next_notice());
  CHECK(bench.connect());
}

TEST_CASE("a connection of a held destination finds nothing more to send") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a"}));
  REQUIRE(bench.add(2, {"mx:a"}));
  const auto grant = bench.connect();
  REQUIRE(grant);
  const Assignment assignment = bench.take(grant->destination);
  CHECK(bench.queue.hold_destination("mx:a", DestinationKind::remote));
  CHECK_FALSE(bench.queue.take(grant->destination));
  CHECK_FALSE(bench.queue.has_mail(grant->destination));
  bench.settle(assignment, Result::delivered);
  bench.queue.connection_closed(grant->destination);
  CHECK(bench.queue.counters().messages == 1);
}

TEST_CASE("all that is open of a message is taken at once, also what is held") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a", "mx:b"}));
  REQUIRE(bench.add(2, {"mx:a"}));
  const auto grant = bench.connect();
  Assignment assignment = bench.take(grant->destination);
  CHECK(bench.queue.take_message(assignment.id).empty());  // some of it is on its way
  bench.settle(assignment, Result::deferred);
  CHECK(bench.queue.take_message(id_of(7)).empty());
  CHECK(bench.queue.hold_message(id_of(1)));
  const std::vector<Assignment> taken = bench.queue.take_message(id_of(1));
  REQUIRE(taken.size() == 2);
  CHECK(bench.queue.take_message(id_of(1)).empty());
  CHECK(bench.queue.counters().in_transaction == 2);
  CHECK(bench.queue.counters().held == 0);
  CHECK_FALSE(bench.queue.retry_message(id_of(1), bench.now));
  CHECK_FALSE(bench.queue.release_message(id_of(1), bench.now));
  const std::vector<RecipientResult> bounced = {{taken[0].recipients[0], Result::bounced}};
  const StoredState stored = bench.queue.preview(taken[0], bounced, bench.now);
  CHECK_FALSE(stored.done);
  CHECK(std::ranges::count(stored.status, kBounced) == 1);
  bench.queue.settle(taken[0], bounced, Verdict::unknown, "", bench.now);
  bench.queue.forget(taken[1]);
  CHECK(bench.queue.counters().messages == 1);
  CHECK(bench.queue.counters().bounced == 1);
  CHECK(bench.queue.counters().in_transaction == 0);
}

TEST_CASE("what is in a transaction is not removed") {
  Bench bench;
  REQUIRE(bench.add(1, {"mx:a", "mx:b"}));
  const auto grant = bench.connect();
  const Assignment assignment = bench.take(grant->destination);
  CHECK_FALSE(remove(bench.queue, id_of(1)));
  bench.settle(assignment, Result::deferred);
  CHECK(remove(bench.queue, id_of(1)));
  CHECK_FALSE(remove(bench.queue, id_of(1)));
  CHECK(bench.queue.counters().messages == 0);
  CHECK(bench.queue.counters().waiting == 0);
}

TEST_CASE("listings come in pages that show everything once") {
  Bench bench;
  for (uint64_t i = 0; i < 2500; ++i) REQUIRE(bench.add(i, {"mx:" + std::to_string(i % 1200)}));
  std::set<uint64_t> seen;
  uint32_t cursor = 0;
  int pages = 0;
  do {
    const auto page = bench.queue.list(cursor, 100);
    CHECK(page.entries.size() <= 100);
    for (const auto& entry : page.entries) CHECK(seen.insert(entry.id.counter).second);
    cursor = page.next_cursor;
    ++pages;
    // Mail that comes and goes meanwhile disturbs nothing.
    REQUIRE(bench.add(10'000 + static_cast<uint64_t>(pages), {"mx:0"}));
    REQUIRE(remove(bench.queue, id_of(10'000 + static_cast<uint64_t>(pages))));
  } while (cursor != 0);
  CHECK(seen.size() >= 2500);
  CHECK(pages >= 25);
  size_t destinations = 0;
  cursor = 0;
  do {
    const auto page = bench.queue.destinations(cursor, 1'000'000);
    CHECK(page.entries.size() <= kPageMax);
    destinations += page.entries.size();
    cursor = page.next_cursor;
  } while (cursor != 0);
  CHECK(destinations == 1200);
}

TEST_CASE("retry_all goes page by page") {
  Bench bench;
  for (uint64_t i = 0; i < 2500; ++i) {
    REQUIRE(bench.add(i, {"mx:" + std::to_string(i % 7)}));
    bench.attempt(Result::deferred);
  }
  CHECK(bench.queue.counters().waiting == 2500);
  uint32_t cursor = 0;
  int pages = 0;
  do {
    cursor = bench.queue.retry_all(cursor, bench.now);
    ++pages;
  } while (cursor != 0);
  CHECK(pages == 3);
  CHECK(bench.queue.counters().ready == 2500);
}

TEST_CASE("what is kept until asked for is sent when asked, then kept again") {
  Bench bench;
  bench.queue.keep_until_asked(bench.queue.destination("etrn:a", DestinationKind::remote));
  REQUIRE(bench.add(1, {"etrn:a"}));
  REQUIRE(bench.add(2, {"etrn:a"}));
  CHECK_FALSE(bench.connect());
  CHECK(bench.view("etrn:a").state == DestinationState::held);
  bench.queue.keep_until_asked(bench.queue.destination("etrn:a", DestinationKind::remote));
  CHECK(bench.queue.release_destination("etrn:a", bench.now));
  // Interning it again, for new mail, does not hold what was asked for.
  bench.queue.keep_until_asked(bench.queue.destination("etrn:a", DestinationKind::remote));
  bench.attempt(Result::delivered);
  bench.attempt(Result::delivered);
  CHECK(bench.queue.counters().messages == 0);
  REQUIRE(bench.add(3, {"etrn:a"}));
  CHECK_FALSE(bench.connect());
}

TEST_CASE("a host that asked and cannot be reached has to ask again") {
  Bench bench;
  bench.queue.keep_until_asked(bench.queue.destination("etrn:a", DestinationKind::remote));
  REQUIRE(bench.add(1, {"etrn:a"}));
  REQUIRE(bench.queue.release_destination("etrn:a", bench.now));
  bench.attempt(Result::deferred, Verdict::failed);
  bench.pass(6h);
  CHECK_FALSE(bench.connect());
  REQUIRE(bench.queue.release_destination("etrn:a", bench.now));
  bench.attempt(Result::delivered);
  CHECK(bench.queue.counters().messages == 0);
}

TEST_CASE("kept mail that nobody asks for expires") {
  Bench bench;
  bench.queue.keep_until_asked(bench.queue.destination("etrn:a", DestinationKind::remote));
  REQUIRE(bench.add(1, {"etrn:a"}));
  bool expired = false;
  for (int hours = 0; hours < 49 && !expired; ++hours) {
    bench.pass(1h);
    while (const auto notice = bench.queue.next_notice()) {
      if (notice->kind == NoticeKind::expired) {
        bench.settle(notice->assignment, Result::bounced, Verdict::unknown);
        expired = true;
      } else {
        bench.queue.delay_notified(*notice);
      }
    }
    CHECK_FALSE(bench.connect());
    if (hours < 47) CHECK_FALSE(expired);
  }
  CHECK(expired);
  CHECK(bench.queue.counters().messages == 0);
}
