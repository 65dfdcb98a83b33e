// What the parts of a simulated world share.
#pragma once

#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "disk_driver.h"
#include "mailroot/reactor/sim.h"
#include "network.h"
#include "process.h"
#include "random.h"
#include "scheduler.h"
#include "sim_backend.h"

namespace mailroot::reactor::sim {

struct WorldState {
  WorldState(uint64_t seed, const WorldOptions& world_options);

  SimBackend* find_backend(uint32_t number) const {
    const auto found = backends.find(number);
    return found == backends.end() ? nullptr : found->second;
  }
  WallTime wall_now() const {
    return options.wall_start + scheduler.now().time_since_epoch() + wall_step;
  }
  // False for a descriptor that is not open.
  bool close(Process& process, Descriptor descriptor);
  // The process dies: its operations are interrupted, its descriptors vanish.
  void end_process(Process& process, bool power_loss);
  void end_process_without_backends(Process& process);

  // Something happened: into the trace, and into its hash.
  void note(std::string_view what, uint64_t who, int64_t first, int64_t second);

  const WorldOptions options;
  Faults faults;
  Scheduler scheduler;
  DiskDriver disk;
  Network network;
  std::map<uint32_t, SimBackend*> backends;  // by number; numbers are never used again
  Duration wall_step{};
  bool is_stepped = false;  // World::step() carries time on; otherwise waiting does
  uint64_t trace_hash = 0;
};

}  // namespace mailroot::reactor::sim
