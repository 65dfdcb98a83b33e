// What a reload would do, without doing it.
#include <unistd.h>

#include "limits.h"
#include "mailroot/config/load.h"
#include "mailroot/config/machine_state.h"
#include "supervisor_state.h"

namespace mailroot::server {

using config::ServerAction;
using config::ServerPlan;
using reactor::task;

namespace {

std::vector<std::string> words(const std::vector<config::BindingKey>& keys) {
  std::vector<std::string> out;
  for (const config::BindingKey& key : keys) out.push_back(key.to_string());
  return out;
}

ServerPreview preview_of(const ServerPlan& plan) {
  ServerPreview out;
  out.id = plan.server;
  out.action = plan.home_changed ? "restart" : to_string(plan.action);
  out.reason = plan.reason;
  out.opens = words(plan.open);
  out.closes = words(plan.close);
  for (const auto& adoption : plan.adopt) {
    out.adopts.push_back(adoption.key.to_string() + " from " + adoption.from);
  }
  return out;
}

const config::VirtualServer* find(const config::ConfigSnapshot& snapshot, const std::string& id) {
  for (const auto& server : snapshot.servers) {
    if (server->id == id) return server.get();
  }
  return nullptr;
}

}  // namespace

// What stands in the way of the plan as far as can be seen without opening homes. False: nothing
// new.
bool Supervisor::State_::look_at_obstacles(const config::ReloadPlan& plan,
                                           const config::ConfigSnapshot& next,
                                           config::PlanConditions& conditions) {
  Prepared unused;
  bool found = !prepare_tls(plan, next, conditions, unused);
  sockets.look();
  for (const ServerPlan& server : plan.servers) {
    for (const config::BindingKey& key : server.open) {
      if (conditions.cannot_open.contains(key)) continue;
      auto made = sockets.prepare(key, 1);
      if (made) {
        sockets.discard(key, *made);
        continue;
      }
      conditions.cannot_open.emplace(key, std::move(made.error()));
      found = true;
    }
    const bool needs_home = server.action == ServerAction::start || server.home_changed;
    if (!needs_home || conditions.cannot_start.contains(server.server)) continue;
    const config::User user{::geteuid(), ::getegid()};
    std::string why = config::why_no_home(find(next, server.server)->home_directory, user);
    if (why.empty()) continue;
    conditions.cannot_start.emplace(server.server, std::move(why));
    found = true;
  }
  return found;
}

task<ReloadPreview> Supervisor::preview_reload() {
  State_& state = *state_;
  ReloadPreview out;
  co_await state.enter();
  auto loaded = config::load(state.options.config_file, {});
  if (!loaded) {
    for (const config::Problem& problem : loaded.error()) {
      out.problems.push_back(problem.to_string());
    }
    state.leave();
    co_return out;
  }
  const config::ConfigSnapshot& next = *loaded;
  out.warnings = next.warnings;
  for (auto& key : config::changed_keys(state.snapshot->service, next.service)) {
    if (key.reload != config::Reload::restart) out.service.push_back(std::move(key));
  }
  for (auto& key : config::changed_keys(state.service_at_start, next.service)) {
    if (key.reload == config::Reload::restart) out.service.push_back(std::move(key));
  }
  config::PlanConditions conditions;
  for (auto& [id, reason] : config::shared_homes(next, state.ids_at_home(next))) {
    conditions.cannot_start.emplace(id, std::move(reason));
  }
  config::ReloadPlan plan = config::plan_reload(*state.table, next, conditions);
  for (int round = 0; round < kPlanRoundsMax; ++round) {
    if (!state.look_at_obstacles(plan, next, conditions)) break;
    plan = config::plan_reload(*state.table, next, conditions);
  }
  for (const ServerPlan& server : plan.servers) {
    ServerPreview preview = preview_of(server);
    const auto record = state.records.find(server.server);
    const config::VirtualServer* const settings = find(next, server.server);
    preview.is_new = record == state.records.end();
    if (!preview.is_new && settings != nullptr) {
      preview.changes = config::changed_keys(*record->second.settings, *settings);
    }
    out.servers.push_back(std::move(preview));
  }
  state.leave();
  co_return out;
}

}  // namespace mailroot::server
