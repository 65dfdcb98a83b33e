// Failures placed one by one: what each is answered with, and what is there after a power cut.
#include <doctest/doctest.h>

#include <cerrno>

#include "scenes.h"

using namespace mailroot;
using namespace mailroot::spool;
using namespace mailroot::spool::test;
using reactor::Opcode;

namespace {

void fail_writes(Scene& scene, bool fail) {
  reactor::sim::Faults faults = scene.world.faults();
  faults.write_error = fail ? 1 : 0;
  scene.world.set_faults(faults);
}

// Ids that scenes hand on to the next one of the same world.
struct Notes {
  QueueId kept, lost, done, deferred;
};
Notes notes;

}  // namespace

TEST_CASE("a write that fails is answered 451, and what it held does not come back") {
  run_scenes({[](Scene& scene) -> task<void> {
                notes.kept = co_await scene.rig.accept("kept");
                scene.disk.fail_next(Opcode::write_at, EIO, 1);
                const CommitResult outcome =
                    co_await scene.rig.take(envelope_to({"bob"}), "lost", notes.lost);
                CHECK(outcome == CommitResult::refused);
                CHECK_FALSE(scene.rig.spool->refusal().has_value());
                notes.done = co_await scene.rig.accept("after");
                const auto content = co_await scene.rig.content_of(notes.kept);
                CHECK(content.has_value());
                CHECK(scene.rig.spool->counters().failures == 1);
              },
              [](Scene& scene) -> task<void> {
                const auto found = co_await found_in(scene);
                CHECK(found.size() == 2);
                CHECK(found.count(notes.kept) == 1);
                CHECK(found.count(notes.done) == 1);
              }});
}

TEST_CASE("an outcome whose write fails is written again into a fresh segment") {
  run_scenes({[](Scene& scene) -> task<void> {
                notes.done = co_await scene.rig.accept("done");
                scene.disk.fail_next(Opcode::write_at, EIO, 1);
                const CommitResult outcome = co_await scene.rig.finish(notes.done);
                CHECK(outcome == CommitResult::durable);
              },
              [](Scene& scene) -> task<void> {
                const auto found = co_await found_in(scene);
                CHECK(found.empty());
              }});
}

TEST_CASE("three failures: 421, no promise, delivery goes on, and outcomes are written later") {
  run_scenes({[](Scene& scene) -> task<void> {
                notes.kept = co_await scene.rig.accept("kept");
                notes.done = co_await scene.rig.accept("done");
                notes.deferred = co_await scene.rig.accept("deferred");
                fail_writes(scene, true);
                CommitResult outcome =
                    co_await scene.rig.take(envelope_to({"bob"}), "unknown", notes.lost);
                CHECK(outcome == CommitResult::unknown);
                const auto refusal = scene.rig.spool->refusal();
                REQUIRE(refusal.has_value());
                CHECK(refusal->starts_with("421 4.3.2 "));
                QueueId none;
                outcome = co_await scene.rig.take(envelope_to({"bob"}), "never written", none);
                CHECK(outcome == CommitResult::refused);

                auto content = co_await scene.rig.content_of(notes.done);
                REQUIRE(content.has_value());
                outcome = co_await scene.rig.finish(notes.done);
                CHECK(outcome == CommitResult::unknown);
                content = co_await scene.rig.content_of(notes.done);
                CHECK_FALSE(content.has_value());
                outcome = co_await scene.rig.defer(notes.deferred, 3);
                CHECK(outcome == CommitResult::unknown);

                fail_writes(scene, false);
                co_await scene.rig.pause(20'000);
                CHECK(scene.rig.sink.count("journal_works_again") == 1);
                notes.lost = co_await scene.rig.accept("afterwards");
              },
              [](Scene& scene) -> task<void> {
                const auto found = co_await found_in(scene);
                CHECK(found.size() == 3);
                CHECK(found.count(notes.kept) == 1);
                CHECK(found.count(notes.lost) == 1);
                REQUIRE(found.count(notes.deferred) == 1);
                CHECK(found.at(notes.deferred).times.attempts == 3);
              }});
}

TEST_CASE("a settlement with its DSN that cannot be written is whole or not there") {
  run_scenes({[](Scene& scene) -> task<void> {
                notes.kept = co_await scene.rig.accept("kept");
                fail_writes(scene, true);
                std::vector<Spool::Caused> caused(1);
                caused[0].draft = scene.rig.spool->begin_draft();
                const bool filled = co_await scene.rig.fill(*caused[0].draft, "dsn");
                REQUIRE(filled);
                caused[0].envelope = envelope_to({"ann"});
                Settlement settlement{notes.kept, "B", {}, true, ""};
                const CommitResult outcome =
                    co_await scene.rig.spool->settle(settlement, std::move(caused));
                CHECK(outcome == CommitResult::unknown);
                const auto content = co_await scene.rig.content_of(notes.kept);
                CHECK(content.has_value());
                fail_writes(scene, false);
              },
              [](Scene& scene) -> task<void> {
                // Unknown is unknown: the group may have reached the disk, but then as a whole.
                const auto found = co_await found_in(scene);
                CHECK(found.size() == 1);
              }});
}

TEST_CASE("a disk that runs full: 452 before the first write, and it can be drained") {
  SpoolOptions options = lazy();
  options.free_min_bytes = 4 * kMiB;
  run_scenes({[](Scene& scene) -> task<void> {
                std::vector<QueueId> waiting;
                for (int i = 0; i < 20; ++i) {
                  const QueueId id = co_await scene.rig.accept(text_of(10'000));
                  waiting.push_back(id);
                }
                CHECK_FALSE(scene.rig.spool->refusal().has_value());
                scene.disk.set_free_bytes(0);
                co_await scene.rig.pause(1500);
                std::optional<std::string> refusal = scene.rig.spool->refusal();
                co_await scene.rig.pause(10);
                refusal = scene.rig.spool->refusal();
                REQUIRE(refusal.has_value());
                CHECK(refusal->starts_with("452 4.3.1 "));
                for (const QueueId& id : waiting) {
                  const auto content = co_await scene.rig.content_of(id);
                  CHECK(content.has_value());
                  const CommitResult outcome = co_await scene.rig.finish(id);
                  CHECK(outcome == CommitResult::durable);
                }
                scene.disk.set_free_bytes(100 * kMiB);
                co_await scene.rig.pause(1500);
                refusal = scene.rig.spool->refusal();
                co_await scene.rig.pause(10);
                CHECK_FALSE(scene.rig.spool->refusal().has_value());
              },
              [](Scene& scene) -> task<void> {
                const auto found = co_await found_in(scene);
                CHECK(found.empty());
              }},
             options);
}

TEST_CASE(
    "mail that cannot be placed for want of space stays in the journal, and is placed later") {
  SpoolOptions options = lazy();
  options.materialise_after = std::chrono::milliseconds(100);
  run_scenes({[](Scene& scene) -> task<void> {
                notes.kept = co_await scene.rig.accept(text_of(30'000));
                scene.disk.set_free_bytes(0);
                co_await scene.rig.pause(1000);
                CHECK(scene.rig.spool->counters().hot == 1);
                auto content = co_await scene.rig.content_of(notes.kept);
                REQUIRE(content.has_value());
                CHECK(*content == text_of(30'000));
                scene.disk.set_free_bytes(100 * kMiB);
                co_await scene.rig.pause(10'000);
                CHECK(scene.rig.spool->counters().hot == 0);
                CHECK(scene.disk.list(std::string(kHome) + "/Queue/new").size() == 1);
                // No room for a large body: refused, and its file is not left behind.
                scene.disk.set_free_bytes(100'000);
                QueueId none;
                const CommitResult outcome =
                    co_await scene.rig.take(envelope_to({"bob"}), text_of(2'000'000), none);
                CHECK(outcome == CommitResult::refused);
                scene.disk.set_free_bytes(100 * kMiB);
              },
              [](Scene& scene) -> task<void> {
                const auto content = co_await scene.rig.content_of(notes.kept);
                REQUIRE(content.has_value());
                CHECK(*content == text_of(30'000));
              }},
             options);
}

TEST_CASE("no segment can be made at all: mail is refused, and taken when it can") {
  run_scenes({[](Scene& scene) -> task<void> {
    scene.disk.set_free_bytes(100'000);
    QueueId id;
    CommitResult outcome = co_await scene.rig.take(envelope_to({"bob"}), "x", id);
    CHECK(outcome == CommitResult::refused);
    const auto refusal = scene.rig.spool->refusal();
    REQUIRE(refusal.has_value());
    CHECK(refusal->starts_with("452 4.3.1 "));
    scene.disk.set_free_bytes(100 * kMiB);
    co_await scene.rig.pause(6000);
    outcome = co_await scene.rig.take(envelope_to({"bob"}), "x", id);
    CHECK(outcome == CommitResult::durable);
    CHECK_FALSE(scene.rig.spool->refusal().has_value());
  }});
}

TEST_CASE("a Queue file whose sync fails is written into another inode") {
  SpoolOptions options = lazy();
  options.materialise_after = Duration::zero();
  run_scenes({[](Scene& scene) -> task<void> {
                notes.kept = co_await scene.rig.accept(text_of(9000));
                // Three large bodies after each other fill segments, so that the oldest is
                // relieved.
                scene.disk.fail_next(Opcode::sync, EIO, 1);
                std::vector<QueueId> passing;
                for (int i = 0; i < 60; ++i) {
                  const QueueId id = co_await scene.rig.accept(text_of(250'000));
                  const CommitResult outcome = co_await scene.rig.finish(id);
                  CHECK(outcome == CommitResult::durable);
                }
                co_await scene.rig.pause(60'000);
                const auto content = co_await scene.rig.content_of(notes.kept);
                REQUIRE(content.has_value());
              },
              [](Scene& scene) -> task<void> {
                const auto content = co_await scene.rig.content_of(notes.kept);
                REQUIRE(content.has_value());
                CHECK(*content == text_of(9000));
                const auto found = co_await found_in(scene);
                CHECK(found.size() == 1);
              }},
             options);
}

TEST_CASE("what the scan cannot read or list is found later, each once") {
  for (const auto opcode : {Opcode::read_at, Opcode::open_at, Opcode::list_directory}) {
    CAPTURE(static_cast<int>(opcode));
    static Opcode failing;
    failing = opcode;
    run_scenes({[](Scene& scene) -> task<void> {
                  for (int i = 0; i < 5; ++i) {
                    co_await scene.rig.accept(text_of(2000));
                  }
                  co_await scene.rig.stop();
                },
                [](Scene& scene) -> task<void> {
                  std::map<QueueId, int> seen;
                  scene.disk.fail_next(failing, EIO, 2);
                  const auto count = [&seen](const LoadedMessage& message) { ++seen[message.id]; };
                  co_await scene.rig.spool->scan(count);
                  CHECK(seen.size() < 5);
                  co_await scene.rig.pause(12'000);
                  CHECK(seen.size() == 5);
                  for (const auto& [id, times] : seen) CHECK(times == 1);
                  CHECK(scene.rig.spool->counters().placed == 5);
                }});
  }
}

TEST_CASE(
    "a bit that flips in a sealed group costs what it held, is said, and is kept for people") {
  run_scenes({[](Scene& scene) -> task<void> {
                notes.kept = co_await scene.rig.accept("first");
                notes.lost = co_await scene.rig.accept(text_of(9000, 'z'));
                notes.done = co_await scene.rig.accept("last");
                const QueueId last = co_await scene.rig.accept("seals the one before");
                const CommitResult outcome = co_await scene.rig.finish(last);
                CHECK(outcome == CommitResult::durable);
                const std::string segment = std::string(kHome) + "/Journal/0/00000001.seg";
                const std::string bytes = *scene.disk.read_file(segment);
                const size_t where = bytes.find(text_of(9000, 'z').substr(0, 4096));
                REQUIRE(where != std::string::npos);
                REQUIRE(scene.disk.flip_bit(segment, where + 100, 3));
              },
              [](Scene& scene) -> task<void> {
                CHECK(scene.rig.recovery.corrupt_groups == 1);
                REQUIRE(scene.rig.recovery.findings.size() == 1);
                CHECK(scene.rig.recovery.findings[0].find(to_string(notes.lost)) !=
                      std::string::npos);
                CHECK(scene.disk.list(std::string(kHome) + "/Journal/quarantine").size() == 1);
                const auto found = co_await found_in(scene);
                CHECK(found.size() == 2);
                CHECK(found.count(notes.kept) == 1);
                CHECK(found.count(notes.done) == 1);
              },
              [](Scene& scene) -> task<void> {
                CHECK(scene.rig.recovery.findings.empty());
                const auto found = co_await found_in(scene);
                CHECK(found.size() == 2);
              }});
}

TEST_CASE("a journal that has nothing to keep gives its space back, and begins anew") {
  run_scenes({[](Scene& scene) -> task<void> {
                const std::string journal = std::string(kHome) + "/Journal/0";
                for (int i = 0; i < 40; ++i) {
                  const QueueId id = co_await scene.rig.accept(text_of(100'000));
                  const CommitResult outcome = co_await scene.rig.finish(id);
                  CHECK(outcome == CommitResult::durable);
                }
                CHECK_FALSE(scene.disk.list(journal).empty());
                co_await scene.rig.pause(70'000);
                CHECK(scene.disk.list(journal).empty());
                notes.kept = co_await scene.rig.accept("after the pause");
                CHECK(scene.disk.list(journal).size() == 1);
                co_await scene.rig.pause(70'000);
                CHECK(scene.disk.list(journal).size() == 1);
              },
              [](Scene& scene) -> task<void> {
                const auto content = co_await scene.rig.content_of(notes.kept);
                REQUIRE(content.has_value());
                CHECK(*content == "after the pause");
              }});
}
