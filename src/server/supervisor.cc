// The operations of the Supervisor: start, reload, commands, end.
#include "mailroot/server/supervisor.h"

#include <sched.h>

#include "limits.h"
#include "mailroot/base/assert.h"
#include "mailroot/config/describe.h"
#include "mailroot/config/load.h"
#include "supervisor_state.h"

namespace mailroot::server {

using reactor::task;

namespace {

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {-1};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

reactor::BackendChoice choice_of(config::IoChoice io) {
  switch (io) {
    case config::IoChoice::automatic:
      return reactor::BackendChoice::automatic;
    case config::IoChoice::io_uring:
      return reactor::BackendChoice::io_uring;
    case config::IoChoice::epoll:
      return reactor::BackendChoice::epoll;
  }
  return reactor::BackendChoice::automatic;
}

ShardOptions shard_options(const config::Service& service, uint32_t index, uint32_t count,
                           const std::vector<int>& cpus) {
  ShardOptions options;
  options.index = static_cast<uint16_t>(index);
  options.cpu = cpus[index % cpus.size()];
  options.io = choice_of(service.io);
  const uint64_t memory =
      service.memory_budget_bytes != 0 ? service.memory_budget_bytes : kBodyMemoryDefaultBytes;
  options.slabs.budget_bytes = memory / count;
  options.slabs.high_mark_bytes = memory / count / 4 * 3;
  options.resolver.servers = service.dns_servers;
  options.resolver.trust_anchor_file = service.dns_trust_anchor;
  for (const config::FixedHost& host : service.dns_hosts) {
    options.fixed_answers.push_back({host.name, host.values});
  }
  return options;
}

// Said at each reload, until the restart.
void warn_of_restart(const config::Service& at_start, config::ConfigSnapshot& next) {
  for (const config::ChangedKey& key : config::changed_keys(at_start, next.service)) {
    if (key.reload != config::Reload::restart) continue;
    next.warnings.push_back(key.path +
                            " was changed; that takes effect when mailrootd is restarted");
  }
}

}  // namespace

std::string_view to_string(State state) {
  switch (state) {
    case State::starting:
      return "starting";
    case State::started:
      return "started";
    case State::stopping:
      return "stopping";
    case State::stopped:
      return "stopped";
    case State::pausing:
      return "pausing";
    case State::paused:
      return "paused";
    case State::continuing:
      return "continuing";
  }
  return "unknown";
}

Supervisor::Supervisor(reactor::Reactor& control, Options options, log::Sink& log)
    : state_(std::make_unique<State_>(control, std::move(options), log)) {}

Supervisor::~Supervisor() {
  MAILROOT_ASSERT(state_->shards.empty(), "stop_all() comes before the end of the supervisor");
}

task<void> Supervisor::State_::enter() {
  while (busy) {
    co_await turn_over.wait(control, {});
  }
  busy = true;
}

void Supervisor::State_::leave() {
  busy = false;
  turn_over.notify_one();
}

void Supervisor::State_::start_tokens(const config::Service& service) {
  http = std::make_unique<http::Client>(
      http::ClientOptions{.proxy = service.http_proxy, .ca_file = {}});
  // From the client's thread; the log is the control thread's.
  const auto warn = [this](std::string text) {
    control.post([this, text = std::move(text)] {
      log.write(log::Event(log::Level::warning, "token").with("problem", text));
    });
  };
  tokens = std::make_unique<oauth::TokenSource>(*http, oauth::system_clocks(), warn);
}

task<std::expected<void, std::vector<std::string>>> Supervisor::start(
    std::vector<log::Sink*> shard_logs, std::shared_ptr<const config::ConfigSnapshot> snapshot) {
  State_& state = *state_;
  state.service_at_start = snapshot->service;
  const auto cpus = allowed_cpus();
  const auto count = static_cast<uint32_t>(shard_logs.size());
  state.start_tokens(snapshot->service);
  for (uint32_t index = 0; index < count; ++index) {
    auto options = shard_options(snapshot->service, index, count, cpus);
    options.log = shard_logs[index];
    options.tokens = state.tokens.get();
    auto shard = std::make_unique<Shard>(std::move(options));
    auto started = shard->start();
    if (!started) {
      std::vector<std::string> problems;
      problems.push_back(started.error());
      for (auto& running : state.shards) running->stop();
      state.shards.clear();
      co_return std::unexpected(std::move(problems));
    }
    state.shards.push_back(std::move(shard));
  }
  const auto watching = state.addresses.open();  // before sockets are bound: nothing is missed
  co_await state.enter();
  if (state.options.socket_store != nullptr) {
    state.sockets.inherit(state.options.socket_store->inherited());
  }
  const auto report = co_await state.apply(std::move(snapshot), {});
  if (state.options.socket_store != nullptr) {
    co_await state.close_unwanted_sockets();
  }
  state.last_reload = "applied";
  state.leave();
  state.background.spawn(state.watch_homes());
  if (watching) {
    state.background.spawn(state.watch_addresses());
  } else {
    state.log.write(log::Event(log::Level::warning, "addresses")
                        .with("reason", describe(watching.error().code))
                        .with("advice", "reload when an address was added"));
  }
  MAILROOT_ASSERT(report.applied, "a loaded snapshot always has a plan");
  std::expected<void, std::vector<std::string>> started;
  co_return started;
}

task<ReloadReport> Supervisor::reload() {
  State_& state = *state_;
  co_await state.enter();
  ReloadReport report;
  if (state.ending) {
    report.problems.emplace_back("the service is stopping");
    state.leave();
    co_return report;
  }
  auto loaded = config::load(state.options.config_file, {});
  if (!loaded) {
    for (const config::Problem& problem : loaded.error()) {
      report.problems.push_back(problem.to_string());
      state.log.write(log::Event(log::Level::error, "reload")
                          .with("result", "refused")
                          .with("problem", report.problems.back()));
    }
    state.last_reload = report.problems.front();
    ++state.reloads_refused;
    state.leave();
    co_return report;
  }
  warn_of_restart(state.service_at_start, *loaded);
  auto next = std::make_shared<const config::ConfigSnapshot>(std::move(*loaded));
  config::PlanConditions conditions;
  const std::set<std::string> paused = state.paused_ids();
  state.http->use({.proxy = next->service.http_proxy, .ca_file = {}});
  state.tokens->retry_now();
  auto ended = co_await state.vacate_homes(*next, conditions);
  report = co_await state.apply(std::move(next), std::move(conditions));
  co_await state.pause_again(paused);
  report.changes.insert(report.changes.begin(), ended.begin(), ended.end());
  report.warnings = state.snapshot->warnings;
  if (state.options.on_reload) state.options.on_reload(state.snapshot->service);
  ++state.reloads_applied;
  state.last_applied = state.control.wall_now();
  state.last_reload = "applied";
  state.leave();
  co_return report;
}

task<void> Supervisor::stop_all() {
  State_& state = *state_;
  co_await state.enter();
  state.ending = true;
  state.scope.cancel();
  config::PlanConditions conditions;
  for (const auto& [id, record] : state.records) conditions.stop.insert(id);
  if (state.snapshot != nullptr) {
    co_await state.apply(state.snapshot, std::move(conditions));
  }
  state.leave();
  // The watcher may stand in line for a turn; it gets one, sees the end and goes.
  co_await state.background.join();
  for (auto& shard : state.shards) shard->stop();
  state.shards.clear();
  state.tokens.reset();
  state.http.reset();
}

task<std::expected<void, std::string>> Supervisor::start_server(std::string id) {
  State_& state = *state_;
  co_await state.enter();
  std::expected<void, std::string> outcome;
  if (!state.records.contains(id)) {
    outcome = std::unexpected("there is no virtual server \"" + id + "\"");
  } else if (state.records.at(id).state == State::paused) {
    // To start what is paused is to continue it, as in the console of the service it models.
    Record& record = state.records.at(id);
    record.state = State::continuing;
    co_await state.use_on_shards(record);
    record.state = State::started;
    state.note(record, "server");
  } else if (state.records.at(id).shared == nullptr) {
    config::PlanConditions conditions;
    conditions.start.insert(id);
    co_await state.apply(state.snapshot, std::move(conditions));
    const Record& record = state.records.at(id);
    if (record.shared == nullptr) outcome = std::unexpected(record.reason);
  }
  state.leave();
  co_return outcome;
}

task<std::expected<void, std::string>> Supervisor::stop_server(std::string id) {
  State_& state = *state_;
  co_await state.enter();
  std::expected<void, std::string> outcome;
  if (!state.records.contains(id)) {
    outcome = std::unexpected("there is no virtual server \"" + id + "\"");
  } else {
    config::PlanConditions conditions;
    conditions.stop.insert(id);
    co_await state.apply(state.snapshot, std::move(conditions));
  }
  state.leave();
  co_return outcome;
}

task<std::expected<void, std::string>> Supervisor::pause_server(std::string id) {
  State_& state = *state_;
  co_await state.enter();
  std::expected<void, std::string> outcome;
  const auto found = state.records.find(id);
  if (found == state.records.end()) {
    outcome = std::unexpected("there is no virtual server \"" + id + "\"");
  } else if (found->second.state != State::started) {
    outcome = std::unexpected("it is " + std::string(to_string(found->second.state)));
  } else {
    found->second.state = State::pausing;
    co_await state.use_on_shards(found->second);
    found->second.state = State::paused;
    state.note(found->second, "server");
  }
  state.leave();
  co_return outcome;
}

task<std::expected<void, std::string>> Supervisor::continue_server(std::string id) {
  State_& state = *state_;
  co_await state.enter();
  std::expected<void, std::string> outcome;
  const auto found = state.records.find(id);
  if (found == state.records.end()) {
    outcome = std::unexpected("there is no virtual server \"" + id + "\"");
  } else if (found->second.state != State::paused) {
    outcome = std::unexpected("it is " + std::string(to_string(found->second.state)));
  } else {
    found->second.state = State::continuing;
    co_await state.use_on_shards(found->second);
    found->second.state = State::started;
    state.note(found->second, "server");
  }
  state.leave();
  co_return outcome;
}

}  // namespace mailroot::server
