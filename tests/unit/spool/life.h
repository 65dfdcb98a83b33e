// One start of the program in a simulated world, as a client and an administrator see it.
#pragma once

#include <random>

#include "ledger.h"
#include "mailroot/reactor/sim.h"

namespace mailroot::spool::test {

inline constexpr const char* kSimHome = "/srv/mail/alpha";

struct LifeOptions {
  SpoolOptions spool;
  int workers = 0;
  int messages = 0;             // of each worker
  bool disk_fails = false;      // errors are expected: what cannot be read is no judgement
  bool expects_damage = false;  // bits were flipped
};

// How it ends: 0 steps: by itself, in order.
struct Ending {
  uint64_t steps = 0;
  bool by_kill = false;
};

struct LifeReport {
  uint64_t steps = 0;
  bool started = false;
  std::string problem;
  RecoveryReport recovery;
  SpoolCounters counters;
  std::map<std::string, size_t> logged;
};

LifeReport run_life(reactor::sim::World& world, Ledger& ledger, uint64_t seed,
                    const LifeOptions& options, Ending ending);

// How many seeds a random test tries: `usual`, or MAILROOT_SEEDS of the environment.
uint64_t seeds(uint64_t usual);
// A disk of its own temper for each seed; no errors.
reactor::sim::WorldOptions unkind(uint64_t seed);
SpoolOptions some_options(uint64_t seed);

}  // namespace mailroot::spool::test
