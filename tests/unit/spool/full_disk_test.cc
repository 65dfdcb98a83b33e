// The disk has no block left: a start takes its mail from the old segments, loses none of it, and
// can be cut short anywhere.
#include <doctest/doctest.h>

#include "life.h"
#include "scenes.h"

using namespace mailroot;
using namespace mailroot::spool;
using namespace mailroot::spool::test;
using reactor::sim::DiskAccess;
using reactor::sim::World;

namespace {

constexpr uint64_t kPlenty = 200 * kMiB;

void fill(DiskAccess& disk) { disk.set_free_bytes(0); }

// Nothing may be called damaged, foreign or missing because there is no room. But for large mail
// whose end could not be recorded: recovery misses its file.
void check_clean(const LifeReport& report) {
  CHECK_MESSAGE(report.started, report.problem);
  for (const std::string& finding : report.recovery.findings) {
    CHECK_MESSAGE(finding.ends_with(" is gone: not found"), finding);
  }
  CHECK(report.counters.set_aside == 0);
  CHECK(report.logged.count("foreign_file") == 0);
}

// A life that is cut while much is only in the journal, and then a disk without a free block.
void crash_and_fill(World& world, Ledger& ledger, uint64_t seed, const LifeOptions& options,
                    uint64_t step) {
  check_clean(run_life(world, ledger, seed, LifeOptions{options.spool, 0, 0}, {}));
  run_life(world, ledger, seed, options, {step, seed % 3 == 0});
  fill(world.disk());
}

SpoolOptions mostly_lazy(uint64_t seed) {
  SpoolOptions options = some_options(seed);
  if (seed % 4 != 1) options.materialise_after = std::chrono::seconds(100);
  return options;
}

// Two starts in peace: on the disk as it is, and with room.
uint64_t end_in_peace(World& world, Ledger& ledger, uint64_t seed, LifeOptions options) {
  options.workers = 0;
  LifeReport report = run_life(world, ledger, seed, options, {});
  check_clean(report);
  const uint64_t kept = report.recovery.kept;
  world.disk().set_free_bytes(kPlenty);
  report = run_life(world, ledger, seed + 1, options, {});
  check_clean(report);
  CHECK(report.recovery.kept == 0);
  CHECK(world.disk().list(std::string(kSimHome) + "/Journal") ==
        std::vector<std::string>{"epoch", "format", "lock"});
  CHECK(world.open_descriptors() == 0);
  return kept;
}

// How many steps the start on the full disk takes when nothing interrupts it.
uint64_t steps_of_start(uint64_t seed, const LifeOptions& options, uint64_t cut) {
  World world(seed, 1, unkind(seed));
  Ledger ledger;
  crash_and_fill(world, ledger, seed, options, cut);
  LifeOptions alone = options;
  alone.workers = 0;
  const LifeReport report = run_life(world, ledger, seed + 1, alone, {});
  check_clean(report);
  return report.steps;
}

// Ids that scenes hand on to the next one of the same world.
struct Notes {
  std::vector<QueueId> small, large, deferred;
};
Notes notes;

// Mail that only the journal has.
task<void> accept_some(Scene& scene) {
  notes = {};
  for (int i = 0; i < 30; ++i) {
    const QueueId id = co_await scene.rig.accept(text_of(700 + static_cast<size_t>(i)));
    notes.small.push_back(id);
  }
  for (int i = 0; i < 3; ++i) {
    const QueueId id = co_await scene.rig.accept(text_of(100'000));
    notes.large.push_back(id);
  }
}

// As above, up to what the segment keeps for outcomes.
task<void> accept_all_there_is_room_for(Scene& scene) {
  co_await accept_some(scene);
  scene.disk.set_free_bytes(0);
  for (int i = 0; i < 1000; ++i) {
    QueueId id;
    const CommitResult outcome = co_await scene.rig.take(envelope_to({"bob"}), text_of(9000), id);
    if (outcome != CommitResult::durable) co_return;
    notes.large.push_back(id);
  }
  CHECK_MESSAGE(false, "the journal does not fill");
}

task<void> finish_all(Scene& scene, std::vector<QueueId> ids, CommitResult wanted) {
  for (const QueueId& id : ids) {
    const auto content = co_await scene.rig.content_of(id);
    CHECK(content.has_value());
    const CommitResult outcome = co_await scene.rig.finish(id);
    CHECK(outcome == wanted);
  }
}

std::vector<std::string> segments_of(Scene& scene) {
  return scene.disk.list(std::string(kHome) + "/Journal/0");
}

// What the next look at the disk says; the one before may be from another time.
task<std::string> next_refusal(Scene& scene) {
  co_await scene.rig.pause(1500);
  scene.rig.spool->refusal();
  co_await scene.rig.pause(10);
  co_return scene.rig.spool->refusal().value_or("");
}

}  // namespace

TEST_CASE("a full disk after a crash: a cut at every step of the next start loses nothing") {
  uint64_t kept = 0;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    const LifeOptions options{mostly_lazy(seed), 3, 4};
    const uint64_t cut = 150 + seed * 90;
    const uint64_t steps = steps_of_start(seed, options, cut);
    for (uint64_t step = 1; step < steps; ++step) {
      CAPTURE(seed);
      CAPTURE(step);
      World world(seed, 1, unkind(seed));
      Ledger ledger;
      crash_and_fill(world, ledger, seed, options, cut);
      LifeOptions alone = options;
      alone.workers = 0;
      run_life(world, ledger, seed + 1, alone, {step, step % 5 == 0});
      // What the cut start gave back is somebody else's by now, or it is not.
      if (step % 2 == 0) fill(world.disk());
      kept += end_in_peace(world, ledger, seed + 2, options);
    }
  }
  CHECK(kept > 0);
}

TEST_CASE("busy lives on disks that are full now and then, cut short again and again") {
  uint64_t kept = 0;
  for (uint64_t seed = 500; seed < 500 + seeds(120); ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    World world(seed, 1, unkind(seed));
    Ledger ledger;
    LifeOptions options{mostly_lazy(seed), 6, 20};
    check_clean(run_life(world, ledger, seed, LifeOptions{options.spool, 0, 0}, {}));
    for (uint64_t life = 1; life <= 6; ++life) {
      // Room for nothing, a little, a segment or two, everything.
      constexpr uint64_t kRoom[] = {0, 0, 40'000, 300'000, 2 * kMiB, kPlenty};
      world.disk().set_free_bytes(kRoom[random() % 6]);
      Ending ending{1 + random() % 2500, random() % 3 == 0};
      if (random() % 4 == 0) ending = {};  // in order
      const LifeReport report = run_life(world, ledger, seed * 7 + life, options, ending);
      if (ending.steps == 0) check_clean(report);
      kept += report.recovery.kept;
    }
    fill(world.disk());
    end_in_peace(world, ledger, seed, options);
  }
  CHECK(kept > 0);
}

TEST_CASE(
    "what the journal holds is delivered from it, and its end is durable, with no block free") {
  SpoolOptions options = lazy();
  options.free_min_bytes = kMiB;
  run_scenes({[](Scene& scene) -> task<void> { co_await accept_some(scene); },
              [](Scene& scene) -> task<void> {
                CHECK(scene.rig.recovery.kept == 33);
                CHECK(scene.rig.spool->counters().hot == 33);
                const auto found = co_await found_in(scene);
                CHECK(found.size() == 33);
                const auto content = co_await scene.rig.content_of(notes.large[0]);
                REQUIRE(content.has_value());
                CHECK(*content == text_of(100'000));
                co_await finish_all(scene, notes.small, CommitResult::durable);
                const CommitResult outcome = co_await scene.rig.defer(notes.large[1], 4);
                CHECK(outcome == CommitResult::durable);
                const std::string refusal = co_await next_refusal(scene);
                CHECK(refusal.starts_with("452 4.3.1 "));
              },
              [](Scene& scene) -> task<void> {
                CHECK(scene.rig.recovery.kept == 3);
                const auto found = co_await found_in(scene);
                REQUIRE(found.size() == 3);
                CHECK(found.at(notes.large[1]).times.attempts == 4);
                CHECK(found.at(notes.large[1]).last_reply == "451 4.7.1 later");
                co_await finish_all(scene, notes.large, CommitResult::durable);
                co_await scene.rig.pause(1000);
                // Nothing needs the old segments: their room takes a whole one.
                CHECK(segments_of(scene).size() == 1);
                CHECK(scene.rig.spool->counters().hot == 0);
              },
              [](Scene& scene) -> task<void> {
                const auto found = co_await found_in(scene);
                CHECK(found.empty());
              }},
             options, fill);
}

TEST_CASE("with room again what was kept is placed, the old segments go and mail is taken") {
  SpoolOptions options = lazy();
  options.materialise_after = std::chrono::seconds(2);
  run_scenes({[](Scene& scene) -> task<void> { co_await accept_some(scene); },
              [](Scene& scene) -> task<void> {
                const auto found = co_await found_in(scene);
                CHECK(found.size() == 33);
                co_await scene.rig.pause(60'000);
                CHECK(scene.rig.spool->counters().hot == 33);
                // A few attempts, not one a message and second.
                CHECK(scene.rig.sink.count("placing_failed") < 13 * 16 + 1);
                scene.disk.set_free_bytes(kPlenty);
                co_await scene.rig.pause(20'000);
                CHECK(scene.rig.spool->counters().hot == 0);
                const QueueId fresh = co_await scene.rig.accept("with room again");
                CHECK(segments_of(scene).size() == 1);
                const CommitResult outcome = co_await scene.rig.finish(fresh);
                CHECK(outcome == CommitResult::durable);
                for (const QueueId& id : notes.large) {
                  const auto content = co_await scene.rig.content_of(id);
                  REQUIRE(content.has_value());
                  CHECK(*content == text_of(100'000));
                }
              },
              [](Scene& scene) -> task<void> {
                CHECK(scene.rig.recovery.placed == 0);
                const auto found = co_await found_in(scene);
                CHECK(found.size() == 33);
              }},
             options, fill);
}

TEST_CASE("an outcome with a report waits for a whole segment and holds nothing up") {
  run_scenes({[](Scene& scene) -> task<void> { co_await accept_all_there_is_room_for(scene); },
              [](Scene& scene) -> task<void> {
                co_await found_in(scene);
                const auto bounce = [](Scene& there) -> task<CommitResult> {
                  std::vector<Spool::Caused> caused(1);
                  caused[0].draft = there.rig.spool->begin_draft();
                  const bool filled = co_await there.rig.fill(*caused[0].draft, text_of(200'000));
                  CHECK(filled);
                  caused[0].envelope = envelope_to({"ann"});
                  Settlement settlement{notes.large[0], "B", {}, true, ""};
                  co_return co_await there.rig.spool->settle(settlement, std::move(caused));
                };
                // The reserve is all there is.
                CommitResult outcome = co_await bounce(scene);
                CHECK(outcome == CommitResult::refused);
                co_await finish_all(scene, notes.small, CommitResult::durable);
                outcome = co_await bounce(scene);
                CHECK(outcome == CommitResult::refused);
                scene.disk.set_free_bytes(kPlenty);
                co_await scene.rig.pause(5000);
                outcome = co_await bounce(scene);
                CHECK(outcome == CommitResult::durable);
              },
              [](Scene& scene) -> task<void> {
                // One large one less and one report more.
                const auto found = co_await found_in(scene);
                CHECK(found.size() == notes.large.size());
                CHECK(found.count(notes.large[0]) == 0);
              }},
             lazy(), fill);
}

TEST_CASE("an orderly end on a full disk ends, also when no outcome can be written any more") {
  run_scenes({[](Scene& scene) -> task<void> { co_await accept_all_there_is_room_for(scene); },
              [](Scene& scene) -> task<void> {
                co_await found_in(scene);
                // Letters until no block of the journal is left for them.
                CommitResult outcome = CommitResult::durable;
                uint32_t attempts = 0;
                while (outcome == CommitResult::durable && attempts < 1000) {
                  outcome = co_await scene.rig.defer(notes.large[0], ++attempts);
                }
                CHECK(outcome == CommitResult::unknown);
                CHECK(attempts > 10);
                const Instant before = scene.rig.reactor.now();
                outcome = co_await scene.rig.finish(notes.large[1]);
                CHECK(outcome == CommitResult::unknown);
                co_await scene.rig.stop();
                CHECK(scene.rig.reactor.now() - before < std::chrono::minutes(1));
              },
              [](Scene& scene) -> task<void> {
                const auto found = co_await found_in(scene);
                CHECK(found.size() >= 32 + notes.large.size() - 4);
                CHECK(found.count(notes.large[0]) == 1);
              }},
             lazy(), fill);
}

TEST_CASE("a damaged segment that was kept is put aside for people when nothing needs it") {
  run_scenes({[](Scene& scene) -> task<void> {
                co_await accept_some(scene);
                const QueueId lost = co_await scene.rig.accept(text_of(9000, 'z'));
                notes.deferred = {lost};
                co_await scene.rig.accept("seals the one before");
                co_await scene.rig.accept("seals the one before");
                const std::string segment = std::string(kHome) + "/Journal/0/00000001.seg";
                const std::string bytes = *scene.disk.read_file(segment);
                const size_t where = bytes.find(text_of(9000, 'z').substr(0, 4096));
                REQUIRE(where != std::string::npos);
                REQUIRE(scene.disk.flip_bit(segment, where + 100, 3));
              },
              [](Scene& scene) -> task<void> {
                CHECK(scene.rig.recovery.kept == 35);
                REQUIRE(scene.rig.recovery.findings.size() == 1);
                auto found = co_await found_in(scene);
                CHECK(found.size() == 35);
                for (const auto& item : found) {
                  co_await scene.rig.finish(item.first);
                }
                // No room for its directory.
                co_await scene.rig.pause(20'000);
                CHECK(scene.disk.list(std::string(kHome) + "/Journal/quarantine").empty());
                scene.disk.set_free_bytes(kPlenty);
                co_await scene.rig.pause(20'000);
                CHECK(scene.disk.list(std::string(kHome) + "/Journal/quarantine").size() == 1);
              },
              [](Scene& scene) -> task<void> {
                CHECK(scene.rig.recovery.findings.empty());
                const auto found = co_await found_in(scene);
                CHECK(found.empty());
              }},
             lazy(), fill);
}

TEST_CASE("files of the pool and spare segments give way to what a start needs") {
  SpoolOptions options = lazy();
  options.materialise_after = Duration::zero();
  run_scenes({[](Scene& scene) -> task<void> {
                // Placed and finished: their files are free inodes with blocks.
                for (int i = 0; i < 20; ++i) {
                  const QueueId id = co_await scene.rig.accept(text_of(60'000));
                  const CommitResult outcome = co_await scene.rig.finish(id);
                  CHECK(outcome == CommitResult::durable);
                }
                co_await scene.rig.pause(1000);
                CHECK(scene.disk.list(std::string(kHome) + "/Queue/tmp").size() > 0);
                co_await accept_some(scene);
              },
              [](Scene& scene) -> task<void> {
                CHECK(scene.rig.recovery.kept > 0);
                CHECK(scene.disk.list(std::string(kHome) + "/Queue/tmp").empty());
                const auto found = co_await found_in(scene);
                CHECK(found.size() == 33);
                co_await finish_all(scene, notes.small, CommitResult::durable);
              },
              [](Scene& scene) -> task<void> {
                const auto found = co_await found_in(scene);
                CHECK(found.size() == 3);
              }},
             options, fill);
}

TEST_CASE("on a disk with room for some of it nothing is placed: outcomes need that room") {
  run_scenes({[](Scene& scene) -> task<void> { co_await accept_some(scene); },
              [](Scene& scene) -> task<void> {
                CHECK(scene.rig.recovery.kept == 33);
                CHECK(scene.rig.recovery.placed == 0);
                CHECK(scene.disk.list(std::string(kHome) + "/Queue/new").empty());
                CHECK(scene.disk.list(std::string(kHome) + "/Queue/tmp").empty());
                const auto found = co_await found_in(scene);
                for (const auto& item : found) {
                  const CommitResult outcome = co_await scene.rig.finish(item.first);
                  CHECK(outcome == CommitResult::durable);
                }
                co_await scene.rig.stop();
              },
              [](Scene& scene) -> task<void> {
                const auto found = co_await found_in(scene);
                CHECK(found.empty());
              }},
             lazy(), [](DiskAccess& disk) { disk.set_free_bytes(150'000); });
}

TEST_CASE("a message that is asked for while its file is written anew is not taken for removed") {
  run_scenes({[](Scene& scene) -> task<void> { co_await accept_some(scene); },
              [](Scene& scene) -> task<void> {
                co_await found_in(scene);
                bool over = false;
                const auto ask = [](Rig& rig, QueueId id, bool& all_over) -> task<void> {
                  while (!all_over) {
                    const auto content = co_await rig.content_of(id);
                    const bool is_there = content || content.error().code != Errc::not_found;
                    CHECK(is_there);
                    if (!is_there) co_return;
                    co_await rig.pause(1);
                  }
                };
                reactor::TaskGroup group;
                for (const QueueId& id : notes.small) group.spawn(ask(scene.rig, id, over));
                // What was kept is placed and synced at once, and that fails now and then.
                reactor::sim::Faults faults = scene.world.faults();
                faults.sync_error = 0.6;
                scene.world.set_faults(faults);
                scene.disk.set_free_bytes(kPlenty);
                co_await scene.rig.pause(6000);
                faults.sync_error = 0;
                scene.world.set_faults(faults);
                over = true;
                co_await group.join();
                CHECK(scene.rig.sink.count("queue_sync_failed") > 0);
              },
              [](Scene& scene) -> task<void> {
                const auto found = co_await found_in(scene);
                CHECK(found.size() == 33);
              }},
             lazy(), fill);
}
