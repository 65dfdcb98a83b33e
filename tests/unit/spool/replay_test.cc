#include "replay.h"

#include <doctest/doctest.h>

#include "groups.h"

using namespace mailroot;
using namespace mailroot::spool;
using mailroot::spool::test::id_of;
using mailroot::spool::test::SegmentBuilder;

namespace {

Replay replay_of(std::initializer_list<const SegmentBuilder*> segments) {
  std::vector<SegmentScan> scans;
  for (const SegmentBuilder* segment : segments) scans.push_back(scan_segment(segment->view()));
  return replay(scans);
}

bool has(const Replay& result, uint64_t counter) {
  const auto found = result.messages.find(id_of(counter));
  return found != result.messages.end() && found->second.head && !found->second.done;
}

}  // namespace

TEST_CASE("accepted and done messages are told apart") {
  SegmentBuilder segment;
  segment.accept(1, 0, 1, "one");
  segment.accept(2, 1, 2, std::string(9000, 'b'));
  segment.done(3, 2, 1);
  const Replay result = replay_of({&segment});
  CHECK(result.groups == 3);
  CHECK(result.damage.empty());
  CHECK_FALSE(has(result, 1));
  CHECK(result.messages.at(id_of(1)).done);
  CHECK(has(result, 2));
}

TEST_CASE("a torn last group never happened, whichever part is missing") {
  const std::string content(9000, 'b');
  for (size_t cut = 0; cut < 4 * kBlockSize; cut += 512) {
    SegmentBuilder segment;
    segment.accept(1, 0, 1, "one");
    const size_t start = segment.accept(2, 1, 2, content);
    segment.zero(start + cut, 4 * kBlockSize - cut);
    const Replay result = replay_of({&segment});
    CHECK(has(result, 1));
    // Head and two whole blocks are needed; zeroes beyond them change nothing.
    CHECK(has(result, 2) == (cut >= 3 * kBlockSize));
    CHECK(result.damage.empty());
  }
}

TEST_CASE("a group behind a torn one in flight was never acknowledged and is left out") {
  SegmentBuilder segment;
  segment.accept(1, 0, 1, "one");
  const size_t torn = segment.accept(2, 1, 2, "two");
  segment.accept(3, 1, 3, "three");
  segment.damage(torn + 100);
  const Replay result = replay_of({&segment});
  CHECK(has(result, 1));
  CHECK_FALSE(has(result, 2));
  CHECK_FALSE(has(result, 3));
  CHECK(result.tail_groups == 1);
  CHECK(result.damage.empty());
}

TEST_CASE("a bad group that a later one calls durable is damage, and the scan goes on") {
  SegmentBuilder segment;
  segment.accept(1, 0, 1, "one");
  const size_t rotten = segment.accept(2, 1, 2, "two");
  segment.accept(3, 2, 3, "three");
  segment.damage(rotten + 100);
  const Replay result = replay_of({&segment});
  CHECK(has(result, 1));
  CHECK_FALSE(has(result, 2));
  CHECK(has(result, 3));
  REQUIRE(result.damage.size() == 1);
  CHECK(result.damage[0].segment == 0);
}

TEST_CASE("a rotten first group of the oldest segment is seen by its place") {
  SegmentBuilder segment;
  const size_t rotten = segment.accept(4, 3, 1, "one");
  segment.accept(5, 4, 2, "two");
  segment.damage(rotten);
  const Replay result = replay_of({&segment});
  CHECK(has(result, 2));
  CHECK(result.damage.size() == 1);
}

TEST_CASE("a rotten last group of a full segment is missed between two segments") {
  SegmentBuilder first(1, 50), second(2, 51);
  first.accept(1, 0, 1, "one");
  const size_t rotten = first.accept(2, 1, 2, "two");
  second.accept(3, 2, 3, "three");
  first.damage(rotten + 80);
  const Replay result = replay_of({&first, &second});
  CHECK(has(result, 1));
  CHECK(has(result, 3));
  CHECK_FALSE(result.damage.empty());
}

TEST_CASE("one rotten body in a durable group costs that message only") {
  SegmentBuilder segment;
  const std::string content(5000, 'z');
  const size_t start = segment.group(1, 0, [&](HeadBuilder& builder, std::string& blocks) {
    SegmentBuilder::add_accept(builder, blocks, 1, content);
    SegmentBuilder::add_accept(builder, blocks, 2, content);
  });
  segment.accept(2, 1, 3, "three");
  segment.damage(start + kBlockSize + 17);  // in the whole block of message 1
  const Replay result = replay_of({&segment});
  CHECK_FALSE(has(result, 1));
  CHECK(has(result, 2));
  CHECK(has(result, 3));
  CHECK(result.damage.size() == 1);
}

TEST_CASE("refused groups stay refused although their bytes are on the disk") {
  SegmentBuilder abandoned(1, 50), fresh(2, 51);
  abandoned.accept(1, 0, 1, "one");
  abandoned.accept(2, 1, 2, "refused");
  abandoned.accept(3, 1, 3, "refused too");
  fresh.voided(4, 1, 2, 3);
  SUBCASE("the Void is the last group") {}
  SUBCASE("mail follows") { fresh.accept(5, 4, 5, "five"); }
  const Replay result = replay_of({&abandoned, &fresh});
  CHECK(has(result, 1));
  CHECK_FALSE(has(result, 2));
  CHECK_FALSE(has(result, 3));
  CHECK(result.void_groups == 2);
  CHECK(result.damage.empty());
}

TEST_CASE("a Void explains groups that never reached the disk") {
  SegmentBuilder abandoned(1, 50), fresh(2, 51);
  abandoned.accept(1, 0, 1, "one");
  fresh.voided(4, 1, 2, 3);
  fresh.accept(5, 4, 5, "five");
  const Replay result = replay_of({&abandoned, &fresh});
  CHECK(has(result, 1));
  CHECK(has(result, 5));
  CHECK(result.damage.empty());
}

TEST_CASE("a Void behind a group that is torn in its body only") {
  SegmentBuilder abandoned(1, 50), fresh(2, 51);
  abandoned.accept(1, 0, 1, "one");
  const size_t torn = abandoned.accept(2, 1, 2, std::string(9000, 'x'));
  abandoned.damage(torn + kBlockSize);
  fresh.group(3, 1, [&](HeadBuilder& builder, std::string&) {
    REQUIRE(builder.add(VoidRecord{2, 2}));
    REQUIRE(builder.add(DoneRecord{id_of(1)}));
  });
  const Replay result = replay_of({&abandoned, &fresh});
  CHECK(result.messages.at(id_of(1)).done);
  CHECK_FALSE(has(result, 2));
  CHECK(result.damage.empty());
}

TEST_CASE("a Void behind a gap and a group that follows the gap") {
  SegmentBuilder abandoned(1, 50), fresh(2, 51);
  abandoned.accept(1, 0, 1, "one");
  const size_t torn = abandoned.accept(2, 1, 2, "two");
  abandoned.accept(3, 1, 3, "three");
  abandoned.zero(torn, kBlockSize);
  fresh.group(4, 1, [&](HeadBuilder& builder, std::string&) {
    REQUIRE(builder.add(VoidRecord{2, 3}));
    REQUIRE(builder.add(DoneRecord{id_of(1)}));
  });
  const Replay result = replay_of({&abandoned, &fresh});
  CHECK(result.messages.at(id_of(1)).done);
  CHECK_FALSE(has(result, 3));
  CHECK(result.damage.empty());
}

TEST_CASE("a Void cannot reach forward") {
  SegmentBuilder segment;
  segment.voided(1, 0, 1, UINT64_MAX - 1);
  segment.accept(2, 1, 2, "two");
  const Replay result = replay_of({&segment});
  CHECK(has(result, 2));
}

TEST_CASE("stale groups of a recycled segment are not replayed, also behind a hole") {
  SegmentBuilder segment(1, 50);
  segment.accept(1, 0, 1, "old one");
  segment.accept(2, 1, 2, "old two");
  segment.accept(3, 2, 3, "old three");
  segment.reuse(51);
  SUBCASE("nothing written yet") {
    const Replay result = replay_of({&segment});
    CHECK(result.messages.empty());
  }
  SUBCASE("one new group") {
    segment.accept(9, 8, 9, "new");
    const Replay result = replay_of({&segment});
    CHECK(result.messages.size() == 1);
    CHECK(has(result, 9));
  }
  SUBCASE("the new group is torn") {
    const size_t start = segment.accept(9, 8, 9, "new");
    segment.zero(start, 512);
    const Replay result = replay_of({&segment});
    CHECK(result.messages.empty());
  }
}

TEST_CASE("a body that looks like a group is not one") {
  SegmentBuilder forged(1, 1234);  // the sender cannot know `use`
  const size_t start = forged.done(3, 2, 1);
  const std::string content(as_text(forged.view()).substr(start, kBlockSize));
  SegmentBuilder segment(1, 99);
  segment.accept(1, 0, 1, "one");
  const size_t torn = segment.accept(2, 1, 2, content);
  segment.zero(torn, kBlockSize);
  const Replay result = replay_of({&segment});
  CHECK(has(result, 1));
}

TEST_CASE("settled wins over every journal, newer epochs are applied last") {
  SegmentBuilder first(1, 50);
  first.accept(1, 0, 1, "one");
  SegmentBuilder other(1, 60);
  other.group(1, 0, [&](HeadBuilder& builder, std::string&) {
    StatusRecord status{id_of(1), "D", {}, "250 done"};
    REQUIRE(builder.add(status));
    REQUIRE(builder.add(DoneRecord{id_of(1)}));
  });
  std::vector<SegmentScan> scans{scan_segment(other.view()), scan_segment(first.view())};
  for (ScannedGroup& group : scans[0].groups) group.header.shard = 1;
  const Replay result = replay(scans);
  CHECK(result.messages.at(id_of(1)).done);
}

TEST_CASE("the newest status is kept with the message") {
  SegmentBuilder segment;
  segment.accept(1, 0, 1, "one");
  segment.group(2, 1, [&](HeadBuilder& builder, std::string&) {
    MessageTimes times;
    times.attempts = 1;
    REQUIRE(builder.add(StatusRecord{id_of(1), "H", times, "450 wait"}));
    REQUIRE(builder.add(PlacedRecord{id_of(1)}));
  });
  const Replay result = replay_of({&segment});
  const ReplayedMessage& message = result.messages.at(id_of(1));
  REQUIRE(message.head.has_value());
  CHECK(message.head->status == "H");
  CHECK(message.head->times.attempts == 1);
  CHECK(message.head->last_reply == "450 wait");
  CHECK(message.placed);
}

TEST_CASE("a damaged segment header costs nothing while the first group stands") {
  SegmentBuilder segment;
  segment.accept(1, 0, 1, "one");
  segment.accept(2, 1, 2, "two");
  segment.damage(0);
  const Replay result = replay_of({&segment});
  CHECK(has(result, 1));
  CHECK(has(result, 2));
}
