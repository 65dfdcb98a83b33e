// A disk that fails now and then: what is promised stays, what is refused stays away.
#include <doctest/doctest.h>

#include "life.h"

using namespace mailroot;
using namespace mailroot::spool;
using namespace mailroot::spool::test;
using reactor::sim::Faults;
using reactor::sim::World;

namespace {

// A start needs a disk that works for a moment: tried again as an administrator would.
LifeReport start_in_peace(World& world, Ledger& ledger, uint64_t seed, LifeOptions options) {
  Faults faults = unkind(seed).faults;
  faults.ordered_names = world.faults().ordered_names;
  world.set_faults(faults);
  options.workers = 0;
  options.disk_fails = false;
  const LifeReport report = run_life(world, ledger, seed, options, {});
  CHECK_MESSAGE(report.started, report.problem);
  return report;
}

}  // namespace

TEST_CASE("write and sync errors at random, with and without a crash behind them") {
  for (uint64_t seed = 0; seed < seeds(150); ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    World world(seed, 1, unkind(seed));
    Ledger ledger;
    LifeOptions options{some_options(seed), 5, 12};
    start_in_peace(world, ledger, seed, options);
    options.disk_fails = true;
    for (int life = 0; life < 3; ++life) {
      Faults faults = world.faults();
      constexpr double kChances[] = {0, 0.002, 0.02, 0.2};
      faults.write_error = kChances[random() % 4];
      faults.sync_error = kChances[random() % 4];
      faults.read_error = kChances[random() % 3];
      world.set_faults(faults);
      Ending ending;
      if (random() % 2 == 0) ending = {1 + random() % 3000, random() % 2 == 0};
      run_life(world, ledger, seed * 7 + static_cast<uint64_t>(life), options, ending);
      start_in_peace(world, ledger, seed, options);
    }
  }
}
