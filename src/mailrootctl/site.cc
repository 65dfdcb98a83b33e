#include "site.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace mailroot::ctl {

using nlohmann::json;
using nlohmann::ordered_json;

namespace {

std::string text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || !found->is_string() ? "" : found->get<std::string>();
}

std::vector<std::string> strings(const json& object, const char* key) {
  std::vector<std::string> out;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return out;
  for (const auto& entry : *found) out.push_back(entry.is_string() ? entry.get<std::string>() : "");
  return out;
}

// The JSON documents of an answer; nothing when the daemon cannot be reached or refuses.
std::optional<std::vector<json>> ask_documents(const std::string& socket,
                                               const std::string& command) {
  Client client;
  if (!client.connect(socket)) return std::nullopt;
  const auto reply = client.ask(command);
  if (!reply || !reply->ok) return std::nullopt;
  std::vector<json> out;
  for (const std::string& line : reply->lines) {
    out.push_back(json::parse(line, nullptr, false));
    if (out.back().is_discarded()) return std::nullopt;
  }
  return out;
}

std::string config_of_daemon(const std::string& socket) {
  const auto status = ask_documents(socket, "status");
  return status && status->size() == 1 ? text(status->front(), "config") : "";
}

}  // namespace

std::string config_file_of(const Settings& settings) {
  if (settings.config_given()) return settings.config;
  const std::string running = config_of_daemon(settings.socket);
  return running.empty() ? settings.config : running;
}

std::expected<Site, int> open_site(const Settings& settings) {
  Site site;
  site.config = settings.config;
  bool found_by_daemon = false;
  if (!settings.config_given()) {
    const std::string running = config_of_daemon(settings.socket);
    found_by_daemon = !running.empty();
    if (found_by_daemon) site.config = running;
  }
  std::error_code ignored;
  site.config = std::filesystem::absolute(site.config, ignored).lexically_normal().string();
  auto loaded = config::load(site.config, {});
  if (!loaded) {
    for (const auto& problem : loaded.error()) fmt::print(stderr, "{}\n", problem.to_string());
    return std::unexpected(complain("the configuration has errors; mend them first", kRefused));
  }
  site.snapshot = std::move(*loaded);
  const bool socket_known = settings.socket_given() || found_by_daemon;
  site.socket = socket_known ? settings.socket : site.snapshot.service.control_socket;
  return site;
}

const config::VirtualServer* find_server(const config::ConfigSnapshot& snapshot,
                                         const std::string& id) {
  for (const auto& server : snapshot.servers) {
    if (server->id == id) return server.get();
  }
  return nullptr;
}

const config::VirtualServer* find_or_complain(const Site& site, const std::string& id) {
  const auto* const found = find_server(site.snapshot, id);
  if (found != nullptr) return found;
  std::string known;
  for (const auto& server : site.snapshot.servers)
    known += (known.empty() ? "" : ", ") + server->id;
  complain(fmt::format("there is no virtual server \"{}\"; there are: {}", id, known), kRefused);
  return nullptr;
}

std::optional<std::vector<std::pair<std::string, ServerState>>> ask_states(const Site& site) {
  const auto documents = ask_documents(site.socket, "servers");
  if (!documents) return std::nullopt;
  std::vector<std::pair<std::string, ServerState>> out;
  for (const json& server : *documents) {
    out.emplace_back(text(server, "id"), ServerState{text(server, "state"), text(server, "reason"),
                                                     strings(server, "listening")});
  }
  return out;
}

namespace {

std::optional<ServerState> find_state(const Site& site, const std::string& server_id) {
  const auto states = ask_states(site);
  if (!states) return std::nullopt;
  for (const auto& [id, state] : *states) {
    if (id == server_id) return state;
  }
  return std::nullopt;
}

}  // namespace

bool Reloaded::is_trouble() const {
  const bool is_new = server && !server->reason.empty() && server->reason != reason_before;
  return outcome == Outcome::refused || is_new;
}

Reloaded reload_site(const Site& site, const std::string& server_id) {
  Reloaded out;
  Client client;
  if (auto connected = client.connect(site.socket); !connected) {
    out.outcome = Reloaded::Outcome::not_running;
    out.text = connected.error();
    return out;
  }
  if (const auto before = find_state(site, server_id)) out.reason_before = before->reason;
  const auto reply = client.ask("reload");
  if (!reply) {
    out.outcome = Reloaded::Outcome::refused;
    out.text = reply.error();
    return out;
  }
  out.outcome = reply->ok ? Reloaded::Outcome::applied : Reloaded::Outcome::refused;
  if (!reply->ok) out.text = reply->last;
  for (const std::string& line : reply->lines) {
    const json report = json::parse(line, nullptr, false);
    if (report.is_discarded()) continue;
    for (auto& problem : strings(report, "problems")) out.changes.push_back(std::move(problem));
    for (auto& change : strings(report, "changes")) out.changes.push_back(std::move(change));
    const auto& known = site.snapshot.warnings;
    for (auto& warning : strings(report, "warnings")) {
      const bool is_new = std::find(known.begin(), known.end(), warning) == known.end();
      if (is_new) out.changes.push_back("warning: " + warning);
    }
  }
  out.server = find_state(site, server_id);
  return out;
}

void show_reloaded(const Reloaded& reloaded, const std::string& server_id) {
  switch (reloaded.outcome) {
    case Reloaded::Outcome::not_asked:
      fmt::print("not reloaded (--no-reload); mailrootctl reload makes it so\n");
      return;
    case Reloaded::Outcome::not_running:
      fmt::print("mailrootd was not told: {}\nIt counts from its next start on.\n", reloaded.text);
      return;
    case Reloaded::Outcome::refused:
      for (const auto& change : reloaded.changes) fmt::print(stderr, "{}\n", change);
      complain("the file is written, but mailrootd says: " + reloaded.text, kRefused);
      return;
    case Reloaded::Outcome::applied:
      break;
  }
  for (const auto& change : reloaded.changes) fmt::print("mailrootd: {}\n", change);
  if (reloaded.changes.empty()) fmt::print("mailrootd: applied, nothing to change\n");
  if (!reloaded.server) return;
  fmt::print("virtual server {} is {}\n", server_id, reloaded.server->state);
  if (!reloaded.server->reason.empty()) {
    complain(fmt::format("virtual server {}: {}", server_id, reloaded.server->reason), kRefused);
  }
}

std::string reloaded_json(const Reloaded& reloaded) {
  ordered_json out;
  switch (reloaded.outcome) {
    case Reloaded::Outcome::not_asked:
      out["outcome"] = "not asked";
      break;
    case Reloaded::Outcome::not_running:
      out["outcome"] = "not running";
      break;
    case Reloaded::Outcome::refused:
      out["outcome"] = "refused";
      break;
    case Reloaded::Outcome::applied:
      out["outcome"] = "applied";
      break;
  }
  out["text"] = reloaded.text;
  out["changes"] = reloaded.changes;
  if (reloaded.server) {
    out["state"] = reloaded.server->state;
    out["reason"] = reloaded.server->reason;
    out["listening"] = reloaded.server->listening;
  }
  return out.dump(-1, ' ', true, ordered_json::error_handler_t::replace);
}

}  // namespace mailroot::ctl
