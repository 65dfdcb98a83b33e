#include <algorithm>
#include <vector>

#include "disk_access.h"
#include "limits.h"
#include "mailroot/base/assert.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/reactor/sim.h"
#include "world_state.h"

namespace mailroot::reactor::sim {

namespace {

constexpr uint64_t kStepStream = 3;
constexpr uint64_t kTestStream = 4;
constexpr uint64_t kBackendStream = 5;

}  // namespace

struct World::Impl {
  Impl(uint64_t world_seed, uint32_t shard_count, const WorldOptions& options)
      : seed(world_seed),
        shards(shard_count),
        state(world_seed, options),
        disk_access(state),
        step_random(world_seed, kStepStream),
        test_random(world_seed, kTestStream) {}

  std::unique_ptr<SimBackend> make(const std::shared_ptr<Process>& process) {
    return std::make_unique<SimBackend>(state, process, next_backend++, seed ^ kBackendStream);
  }
  void end_program(bool power_loss);
  bool turn_one();

  uint64_t seed;
  uint32_t shards;
  WorldState state;
  DiskAccessOfWorld disk_access;
  Random step_random;
  Random test_random;
  std::shared_ptr<Process> program;
  std::shared_ptr<Process> outside;
  uint32_t next_backend = 0;
  std::vector<Reactor*> reactors;
  uint64_t steps = 0;
};

World::World(uint64_t seed, uint32_t shards, WorldOptions options)
    : impl_(std::make_unique<Impl>(seed, shards, options)) {
  for (const std::string& path : options.directories) disk().make_directories(path);
}

World::~World() { MAILROOT_ASSERT(impl_->state.backends.empty(), "a world outlives its backends"); }

std::unique_ptr<Backend> World::make_backend(uint32_t shard) {
  MAILROOT_ASSERT(shard < impl_->shards, "a shard of this world");
  if (impl_->program == nullptr || !impl_->program->is_alive) {
    impl_->program = std::make_shared<Process>(false, impl_->state.options.descriptors_max);
  }
  return impl_->make(impl_->program);
}

std::unique_ptr<Backend> World::make_outside_backend() {
  if (impl_->outside == nullptr || !impl_->outside->is_alive) {
    impl_->outside = std::make_shared<Process>(true, UINT16_MAX);
  }
  return impl_->make(impl_->outside);
}

void World::attach(Reactor& reactor) { impl_->reactors.push_back(&reactor); }

void World::detach(Reactor& reactor) { std::erase(impl_->reactors, &reactor); }

// Whose turn comes first is chance: real shards do not take turns.
bool World::Impl::turn_one() {
  if (reactors.empty()) return false;
  state.is_stepped = true;
  const size_t first = step_random.below(reactors.size());
  for (size_t i = 0; i < reactors.size(); ++i) {
    const size_t index = (first + i) % reactors.size();
    if (!reactors[index]->turn(false)) continue;
    state.note("turn", index, 0, 0);
    state.scheduler.spend(kTurnTime);
    state.is_stepped = false;
    return true;
  }
  state.is_stepped = false;
  return false;
}

bool World::step() {
  Impl& impl = *impl_;
  ++impl.steps;
  Scheduler& scheduler = impl.state.scheduler;
  // What is due now and the reactors' own work meet in any order.
  const bool due = scheduler.next() <= scheduler.now();
  if (due && impl.step_random.chance(0.5)) {
    scheduler.run_next();
    return true;
  }
  if (impl.turn_one()) return true;
  Instant timer = kNever;
  for (const Reactor* reactor : impl.reactors) timer = std::min(timer, reactor->next_deadline());
  if (!scheduler.empty() && scheduler.next() <= timer) {
    scheduler.run_next();
    return true;
  }
  if (timer == kNever) return false;
  scheduler.advance_to(timer);
  return true;
}

void World::run_until(Instant when) {
  // A timer nobody needs marks the moment, so that no step jumps over it.
  impl_->state.scheduler.at(when, [] {});
  while (now() < when) {
    const bool stepped = step();
    MAILROOT_ASSERT(stepped, "an event is left: the mark");
  }
}

bool World::run_until(const std::function<bool()>& done, Duration patience) {
  const Instant end = now() + patience;
  while (!done()) {
    if (now() > end || !step()) return false;
  }
  return true;
}

bool World::run_until_idle(uint64_t steps_max) {
  for (uint64_t count = 0; count < steps_max; ++count) {
    if (!step()) return true;
  }
  return false;
}

void World::Impl::end_program(bool power_loss) {
  state.note(power_loss ? "crash" : "kill", 0, 0, 0);
  if (program == nullptr) return;
  state.end_process(*program, power_loss);
  std::erase_if(reactors, [](Reactor* reactor) {
    return !static_cast<SimBackend&>(reactor->backend()).process().is_alive;
  });
}

void World::crash() {
  impl_->end_program(true);
  impl_->state.disk.crash();
}

void World::kill() { impl_->end_program(false); }

void World::unwind(std::span<Reactor* const> dead, const std::function<bool()>& done) {
  for (uint64_t turns = 0; !done(); ++turns) {
    MAILROOT_ASSERT(turns < kUnwindTurnsMax, "a dead program's coroutines come to their end");
    for (Reactor* reactor : dead) reactor->turn(true);
  }
}

DiskAccess& World::disk() { return impl_->disk_access; }

void World::set_unanswered(const IpAddress& address, bool unanswered) {
  if (unanswered) {
    impl_->state.network.unanswered().insert(address);
  } else {
    impl_->state.network.unanswered().erase(address);
  }
}

void World::set_unroutable(const IpAddress& address, bool unroutable) {
  if (unroutable) {
    impl_->state.network.unroutable().insert(address);
  } else {
    impl_->state.network.unroutable().erase(address);
  }
}

void World::reset_connections() { impl_->state.network.reset_all(); }

size_t World::open_connections() const { return impl_->state.network.open_connections(); }

size_t World::open_descriptors() const {
  return impl_->program == nullptr ? 0 : impl_->program->open_count();
}

void World::set_faults(const Faults& faults) { impl_->state.faults = faults; }
const Faults& World::faults() const { return impl_->state.faults; }
Instant World::now() const { return impl_->state.scheduler.now(); }
void World::step_wall_clock(Duration by) { impl_->state.wall_step += by; }
uint64_t World::random() { return impl_->test_random.next(); }
uint64_t World::trace_hash() const { return impl_->state.trace_hash; }
uint64_t World::steps() const { return impl_->steps; }

std::unique_ptr<Backend> make_lone_backend(uint64_t seed, WorldOptions options) {
  const auto world = std::make_shared<World>(seed, 1, std::move(options));
  std::unique_ptr<Backend> backend = world->make_backend(0);
  static_cast<SimBackend&>(*backend).own(world);
  return backend;
}

}  // namespace mailroot::reactor::sim
