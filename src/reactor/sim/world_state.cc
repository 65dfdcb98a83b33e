#include "world_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "mailroot/base/crc32c.h"

namespace mailroot::reactor::sim {

namespace {

DiskOptions disk_options(const WorldOptions& options) {
  DiskOptions disk;
  disk.ordered_names = options.faults.ordered_names;
  disk.capacity_bytes = options.disk_bytes;
  disk.inodes_max = options.inodes_max;
  disk.direct_align_bytes = options.direct_align_bytes;
  return disk;
}

}  // namespace

WorldState::WorldState(uint64_t seed, const WorldOptions& world_options)
    : options(world_options),
      faults(options.faults),
      disk(*this, seed, disk_options(options)),
      network(*this, seed) {}

void WorldState::note(std::string_view what, uint64_t who, int64_t first, int64_t second) {
  const int64_t numbers[] = {scheduler.now().time_since_epoch().count(), static_cast<int64_t>(who),
                             first, second};
  const uint32_t sum = crc32c(std::as_bytes(std::span(numbers)), crc32c(as_bytes(what)));
  trace_hash = (trace_hash ^ sum) * 0x9E3779B97F4A7C15u;
  trace_hash ^= trace_hash >> 31;
  if (options.trace) {
    options.trace(fmt::format("{:>15} {} {} {} {}", numbers[0] / 1000, who, what, first, second));
  }
}

bool WorldState::close(Process& process, Descriptor descriptor) {
  Handle* found = process.find(descriptor);
  if (found == nullptr) return false;
  Handle handle = std::exchange(*found, Handle{});
  if (handle.socket != nullptr) {
    network.close(handle.socket);
  } else {
    disk.close(handle);
  }
  return true;
}

void WorldState::end_process(Process& process, bool power_loss) {
  if (!process.is_alive) return;
  for (const auto& [number, backend] : backends) {
    if (&backend->process() != &process) continue;
    for (const OperationRef ref : backend->in_flight()) {
      disk.interrupt(process, *backend->find(ref), power_loss);
    }
  }
  process.is_alive = false;
  for (const auto& [number, backend] : backends) {
    if (&backend->process() == &process) backend->die();
  }
  for (Handle& open : process.handles()) {
    Handle handle = std::exchange(open, Handle{});
    if (handle.socket != nullptr) network.abandon(handle.socket, power_loss);
    if (handle.inode != kNoInode) disk.close(handle);
  }
}

void WorldState::end_process_without_backends(Process& process) {
  const bool has_one = std::ranges::any_of(
      backends, [&](const auto& entry) { return &entry.second->process() == &process; });
  if (!has_one) end_process(process, false);
}

}  // namespace mailroot::reactor::sim
