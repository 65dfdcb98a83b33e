// One virtual server on all shards: made, exchanged, ended.
#include <fcntl.h>
#include <poll.h>

#include <algorithm>

#include "limits.h"
#include "mailroot/server/cross.h"
#include "mailroot/server/groups.h"
#include "supervisor_state.h"

namespace mailroot::server {

using reactor::task;

namespace {

constexpr const char* kPickupGroup = "mailroot-pickup";

task<bool> add_here(Shard& shard, std::shared_ptr<ServerShared> shared, Policy policy,
                    uint16_t shards, bool owns_directories) {
  const std::string id = shared->id;
  auto server = std::make_unique<ServerShard>(shard, std::move(shared), std::move(policy), shards);
  server->begin(owns_directories);
  shard.add(id, std::move(server));
  co_return true;
}

task<bool> use_here(Shard& shard, std::string id, Policy policy) {
  if (ServerShard* server = shard.find(id)) server->use(std::move(policy));
  co_return true;
}

task<bool> remove_here(Shard& shard, std::string id) {
  std::unique_ptr<ServerShard> server = shard.take(id);
  co_await server->stop();
  co_return true;
}

// The listeners change over in one turn of the loop, then the old one ends at its own pace: no
// client meets a closed door.
task<bool> exchange_here(Shard& shard, std::shared_ptr<ServerShared> shared, Policy policy,
                         uint16_t shards, bool owns_directories,
                         std::vector<config::BindingKey> keys) {
  const std::string id = shared->id;
  std::unique_ptr<ServerShard> old = shard.take(id);
  co_await add_here(shard, std::move(shared), std::move(policy), shards, owns_directories);
  for (const config::BindingKey& key : keys) shard.adopt(key, *shard.find(id));
  co_await old->stop();
  co_return true;
}

// Which shard reads a server's Pickup directory.
bool owns_directories(const std::string& id, size_t shard, size_t shards) {
  return std::hash<std::string>()(id) % shards == shard;
}

}  // namespace

Policy Supervisor::State_::policy_of(const Record& record) const {
  Policy policy;
  policy.settings = record.settings;
  policy.router = std::make_shared<const route::Router>(record.settings);
  policy.table = table;
  if (options.protocol_log) policy.protocol_log = options.protocol_log(*record.settings);
  policy.tls = record.tls.listeners;
  policy.next_hop_tls = record.tls.next_hops;
  policy.paused = record.state == State::paused || record.state == State::pausing;
  return policy;
}

void Supervisor::State_::note(const Record& record, std::string_view event) {
  const bool trouble = !record.reason.empty();
  log.write(log::Event(trouble ? log::Level::warning : log::Level::info, event)
                .with("server", record.id)
                .with("state", to_string(record.state))
                .with("reason", record.reason));
}

std::function<void(const std::string&)> Supervisor::State_::kept_mail_sender(std::string id) {
  return [this, id = std::move(id)](const std::string& domain) {
    for (auto& shard : shards) {
      Shard* there = shard.get();
      // A shard whose mailbox is full is busy; its client asks again.
      there->reactor().post([there, id, domain] {
        ServerShard* server = there->find(id);
        if (server != nullptr) server->send_kept_here(domain);
      });
    }
  };
}

// Opens the home directory and replays its journals: after this every message it holds is a file
// in Queue, or shard 0's, and the shards can start (decisions 19).
task<std::expected<std::shared_ptr<ServerShared>, spool::HomeProblem>>
Supervisor::State_::open_shared(const config::VirtualServer& settings) {
  auto shared = std::make_shared<ServerShared>();
  shared->login_desk = &login_desk;
  shared->id = settings.id;
  shared->slots =
      queue::make_slot_table([this, id = settings.id](uint16_t shard, const std::string& key) {
        Shard* there = shards[shard].get();
        return there->reactor().post([there, id, key] {
          ServerShard* server = there->find(id);
          if (server != nullptr) server->slot_freed(key);
        });
      });
  spool::HomeOptions home_options;
  home_options.badmail_directory = settings.badmail_directory;
  home_options.pickup_group = find_group(kPickupGroup).value_or(reactor::kGroupAsItIs);
  auto home = co_await spool::open_home(control, settings.home_directory, home_options);
  shared->send_kept = kept_mail_sender(settings.id);
  if (!home) co_return std::unexpected(std::move(home.error()));
  shared->home = std::move(*home);
  for (const std::string& finding : shared->home->findings) {
    log.write(log::Event(log::Level::warning, "home")
                  .with("server", settings.id)
                  .with("finding", finding));
  }
  auto recovered = co_await spool::recover(control, *shared->home);
  if (!recovered) {
    co_await spool::close_home(control, *shared->home);
    co_return std::unexpected(std::move(recovered.error()));
  }
  const uint64_t stored = co_await receive::remove_stored_claims(control, *shared->home);
  if (stored > 0) {
    log.write(log::Event(log::Level::info, "pickup-recovered")
                  .with("server", settings.id)
                  .with("files", static_cast<int64_t>(stored)));
  }
  for (const std::string& finding : recovered->findings) {
    log.write(log::Event(log::Level::warning, "recovery")
                  .with("server", settings.id)
                  .with("finding", finding));
  }
  if (recovered->messages != 0) {
    log.write(log::Event(log::Level::info, "recovery")
                  .with("server", settings.id)
                  .with("messages", static_cast<int64_t>(recovered->messages))
                  .with("placed", static_cast<int64_t>(recovered->placed))
                  .with("kept", static_cast<int64_t>(recovered->kept))
                  .with("settled", static_cast<int64_t>(recovered->settled)));
  }
  co_return shared;
}

task<void> Supervisor::State_::add_to_shards(Record& record, std::shared_ptr<ServerShared> shared) {
  co_await finish_moves(record.id, *shared->home);
  record.shared = shared;
  const Policy policy = policy_of(record);
  const auto count = static_cast<uint16_t>(shards.size());
  for (size_t i = 0; i < shards.size(); ++i) {
    Shard* there = shards[i].get();
    const bool pickup = owns_directories(record.id, i, shards.size());
    auto work = [there, shared, policy, count, pickup]() -> task<bool> {
      return add_here(*there, shared, policy, count, pickup);
    };
    co_await on_shard<bool>(control, *there, std::move(work));
  }
}

task<void> Supervisor::State_::exchange_on_shards(Record& record,
                                                  std::shared_ptr<ServerShared> shared) {
  co_await finish_moves(record.id, *shared->home);
  const auto old = std::exchange(record.shared, shared);
  const Policy policy = policy_of(record);
  const auto count = static_cast<uint16_t>(shards.size());
  std::vector<config::BindingKey> keys;
  for (const auto& [key, holder] : table->sockets()) {
    if (holder == record.id) keys.push_back(key);
  }
  for (size_t i = 0; i < shards.size(); ++i) {
    Shard* there = shards[i].get();
    const bool pickup = owns_directories(record.id, i, shards.size());
    auto work = [there, shared, policy, count, pickup, keys]() -> task<bool> {
      return exchange_here(*there, shared, policy, count, pickup, keys);
    };
    co_await on_shard<bool>(control, *there, std::move(work));
  }
  co_await close_shared(*old);
}

task<void> Supervisor::State_::use_on_shards(const Record& record) {
  const Policy policy = policy_of(record);
  const std::string id = record.id;
  for (auto& shard : shards) {
    Shard* there = shard.get();
    auto work = [there, id, policy]() -> task<bool> { return use_here(*there, id, policy); };
    co_await on_shard<bool>(control, *there, std::move(work));
  }
}

task<void> Supervisor::State_::remove_from_shards(Record& record) {
  const std::string id = record.id;
  for (auto& shard : shards) {
    Shard* there = shard.get();
    auto work = [there, id]() -> task<bool> { return remove_here(*there, id); };
    co_await on_shard<bool>(control, *there, std::move(work));
  }
  co_await close_shared(*record.shared);
  record.shared.reset();
}

task<void> Supervisor::State_::close_shared(ServerShared& shared) {
  co_await spool::close_home(control, *shared.home);
}

// Servers whose port another program has had since a moment before we took it (decisions 6).
std::map<std::string, std::string> Supervisor::State_::lost_ports(
    std::set<config::BindingKey>& lost_keys) {
  std::map<std::string, std::string> lost;
  if (control.now() < check_ports_at) return lost;
  check_ports_at = kNever;
  sockets.look();
  for (const auto& [key, holder] : table->sockets()) {
    std::string reason = sockets.why_lost(key);
    if (reason.empty()) continue;
    lost.emplace(holder, std::move(reason));
    lost_keys.insert(key);
  }
  return lost;
}

// A home that was unmounted or replaced under a running server: mail written now would be lost
// with it, so the server stops and says why (decisions 21).
task<void> Supervisor::State_::stop_lost_homes() {
  std::map<std::string, std::shared_ptr<ServerShared>> running;
  for (const auto& [id, record] : records) {
    if (record.shared != nullptr) running.emplace(id, record.shared);
  }
  std::set<config::BindingKey> lost_keys;
  std::map<std::string, std::string> lost = lost_ports(lost_keys);
  for (const auto& [id, shared] : running) {
    auto checked = co_await spool::check_home(control, *shared->home);
    if (!checked) lost[id] = "its home directory is no longer there or was replaced";
  }
  if (lost.empty()) co_return;
  co_await enter();
  config::PlanConditions conditions;
  for (const auto& [id, reason] : lost) {
    // Unless it has moved to another home while we stood in line.
    const auto record = records.find(id);
    const auto ran = running.find(id);
    if (record == records.end() || ran == running.end()) continue;
    if (record->second.shared != ran->second) continue;
    conditions.must_stop[id] = reason;
  }
  if (!ending && !conditions.must_stop.empty()) {
    co_await apply(snapshot, std::move(conditions));
    taken_ports.merge(lost_keys);
  }
  leave();
}

// A disk that is still full need not be asked by a start.
task<bool> Supervisor::State_::may_have_space(std::string directory) {
  constexpr uint32_t kOpen = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  auto opened = co_await control.open_at(reactor::kNoDirectory, directory, kOpen, 0);
  if (!opened) co_return true;
  auto status = co_await control.file_system_status(*opened);
  co_await control.close_now(*opened);
  co_return !status || status->free_bytes > 0;
}

// A server that could not start for want of space starts when there is some; until then nothing is
// said again.
task<void> Supervisor::State_::start_where_space_came() {
  next_space_look = control.now() + kSpaceCheckInterval;
  bool came = false;
  const std::set<std::string> ids = lacking_space;
  for (const std::string& id : ids) {
    const auto found = records.find(id);
    if (found == records.end()) {
      lacking_space.erase(id);
      continue;
    }
    const std::string home = found->second.settings->home_directory;
    const bool here = co_await may_have_space(home);
    came = came || here;
  }
  if (!came) co_return;
  co_await enter();
  if (!ending) {
    Prepared prepared;
    const config::ReloadPlan plan = co_await prepare(*snapshot, {}, prepared);
    co_await discard_unused(plan, prepared);
    bool starts = false;
    for (const config::ServerPlan& server : plan.servers) {
      starts = starts || server.action == config::ServerAction::start;
    }
    if (starts) {
      co_await take_effect(snapshot, plan, prepared);
    }
  }
  leave();
}

// A program that ends, or our own predecessor whose sockets outlived it for a moment.
task<void> Supervisor::State_::start_where_ports_came_free() {
  sockets.look();
  const bool any = std::ranges::any_of(
      taken_ports, [&](const auto& key) { return sockets.why_taken(key).empty(); });
  if (!any) co_return;
  co_await enter();
  if (!ending) {
    co_await apply(snapshot, {});
  }
  leave();
}

task<void> Supervisor::State_::watch_homes() {
  while (true) {
    auto slept = co_await control.sleep_until(control.now() + kHomeCheckInterval, {kNever, &scope});
    if (!slept) co_return;
    co_await stop_lost_homes();
    if (!taken_ports.empty()) {
      co_await start_where_ports_came_free();
    }
    if (!lacking_space.empty() && control.now() >= next_space_look) {
      co_await start_where_space_came();
    }
    if (control.now() >= next_certificate_look) {
      co_await renew_certificates();
    }
  }
}

// Would a server that is stopped, or keeps its old bindings, listen at one of these?
bool Supervisor::State_::is_awaited(const AddressNews& news) const {
  return std::ranges::any_of(records, [&](const auto& entry) {
    const Record& record = entry.second;
    if (record.reason.empty() || record.settings == nullptr) return false;
    return std::ranges::any_of(record.settings->bindings, [&](const config::Binding& binding) {
      return binding.address && (news.lost || std::ranges::find(news.appeared, *binding.address) !=
                                                  news.appeared.end());
    });
  });
}

// An address that comes later starts who waits for it, as a reload would (decisions 6).
task<void> Supervisor::State_::watch_addresses() {
  while (true) {
    auto ready = co_await control.poll(addresses.descriptor(), POLLIN, {kNever, &scope});
    if (!ready) co_return;
    auto slept = co_await control.sleep_until(control.now() + kAddressSettle, {kNever, &scope});
    if (!slept) co_return;
    const AddressNews news = addresses.take();
    co_await enter();
    if (!ending && is_awaited(news)) {
      co_await apply(snapshot, {});
    }
    leave();
  }
}

}  // namespace mailroot::server
