// Certificates of virtual servers: read before a server starts and at each reload, looked at while
// it runs, exchanged when their files have changed. A server whose new files cannot be used keeps
// what it has and says so; one that has none yet does not start (decisions 1).
#include "limits.h"
#include "supervisor_state.h"

namespace mailroot::server {

using reactor::task;

namespace {

std::string stamp_of(const config::VirtualServer& settings) {
  return settings.content_digest + tls::files_stamp(settings);
}

std::expected<ServerTlsState, std::string> read_files(const config::VirtualServer& settings,
                                                      const ServerTlsState& before, WallTime now,
                                                      std::vector<std::string>& warnings) {
  ServerTlsState state;
  state.stamp = stamp_of(settings);  // first: what changes meanwhile is seen at the next look
  if (!settings.access.tls.certificate.empty()) {
    auto made = tls::ServerContext::make(settings.access.tls, settings.fqdn, now, warnings);
    if (!made) return std::unexpected("access.tls: " + made.error());
    state.listeners.context = std::move(*made);
    state.listeners.tickets = before.listeners.tickets;
    if (state.listeners.tickets == nullptr) state.listeners.tickets = tls::TicketKeys::fresh();
  }
  auto next_hops = tls::ClientContexts::make(settings);
  if (!next_hops) return std::unexpected("delivery.security: " + next_hops.error());
  state.next_hops = std::move(*next_hops);
  return state;
}

}  // namespace

// False when a server cannot start for want of them.
bool Supervisor::State_::prepare_tls(const config::ReloadPlan& plan,
                                     const config::ConfigSnapshot& next,
                                     config::PlanConditions& conditions, Prepared& prepared) {
  bool all = true;
  for (const auto& settings : next.servers) {
    const config::ServerPlan* server = plan.find(settings->id);
    const bool runs = server != nullptr && (server->action == config::ServerAction::start ||
                                            server->action == config::ServerAction::keep ||
                                            server->action == config::ServerAction::retune);
    if (!runs || prepared.tls.contains(settings->id)) continue;
    const auto record = records.find(settings->id);
    const bool is_running = record != records.end() && record->second.shared != nullptr;
    const ServerTlsState before = record == records.end() ? ServerTlsState{} : record->second.tls;
    if (is_running && before.stamp == stamp_of(*settings)) continue;
    std::vector<std::string> warnings;
    auto state = read_files(*settings, before, control.wall_now(), warnings);
    for (const std::string& warning : warnings) {
      log.write(log::Event(log::Level::warning, "certificate")
                    .with("server", settings->id)
                    .with("warning", warning));
    }
    if (state) {
      prepared.tls.emplace(settings->id, std::move(*state));
    } else if (is_running) {
      ServerTlsState kept = before;
      kept.trouble = "keeps the certificates it had: " + state.error();
      prepared.tls.emplace(settings->id, std::move(kept));
    } else {
      conditions.cannot_start[settings->id] = std::move(state.error());
      all = false;
    }
  }
  return all;
}

// True when it has others from now on.
bool Supervisor::State_::renew(Record& record) {
  const std::string stamp = stamp_of(*record.settings);
  if (stamp == record.tls.stamp) return false;
  // Two equal looks: whoever writes them may be in the middle of it.
  if (stamp != record.tls.stamp_seen) {
    record.tls.stamp_seen = stamp;
    record.tls.trouble.clear();
    return false;
  }
  if (!record.tls.trouble.empty()) return false;
  std::vector<std::string> warnings;
  auto state = read_files(*record.settings, record.tls, control.wall_now(), warnings);
  log::Event event(state ? log::Level::info : log::Level::error, "certificate");
  event.with("server", record.id);
  if (!state) {
    record.tls.trouble = state.error();
    event.with("result", "kept").with("reason", state.error());
    event.with("advice", "the certificates read before stay in use until the files are good");
  } else {
    record.tls = std::move(*state);
    event.with("result", "renewed");
  }
  log.write(std::move(event));
  for (const std::string& warning : warnings) {
    log.write(log::Event(log::Level::warning, "certificate")
                  .with("server", record.id)
                  .with("warning", warning));
  }
  return state.has_value();
}

// Files that changed, and every few hours new keys for tickets.
task<void> Supervisor::State_::renew_certificates() {
  next_certificate_look = control.now() + kCertificateLookInterval;
  const bool new_keys = control.now() >= next_ticket_keys;
  if (new_keys) next_ticket_keys = control.now() + tls::kTicketLife;
  co_await enter();
  for (auto& [id, record] : records) {
    if (ending || record.shared == nullptr) continue;
    bool changed = renew(record);
    if (new_keys && record.tls.listeners.tickets != nullptr) {
      record.tls.listeners.tickets = record.tls.listeners.tickets->next();
      changed = true;
    }
    if (changed) {
      co_await use_on_shards(record);
    }
  }
  leave();
}

}  // namespace mailroot::server
