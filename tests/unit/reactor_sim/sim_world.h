// A simulated world with one raw backend of the program under test.
#pragma once

#include <optional>
#include <string>

#include "mailroot/reactor/sim.h"
#include "raw_backend.h"

namespace mailroot::reactor::sim {

struct OneShard {
  explicit OneShard(uint64_t seed, const WorldOptions& options = {}) : world(seed, 1, options) {
    start();
  }
  void start() {
    raw.reset();
    backend = world.make_backend(0);
    raw.emplace(*backend);
  }
  void crash_and_start() {
    world.crash();
    start();
  }

  World world;
  std::unique_ptr<Backend> backend;
  std::optional<RawBackend> raw;
};

inline WorldOptions unordered_names() {
  WorldOptions options;
  options.faults.ordered_names = false;
  return options;
}

inline constexpr uint64_t kSeeds = 64;

}  // namespace mailroot::reactor::sim
