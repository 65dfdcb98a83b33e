// Power cuts and kills in the simulator: at every step of a small life, and at random in many
// busy ones, with torn writes, lost names and a disk that answers late.
#include <doctest/doctest.h>

#include "groups.h"
#include "life.h"

using namespace mailroot;
using namespace mailroot::spool;
using namespace mailroot::spool::test;
using reactor::sim::World;

namespace {

// Nothing may be called damaged, foreign or missing after a mere crash.
void check_clean(const LifeReport& report) {
  for (const std::string& finding : report.recovery.findings) CHECK_MESSAGE(false, finding);
  CHECK(report.counters.set_aside == 0);
  CHECK(report.logged.count("foreign_file") == 0);
}

// Lives that end as told, then two in peace: the second finds what the first left.
void crash_and_recover(uint64_t seed, const std::vector<Ending>& endings, int workers,
                       int messages) {
  CAPTURE(seed);
  World world(seed, 1, unkind(seed));
  Ledger ledger;
  LifeOptions options{some_options(seed), workers, messages};
  for (const Ending& ending : endings) {
    CAPTURE(ending.steps);
    check_clean(run_life(world, ledger, seed, options, ending));
  }
  options.workers = 0;
  for (uint64_t i = 1; i <= 2; ++i) {
    const LifeReport report = run_life(world, ledger, seed + i, options, {});
    CHECK_MESSAGE(report.started, report.problem);
    check_clean(report);
  }
  CHECK(world.open_descriptors() == 0);
}

// A segment that was taken up again has the lower number and the later groups.
void leave_two_segments(World& world) {
  SegmentBuilder older(2, 11);
  older.accept(1, 0, 1, text_of(9000));
  older.accept(2, 1, 2, "short");
  SegmentBuilder newer(1, 12);
  newer.done(3, 2, 1);
  newer.done(4, 3, 2);
  const std::string journal = std::string(kSimHome) + "/Journal/0";
  world.disk().make_directories(journal);
  world.disk().write_file(journal + "/00000001.seg", as_text(newer.view()));
  world.disk().write_file(journal + "/00000002.seg", as_text(older.view()));
}

}  // namespace

TEST_CASE("a Done never goes before the Accept it ends, whatever the names of their segments") {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    bool ended = false;
    for (uint64_t step = 1; !ended; ++step) {
      CAPTURE(seed);
      CAPTURE(step);
      World world(seed, 1, unkind(seed));
      Ledger nothing;
      const LifeOptions alone{some_options(seed), 0, 0};
      check_clean(run_life(world, nothing, seed, alone, {}));
      leave_two_segments(world);
      const LifeReport cut = run_life(world, nothing, seed, alone, {step, false});
      ended = cut.steps < step;
      if (ended) {
        CHECK(cut.recovery.settled == 2);
        CHECK(cut.recovery.groups == 4);
        CHECK(step > 20);
      }
      const LifeReport report = run_life(world, nothing, seed, alone, {});
      CHECK_MESSAGE(report.started, report.problem);
      check_clean(report);
    }
  }
}

TEST_CASE("a power cut at every step of a small life loses nothing and invents nothing") {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    World quiet(seed, 1, unkind(seed));
    Ledger ledger;
    const LifeReport report =
        run_life(quiet, ledger, seed, LifeOptions{some_options(seed), 2, 2}, {});
    for (uint64_t step = 1; step < report.steps; ++step) {
      crash_and_recover(seed, {{step, false}}, 2, 2);
    }
  }
}

TEST_CASE("busy lives cut short again and again, also while they recover") {
  for (uint64_t seed = 100; seed < 100 + seeds(100); ++seed) {
    std::mt19937_64 random(seed);
    std::vector<Ending> endings;
    for (int i = 0; i < 4; ++i) {
      const uint64_t most = i % 2 == 0 ? 3000 : 400;
      endings.push_back({1 + random() % most, random() % 3 == 0});
    }
    crash_and_recover(seed, endings, 6, 20);
  }
}
