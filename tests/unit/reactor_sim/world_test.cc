// Whole simulated worlds: reactors, peers, faults, crashes, and the same again for the same seed.
#include <set>

#include "echo_world.h"

namespace mailroot::reactor::sim {

namespace {

constexpr uint64_t kWorlds = 30;
constexpr size_t kClients = 12;

struct Outcome {
  uint64_t trace_hash = 0;
  std::vector<EchoResult> clients;
};

// Two shards, a dozen clients, everything drawn from the seed; a crash on the way if asked for.
Outcome run_world(uint64_t seed, const Faults& faults, bool with_crash) {
  WorldOptions options;
  options.faults = faults;
  World world(seed, 2, options);
  Reactor outside(world.make_outside_backend(), ReactorLimits{});
  world.attach(outside);
  auto program = std::make_unique<EchoProgram>(world, 2);
  Outcome outcome;
  outcome.clients.resize(kClients);
  TaskGroup clients;
  size_t started = 0;
  for (size_t i = 0; i < kClients; ++i) {
    outside.post([&, i] {
      ++started;
      clients.spawn(ask(outside, text_of(i, 10 + i * i * 700), outcome.clients[i]));
    });
  }
  if (with_crash) {
    for (uint64_t steps = 50 + world.random() % 1000; steps > 0; --steps) world.step();
    world.crash();
    program->unwind();
    program = std::make_unique<EchoProgram>(world, 2);
  }
  const auto all_done = [&] { return started == kClients && clients.running() == 0; };
  const bool ended = world.run_until(all_done, std::chrono::hours(2));
  CHECK(ended);
  program->stop();
  CHECK(world.open_descriptors() == 0);
  program.reset();
  world.detach(outside);
  CHECK(world.run_until_idle(100'000));
  CHECK(world.open_connections() == 0);
  outcome.trace_hash = world.trace_hash();
  return outcome;
}

}  // namespace

TEST_CASE("a quiet world brings every byte back") {
  const Outcome outcome = run_world(1, Faults::none(), false);
  for (size_t i = 0; i < kClients; ++i) {
    CHECK(outcome.clients[i].connected);
    CHECK(outcome.clients[i].sent);
    const bool all_back = outcome.clients[i].echoed == text_of(i, 10 + i * i * 700);
    CHECK(all_back);
  }
}

TEST_CASE("faulty worlds end, leak nothing, and never invent bytes") {
  size_t broken = 0;
  size_t whole = 0;
  for (uint64_t seed = 0; seed < kWorlds; ++seed) {
    for (const bool with_crash : {false, true}) {
      const Outcome outcome = run_world(seed, Faults::from_seed(seed), with_crash);
      for (size_t i = 0; i < kClients; ++i) {
        const EchoResult& client = outcome.clients[i];
        const std::string sent = text_of(i, 10 + i * i * 700);
        const bool only_what_was_sent = sent.starts_with(client.echoed);
        CHECK(only_what_was_sent);
        (client.echoed == sent ? whole : broken) += 1;
      }
    }
  }
  CHECK(whole > kWorlds);
  CHECK(broken > kWorlds);
}

TEST_CASE("the same seed is the same world, another seed another") {
  std::set<uint64_t> hashes;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const uint64_t first = run_world(seed, Faults::from_seed(seed), true).trace_hash;
    const uint64_t second = run_world(seed, Faults::from_seed(seed), true).trace_hash;
    CHECK(first == second);
    hashes.insert(first);
  }
  CHECK(hashes.size() == 10);
}

TEST_CASE("the trace shows every event once") {
  std::vector<std::string> lines;
  WorldOptions options;
  options.trace = [&](std::string_view line) { lines.emplace_back(line); };
  World world(1, 1, options);
  const std::unique_ptr<Backend> backend = world.make_backend(0);
  Operation open;
  open.opcode = Opcode::open_at;
  open.path = "/absent";
  open.descriptor = kNoDirectory;
  backend->submit(open);
  std::vector<Completion> ready;
  backend->wait(kNever, ready);
  REQUIRE(ready.size() == 1);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("complete") != std::string::npos);
  CHECK(lines[0].ends_with("-2"));
}

TEST_CASE("clocks: monotonic time and wall time, and a step of the wall clock") {
  World world(1, 1, WorldOptions{});
  const std::unique_ptr<Backend> backend = world.make_backend(0);
  const Instant start = backend->now();
  const WallTime wall = backend->wall_now();
  std::vector<Completion> ready;
  backend->wait(start + std::chrono::hours(24), ready);
  CHECK(ready.empty());
  CHECK(backend->now() == start + std::chrono::hours(24));
  CHECK(backend->wall_now() == wall + std::chrono::hours(24));
  world.step_wall_clock(-std::chrono::hours(48));
  CHECK(backend->now() == start + std::chrono::hours(24));
  CHECK(backend->wall_now() == wall - std::chrono::hours(24));
  backend->wake();
  backend->wait(kNever, ready);
  CHECK(backend->now() == start + std::chrono::hours(24));
}

TEST_CASE("random numbers differ by backend and repeat by seed") {
  std::set<uint64_t> numbers;
  for (int round = 0; round < 2; ++round) {
    World world(7, 2, WorldOptions{});
    numbers.insert(world.make_backend(0)->random());
    numbers.insert(world.make_backend(1)->random());
    numbers.insert(world.random());
  }
  CHECK(numbers.size() == 3);
}

}  // namespace mailroot::reactor::sim
