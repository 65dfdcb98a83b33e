// Power cuts and kills in the simulator: at every step of a small life, and at random in many
// busy ones, with torn writes, lost names and a disk that answers late.
#include <doctest/doctest.h>

#include <random>

#include "ledger.h"
#include "mailroot/reactor/sim.h"

using namespace mailroot;
using namespace mailroot::spool;
using namespace mailroot::spool::test;
using reactor::sim::Faults;
using reactor::sim::World;
using reactor::sim::WorldOptions;

namespace {

constexpr const char* kHome = "/srv/mail/alpha";

struct Life {
  World& world;
  Ledger& ledger;
  Rig& rig;
  std::mt19937_64 random;
  SpoolOptions options;
  bool expects_findings = false;  // bits were flipped
  bool orderly = false;           // ends by itself, with close()
  bool started = false;
};

std::string random_text(Life& life) {
  constexpr size_t kSizes[] = {0, 1, 700, 4095, 4096, 4097, 9000, 30'000, 262'144, 300'000};
  const size_t size = kSizes[life.random() % std::size(kSizes)];
  return text_of(size, static_cast<char>('a' + life.random() % 12));
}

task<QueueId> accept(Life& life) {
  auto draft = life.rig.spool->begin_draft();
  const QueueId id = draft->id();
  Promise& promise = life.ledger.messages[id];
  promise.content = random_text(life);
  const bool filled = co_await life.rig.fill(*draft, promise.content);
  if (!filled) co_return id;
  const CommitResult outcome =
      co_await life.rig.spool->commit(std::move(draft), envelope_to({"bob"}), {});
  if (life.ledger.dead) co_return id;
  promise.promised = outcome == CommitResult::durable;
  promise.refused = outcome == CommitResult::refused;
  co_return id;
}

task<void> finish(Life& life, QueueId id) {
  Promise& promise = life.ledger.messages[id];
  promise.done_asked = true;
  const CommitResult outcome = co_await life.rig.finish(id);
  if (!life.ledger.dead && outcome == CommitResult::durable) promise.done_said = true;
}

task<void> defer(Life& life, QueueId id) {
  Promise& promise = life.ledger.messages[id];
  const uint32_t attempts = ++promise.attempts_asked;
  const CommitResult outcome = co_await life.rig.defer(id, attempts);
  if (!life.ledger.dead && outcome == CommitResult::durable) promise.attempts_said = attempts;
}

task<void> bounce(Life& life, QueueId id) {
  Spool::Caused caused;
  caused.draft = life.rig.spool->begin_draft();
  const QueueId dsn = caused.draft->id();
  life.ledger.messages[dsn].content = random_text(life);
  const std::string text = life.ledger.messages[dsn].content;
  const bool filled = co_await life.rig.fill(*caused.draft, text);
  if (!filled) co_return;
  caused.envelope = envelope_to({"ann"});
  Promise& promise = life.ledger.messages[id];
  promise.done_asked = true;
  promise.dsns.push_back(dsn);
  Settlement settlement;
  settlement.id = id;
  settlement.status = "B";
  settlement.done = true;
  std::vector<Spool::Caused> all;
  all.push_back(std::move(caused));
  const CommitResult outcome = co_await life.rig.spool->settle(settlement, std::move(all));
  if (life.ledger.dead) co_return;
  if (outcome == CommitResult::durable) {
    promise.done_said = true;
    life.ledger.messages[dsn].promised = true;
  } else {
    promise.dsns.clear();
    promise.done_asked = outcome == CommitResult::unknown;
    life.ledger.messages[dsn].refused = outcome == CommitResult::refused;
  }
}

// One message from its arrival to some end, or left waiting.
task<void> one_message(Life& life) {
  const QueueId id = co_await accept(life);
  if (life.ledger.dead || !life.ledger.messages[id].promised) co_return;
  while (!life.ledger.dead) {
    const uint64_t dice = life.random() % 8;
    if (dice == 0) co_return;
    if (dice < 3) {
      co_await finish(life, id);
      co_return;
    }
    if (dice == 3) {
      co_await bounce(life, id);
      co_return;
    }
    if (dice == 4) {
      co_await defer(life, id);
      continue;
    }
    if (dice == 5) {
      const int pause_ms = static_cast<int>(life.random() % 60);
      co_await life.rig.pause(pause_ms);
      continue;
    }
    auto content = co_await life.rig.content_of(id);
    if (life.ledger.dead) co_return;
    REQUIRE(content.has_value());
    CHECK(*content == life.ledger.messages[id].content);
  }
}

task<void> worker(Life& life, int messages) {
  for (int i = 0; i < messages && !life.ledger.dead; ++i) {
    co_await one_message(life);
  }
}

// Everything that is there, told by scan() and read by load().
task<void> look(Life& life) {
  const auto found = co_await life.rig.scanned();
  if (life.ledger.dead) co_return;
  std::map<QueueId, std::string> contents;
  for (const auto& item : found) {
    auto content = co_await life.rig.content_of(item.first);
    if (life.ledger.dead) co_return;
    REQUIRE(content.has_value());
    contents[item.first] = *content;
  }
  life.ledger.judge(found, contents);
  life.ledger.settle_unknown(found);
  CHECK(life.rig.spool->counters().set_aside == 0);
  CHECK(life.rig.sink.count("foreign_file") == 0);
}

task<void> live(Life& life, int workers, int messages) {
  const bool started = co_await life.rig.start(kHome, life.options);
  life.started = started;
  if (started && !life.ledger.dead) {
    for (const std::string& finding : life.rig.recovery.findings) {
      CHECK_MESSAGE(life.expects_findings, finding);
    }
    co_await look(life);
    std::vector<QueueId> old;
    for (const auto& item : life.ledger.messages) old.push_back(item.first);
    reactor::TaskGroup group;
    for (int i = 0; i < workers && !life.ledger.dead; ++i) group.spawn(worker(life, messages));
    for (const QueueId& id : old) {
      if (life.ledger.dead || life.random() % 2 == 0) break;
      co_await finish(life, id);
    }
    co_await group.join();
  }
  life.orderly = !life.ledger.dead;
  co_await life.rig.stop();
}

struct Ending {
  uint64_t steps = 0;  // 0: lives to its own end
  bool by_kill = false;
};

// One start of the program. Returns the number of steps it took.
uint64_t run_life(World& world, Ledger& ledger, uint64_t seed, const SpoolOptions& options,
                  int workers, int messages, Ending ending) {
  ledger.dead = false;
  reactor::Reactor reactor(world.make_backend(0), reactor::ReactorLimits{});
  world.attach(reactor);
  Rig rig(reactor);
  Life life{world, ledger, rig, std::mt19937_64(seed), options};
  reactor::TaskGroup group;
  reactor.post([&] { group.spawn(live(life, workers, messages)); });
  uint64_t steps = 0;
  bool begun = false;
  while (!begun || group.running() > 0) {
    begun = begun || group.running() > 0;
    if (ending.steps != 0 && steps == ending.steps) {
      ledger.dead = true;
      if (ending.by_kill) {
        world.kill();
      } else {
        world.crash();
      }
      reactor::Reactor* dead[] = {&reactor};
      world.unwind(dead, [&] { return group.running() == 0; });
      break;
    }
    REQUIRE(world.step());
    ++steps;
    REQUIRE(steps < 5'000'000);
  }
  world.detach(reactor);
  CHECK(rig.slabs.used_bytes() == 0);
  if (!ledger.dead) CHECK(life.started);
  return steps;
}

WorldOptions unkind(uint64_t seed) {
  WorldOptions options;
  std::mt19937_64 random(seed);
  options.faults.disk_latency_min = std::chrono::microseconds(20);
  options.faults.disk_latency_max = std::chrono::microseconds(1 + random() % 2000 + 20);
  if (random() % 2 == 0) {
    options.faults.disk_hiccup = 0.02;
    options.faults.disk_hiccup_max = std::chrono::milliseconds(50);
  }
  if (random() % 2 == 0) options.faults.early_write_back = 0.3;
  options.faults.ordered_names = random() % 2 == 0;
  return options;
}

SpoolOptions some_options(uint64_t seed) {
  SpoolOptions options;
  options.free_min_bytes = 0;
  constexpr int kMaterialise_ms[] = {0, 5, 40, 100'000};
  options.materialise_after = std::chrono::milliseconds(kMaterialise_ms[seed % 4]);
  options.scrub = seed % 3 == 0;
  return options;
}

// A crash at the given step, then starts until one lives to its end; then a last look.
void crash_and_recover(uint64_t seed, const std::vector<Ending>& endings, int workers,
                       int messages) {
  CAPTURE(seed);
  World world(seed, 1, unkind(seed));
  Ledger ledger;
  const SpoolOptions options = some_options(seed);
  for (const Ending& ending : endings) {
    CAPTURE(ending.steps);
    run_life(world, ledger, seed, options, workers, messages, ending);
  }
  run_life(world, ledger, seed + 1, options, 0, 0, {});
  run_life(world, ledger, seed + 2, options, 0, 0, {});
  CHECK(world.open_descriptors() == 0);
}

}  // namespace

TEST_CASE("a power cut at every step of a small life loses nothing and invents nothing") {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    World quiet(seed, 1, unkind(seed));
    Ledger ledger;
    const uint64_t steps = run_life(quiet, ledger, seed, some_options(seed), 2, 2, {});
    for (uint64_t step = 1; step < steps; ++step) {
      crash_and_recover(seed, {{step, false}}, 2, 2);
    }
  }
}

TEST_CASE("busy lives cut short again and again, also while they recover") {
  for (uint64_t seed = 100; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<Ending> endings;
    for (int i = 0; i < 4; ++i) {
      const uint64_t most = i % 2 == 0 ? 3000 : 400;
      endings.push_back({1 + random() % most, random() % 3 == 0});
    }
    crash_and_recover(seed, endings, 6, 20);
  }
}
