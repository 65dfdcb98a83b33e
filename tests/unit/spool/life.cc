#include "life.h"

#include <iterator>

namespace mailroot::spool::test {

namespace {

struct Life {
  Ledger& ledger;
  Rig& rig;
  std::mt19937_64 random;
  const LifeOptions& options;
  LifeReport& report;
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
  if (!filled) {
    if (!life.ledger.dead) promise.refused = true;
    co_return id;
  }
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
  const std::string text = random_text(life);
  life.ledger.messages[dsn].content = text;
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
  } else if (outcome == CommitResult::refused) {
    promise.dsns.clear();
    promise.done_asked = false;
    life.ledger.messages[dsn].refused = true;
  }
}

task<void> check_content(Life& life, QueueId id) {
  auto content = co_await life.rig.content_of(id);
  if (life.ledger.dead) co_return;
  const bool readable = content.has_value();
  if (!readable && life.options.disk_fails) {
    CHECK(content.error().code == Errc::io);
    co_return;
  }
  REQUIRE(readable);
  CHECK(*content == life.ledger.messages[id].content);
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
    } else if (dice == 5) {
      const int pause_ms = static_cast<int>(life.random() % 60);
      co_await life.rig.pause(pause_ms);
    } else {
      co_await check_content(life, id);
    }
  }
}

task<void> worker(Life& life) {
  for (int i = 0; i < life.options.messages && !life.ledger.dead; ++i) {
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
    if (content) contents[item.first] = *content;
    if (!life.options.disk_fails) CHECK(content.has_value());
  }
  if (life.options.disk_fails) co_return;
  life.ledger.judge(found, contents);
  life.ledger.settle_unknown(found);
}

task<void> live(Life& life) {
  const bool started = co_await life.rig.start(kSimHome, life.options.spool);
  life.report.started = started;
  life.report.problem = life.rig.problem;
  life.report.recovery = life.rig.recovery;
  if (started && !life.ledger.dead) {
    co_await look(life);
    std::vector<QueueId> old;
    for (const auto& item : life.ledger.messages) old.push_back(item.first);
    reactor::TaskGroup group;
    for (int i = 0; i < life.options.workers && !life.ledger.dead; ++i) group.spawn(worker(life));
    for (const QueueId& id : old) {
      if (life.ledger.dead || life.options.disk_fails || life.random() % 2 == 0) break;
      co_await finish(life, id);
    }
    co_await group.join();
    life.report.counters = life.rig.spool->counters();
  }
  co_await life.rig.stop();
}

}  // namespace

LifeReport run_life(reactor::sim::World& world, Ledger& ledger, uint64_t seed,
                    const LifeOptions& options, Ending ending) {
  ledger.dead = false;
  reactor::Reactor reactor(world.make_backend(0), reactor::ReactorLimits{});
  world.attach(reactor);
  Rig rig(reactor);
  LifeReport report;
  Life life{ledger, rig, std::mt19937_64(seed), options, report};
  reactor::TaskGroup group;
  reactor.post([&] { group.spawn(live(life)); });
  bool begun = false;
  while (!begun || group.running() > 0) {
    begun = begun || group.running() > 0;
    if (ending.steps != 0 && report.steps == ending.steps) {
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
    ++report.steps;
    REQUIRE(report.steps < 5'000'000);
  }
  world.detach(reactor);
  CHECK(rig.slabs.used_bytes() == 0);
  for (const std::string& name : rig.sink.names()) ++report.logged[name];
  return report;
}

uint64_t seeds(uint64_t usual) {
  const char* const asked = std::getenv("MAILROOT_SEEDS");
  return asked == nullptr ? usual : std::strtoull(asked, nullptr, 10);
}

reactor::sim::WorldOptions unkind(uint64_t seed) {
  reactor::sim::WorldOptions options;
  std::mt19937_64 random(seed);
  options.faults.disk_latency_min = std::chrono::microseconds(20);
  options.faults.disk_latency_max = std::chrono::microseconds(21 + random() % 2000);
  if (random() % 2 == 0) {
    options.faults.disk_hiccup = 0.02;
    options.faults.disk_hiccup_max = std::chrono::milliseconds(50);
  }
  if (random() % 2 == 0) options.faults.early_write_back = 0.3;
  options.faults.ordered_names = random() % 2 == 0;
  // Every third disk refuses our alignment: buffered writes, each followed by a sync.
  if (seed % 3 == 2) options.direct_align_bytes = 65536;
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

}  // namespace mailroot::spool::test
