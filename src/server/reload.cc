// Reload: plan, prepare, commit, retire (architecture 12, decisions 1-6). Until commit begins
// nothing that runs has noticed anything.
#include <algorithm>

#include "limits.h"
#include "mailroot/base/assert.h"
#include "mailroot/config/machine_state.h"
#include "mailroot/server/cross.h"
#include "supervisor_state.h"

namespace mailroot::server {

using config::ConfigSnapshot;
using config::PlanConditions;
using config::ReloadPlan;
using config::ServerAction;
using config::ServerPlan;
using reactor::task;

namespace {

std::shared_ptr<const config::VirtualServer> find_settings(const ConfigSnapshot& snapshot,
                                                           const std::string& id) {
  for (const auto& server : snapshot.servers) {
    if (server->id == id) return server;
  }
  return nullptr;
}

bool runs_after(ServerAction action) {
  return action == ServerAction::start || action == ServerAction::keep ||
         action == ServerAction::retune;
}

bool changes_something(const ServerPlan& plan) {
  const bool idle = plan.action == ServerAction::keep || plan.action == ServerAction::stay_stopped;
  return !idle || !plan.adopt.empty();
}

std::string sentence(const ServerPlan& plan) {
  // A server that moves is stopped in the old home and started in the new one.
  const std::string_view action = plan.home_changed ? "restart" : to_string(plan.action);
  std::string out = "virtual server " + plan.server + ": " + std::string(action);
  if (plan.home_changed) out += ", with another home directory";
  for (const auto& key : plan.open) out += ", opens " + key.to_string();
  for (const auto& adoption : plan.adopt) {
    out += ", adopts " + adoption.key.to_string() + " from " + adoption.from;
  }
  for (const auto& key : plan.close) out += ", closes " + key.to_string();
  if (!plan.reason.empty()) out += ": " + plan.reason;
  return out;
}

// On the shard: the server takes its new sockets in one turn of the loop. False when one that was
// bound could not listen.
task<bool> take_sockets(Shard& shard, std::string id, std::vector<config::BindingKey> adopted,
                        std::vector<std::pair<config::BindingKey, reactor::Descriptor>> opened) {
  ServerShard* server = shard.find(id);
  MAILROOT_ASSERT(server != nullptr, "a server is there before its sockets");
  for (const config::BindingKey& key : adopted) shard.adopt(key, *server);
  bool all = true;
  for (const auto& [key, socket] : opened) {
    const bool listening = shard.listen_at(key, socket, *server);
    all = all && listening;
  }
  co_return all;
}

// A home that `next` gives to another server than the one that runs in it.
bool changes_hands(const Record& record, const ConfigSnapshot& next) {
  if (record.shared == nullptr) return false;
  const std::string& home = record.shared->home->path;
  const auto settings = find_settings(next, record.id);
  if (settings != nullptr && settings->home_directory == home) return false;
  return std::ranges::any_of(next.servers,
                             [&](const auto& server) { return server->home_directory == home; });
}

task<void> retire_on(reactor::Reactor& control, Shard& shard, std::vector<config::BindingKey> keys,
                     std::chrono::milliseconds answering) {
  Shard* there = &shard;
  auto work = [there, keys, answering]() -> task<bool> { return there->retire(keys, answering); };
  co_await on_shard<bool>(control, shard, std::move(work));
}

}  // namespace

// A home has one lock, so who gives it up in this reload (its file was renamed, or two servers
// exchange their homes) ends before the next opens it; who is still defined then starts again.
task<std::vector<std::string>> Supervisor::State_::vacate_homes(const ConfigSnapshot& next,
                                                                PlanConditions& conditions) {
  PlanConditions ends;
  for (const auto& [id, record] : records) {
    if (changes_hands(record, next)) ends.stop.insert(id);
  }
  if (ends.stop.empty()) co_return std::vector<std::string>{};
  conditions.start.insert(ends.stop.begin(), ends.stop.end());
  auto report = co_await apply(snapshot, std::move(ends));
  co_return std::move(report.changes);
}

std::set<std::string> Supervisor::State_::paused_ids() const {
  std::set<std::string> ids;
  for (const auto& [id, record] : records) {
    if (record.state == State::paused) ids.insert(id);
  }
  return ids;
}

// Who was paused when a reload ended and started it anew for its home's sake stays paused.
task<void> Supervisor::State_::pause_again(std::set<std::string> ids) {
  for (const std::string& id : ids) {
    const auto found = records.find(id);
    if (found == records.end() || found->second.state != State::started) continue;
    found->second.state = State::paused;
    co_await use_on_shards(found->second);
    note(found->second, "server");
  }
}

task<ReloadReport> Supervisor::State_::apply(std::shared_ptr<const ConfigSnapshot> next,
                                             PlanConditions conditions) {
  Prepared prepared;
  const ReloadPlan plan = co_await prepare(*next, std::move(conditions), prepared);
  co_await discard_unused(plan, prepared);
  auto report = co_await take_effect(std::move(next), plan, prepared);
  co_return report;
}

task<ReloadReport> Supervisor::State_::take_effect(std::shared_ptr<const ConfigSnapshot> next,
                                                   const ReloadPlan& plan, Prepared& prepared) {
  ReloadReport report;
  if (!prepared.sockets.empty()) check_ports_at = control.now() + kPortCheckAfter;
  snapshot = std::move(next);
  table = std::make_shared<const config::BindingTable>(plan.next);
  co_await commit(plan, prepared, report);
  report.applied = true;
  for (const std::string& warning : snapshot->warnings) {
    log.write(log::Event(log::Level::warning, "configuration").with("warning", warning));
  }
  log.write(log::Event(log::Level::info, "reload")
                .with("result", "applied")
                .with("changes", static_cast<int64_t>(report.changes.size())));
  co_return report;
}

// A home belongs to who runs in it, then to the first in name order.
std::set<std::string> Supervisor::State_::ids_at_home(const ConfigSnapshot& next) const {
  std::set<std::string> at_home;
  for (const auto& [id, record] : records) {
    const auto settings = find_settings(next, id);
    const bool stays = record.shared != nullptr && settings != nullptr &&
                       settings->home_directory == record.shared->home->path;
    if (stays) at_home.insert(id);
  }
  return at_home;
}

// Rounds: what cannot be opened or started changes the plan for the others (an address may go to
// the next in line), until everything that the plan wants stands ready.
task<ReloadPlan> Supervisor::State_::prepare(const ConfigSnapshot& next, PlanConditions conditions,
                                             Prepared& prepared) {
  for (auto& [id, reason] : config::shared_homes(next, ids_at_home(next))) {
    conditions.cannot_start.emplace(id, std::move(reason));
  }
  for (const auto& server : next.servers) {
    const std::string& trouble = server->access.authentication.users_trouble;
    if (!trouble.empty()) conditions.must_stop.emplace(server->id, trouble);
  }
  taken_ports.clear();
  for (int round = 0;; ++round) {
    ReloadPlan plan = config::plan_reload(*table, next, conditions);
    bool settled = prepare_tls(plan, next, conditions, prepared);
    const bool housed = co_await prepare_homes(plan, next, conditions, prepared);
    settled = settled && housed;
    sockets.look();  // homes take their time: a port may have come free
    for (const ServerPlan& server : plan.servers) {
      const bool ready = prepare_sockets(server, conditions, prepared);
      settled = settled && ready;
      // From here on each round rules out a server, so there is an end.
      if (!ready && round >= kPlanRoundsMax) {
        conditions.cannot_start.emplace(server.server, "its addresses change hands too often");
      }
    }
    if (settled && still_free(conditions, prepared)) co_return plan;
  }
}

// Homes take their time to open. Who began to listen meanwhile, a second mailrootd that starts
// together with this one, was not to be seen before.
bool Supervisor::State_::still_free(PlanConditions& conditions, Prepared& prepared) {
  sockets.look();
  bool all = true;
  for (auto at = prepared.sockets.begin(); at != prepared.sockets.end();) {
    std::string taken = sockets.why_taken(at->first);
    if (taken.empty()) {
      ++at;
      continue;
    }
    sockets.discard(at->first, at->second);
    taken_ports.insert(at->first);
    conditions.cannot_open[at->first] = std::move(taken);
    at = prepared.sockets.erase(at);
    all = false;
  }
  return all;
}

// Some at a time: homes wait for their disks, and one sync of a disk serves many. False when one
// cannot be used.
task<bool> Supervisor::State_::prepare_homes(const ReloadPlan& plan, const ConfigSnapshot& next,
                                             PlanConditions& conditions, Prepared& prepared) {
  const size_t failed_before = conditions.cannot_start.size();
  reactor::TaskGroup group;
  for (const ServerPlan& server : plan.servers) {
    const bool needs_home = server.action == ServerAction::start || server.home_changed;
    if (!needs_home || prepared.homes.contains(server.server)) continue;
    if (group.running() >= kHomesAtOnceMax) {
      co_await group.join();
    }
    const auto settings = find_settings(next, server.server);
    MAILROOT_ASSERT(settings != nullptr, "a server that starts is in the snapshot");
    group.spawn(prepare_home(settings, conditions, prepared));
  }
  co_await group.join();
  co_return conditions.cannot_start.size() == failed_before;
}

task<void> Supervisor::State_::prepare_home(std::shared_ptr<const config::VirtualServer> settings,
                                            PlanConditions& conditions, Prepared& prepared) {
  const std::string id = settings->id;
  auto shared = co_await open_shared(*settings);
  lacking_space.erase(id);
  if (shared) {
    prepared.homes.emplace(id, std::move(*shared));
    co_return;
  }
  if (shared.error().error.code == Errc::no_space) lacking_space.insert(id);
  conditions.cannot_start[id] = std::move(shared.error().sentence);
}

bool Supervisor::State_::prepare_sockets(const ServerPlan& plan, PlanConditions& conditions,
                                         Prepared& prepared) {
  for (const config::BindingKey& key : plan.open) {
    if (conditions.cannot_start.contains(plan.server)) return false;
    if (prepared.sockets.contains(key)) continue;
    auto made = sockets.prepare(key, static_cast<uint32_t>(shards.size()));
    if (made) {
      prepared.sockets.emplace(key, std::move(*made));
      continue;
    }
    // What another program has now is looked at until it is gone, which may be at once.
    if (!sockets.why_taken(key).empty()) taken_ports.insert(key);
    conditions.cannot_open[key] = std::move(made.error());
    return false;
  }
  return true;
}

task<void> Supervisor::State_::discard_unused(const ReloadPlan& plan, Prepared& prepared) {
  for (auto at = prepared.homes.begin(); at != prepared.homes.end();) {
    const ServerPlan* server = plan.find(at->first);
    const bool used =
        server != nullptr && (server->action == ServerAction::start || server->home_changed);
    if (!used) {
      co_await close_shared(*at->second);
    }
    at = used ? std::next(at) : prepared.homes.erase(at);
  }
  for (auto at = prepared.sockets.begin(); at != prepared.sockets.end();) {
    bool used = false;
    for (const ServerPlan& server : plan.servers) {
      for (const auto& key : server.open) used = used || key == at->first;
    }
    if (!used) sockets.discard(at->first, at->second);
    at = used ? std::next(at) : prepared.sockets.erase(at);
  }
}

task<void> Supervisor::State_::commit(const ReloadPlan& plan, Prepared& prepared,
                                      ReloadReport& report) {
  for (const ServerPlan& server : plan.servers) {
    Record& record = records[server.server];
    record.id = server.server;
    if (auto settings = find_settings(*snapshot, server.server)) {
      record.settings = std::move(settings);
    }
    const auto tls = prepared.tls.find(server.server);
    if (tls != prepared.tls.end()) record.tls = std::move(tls->second);
    if (changes_something(server)) report.changes.push_back(sentence(server));
    co_await commit_server(server, prepared);
  }
  // Sockets move when every server that takes one is there, and before any that gives one ends.
  for (const ServerPlan& server : plan.servers) {
    co_await open_sockets(server, prepared);
  }
  keep_sockets(prepared);
  co_await retire_sockets(plan);
  co_await end_servers(plan);
  for (const ServerPlan& server : plan.servers) {
    Record& record = records[server.server];
    if (find_settings(*snapshot, server.server) == nullptr) {
      records.erase(server.server);
      continue;
    }
    const State before = record.state;
    if (!runs_after(server.action)) {
      record.state = State::stopped;
    } else if (record.state != State::paused) {
      record.state = State::started;
    }
    record.reason = server.reason.empty() ? record.tls.trouble : server.reason;
    if (record.state != before || server.action == ServerAction::retune ||
        server.action == ServerAction::cannot_start) {
      note(record, "server");
    }
  }
}

task<void> Supervisor::State_::commit_server(const ServerPlan& plan, Prepared& prepared) {
  Record& record = records[plan.server];
  if (plan.action == ServerAction::start) {
    record.state = State::starting;
    auto shared = prepared.homes.at(plan.server);
    co_await add_to_shards(record, std::move(shared));
  } else if (plan.action == ServerAction::keep || plan.action == ServerAction::retune) {
    if (plan.home_changed) {
      auto shared = prepared.homes.at(plan.server);
      co_await exchange_on_shards(record, std::move(shared));
    } else {
      co_await use_on_shards(record);
    }
  } else if (plan.action == ServerAction::stop) {
    record.state = State::stopping;
  }
}

task<void> Supervisor::State_::open_sockets(const ServerPlan& plan, Prepared& prepared) {
  const std::string id = plan.server;
  for (auto& shard : shards) {
    Shard* there = shard.get();
    std::vector<config::BindingKey> adopted;
    for (const auto& adoption : plan.adopt) adopted.push_back(adoption.key);
    std::vector<std::pair<config::BindingKey, reactor::Descriptor>> opened;
    for (const auto& key : plan.open) {
      for (const auto socket : prepared.sockets.at(key).per_shard[there->index()]) {
        opened.emplace_back(key, socket);
      }
    }
    if (adopted.empty() && opened.empty()) continue;
    auto work = [there, id, adopted, opened]() -> task<bool> {
      return take_sockets(*there, id, adopted, opened);
    };
    const bool all = co_await on_shard<bool>(control, *there, std::move(work));
    if (!all) {
      log.write(log::Event(log::Level::error, "listen")
                    .with("server", id)
                    .with("shard", int64_t{there->index()})
                    .with("reason", "a bound socket could not listen"));
    }
  }
}

// In the store they outlive this process, however it ends.
void Supervisor::State_::keep_sockets(const Prepared& prepared) {
  if (options.socket_store == nullptr) return;
  for (const auto& [key, of_key] : prepared.sockets) {
    std::vector<reactor::Descriptor> all;
    for (const auto& of_shard : of_key.per_shard) {
      all.insert(all.end(), of_shard.begin(), of_shard.end());
    }
    options.socket_store->keep(key.to_string(), all);
  }
}

// After the first start: what the configuration no longer asks for.
task<void> Supervisor::State_::close_unwanted_sockets() {
  const auto names = co_await sockets.close_unwanted();
  for (const std::string& name : names) options.socket_store->drop(name);
}

// All at once: each listener answers 421 for a while before it goes. At the end of the process the
// store keeps them, and who waits there waits for the next one.
task<void> Supervisor::State_::retire_sockets(const ReloadPlan& plan) {
  std::vector<config::BindingKey> keys;
  for (const ServerPlan& server : plan.servers) {
    keys.insert(keys.end(), server.close.begin(), server.close.end());
  }
  if (keys.empty()) co_return;
  reactor::TaskGroup group;
  const bool are_kept = ending && options.socket_store != nullptr;
  for (const config::BindingKey& key : keys) {
    if (options.socket_store != nullptr && !ending) options.socket_store->drop(key.to_string());
  }
  const auto answering = are_kept ? receive::kLeaveWaiting : receive::kRetireTime;
  for (auto& shard : shards) group.spawn(retire_on(control, *shard, keys, answering));
  co_await group.join();
  for (const config::BindingKey& key : keys) sockets.forget(key);
}

// Some at a time: a server that ends waits for its sessions, and for its disk.
task<void> Supervisor::State_::end_servers(const ReloadPlan& plan) {
  reactor::TaskGroup group;
  for (const ServerPlan& server : plan.servers) {
    if (server.action != ServerAction::stop) continue;
    if (group.running() >= kEndingAtOnceMax) {
      co_await group.join();
    }
    group.spawn(remove_from_shards(records[server.server]));
  }
  co_await group.join();
}

}  // namespace mailroot::server
