// limits.
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

#include "client.h"
#include "commands.h"
#include "limit_rows.h"
#include "limit_table.h"
#include "mailroot/config/machine_state.h"
#include "site.h"

namespace mailroot::ctl {

using nlohmann::json;
using nlohmann::ordered_json;

namespace {

struct LimitsArguments {
  std::string word, server;
};

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

std::optional<uint64_t> count_entries(const std::string& directory) {
  std::error_code error;
  uint64_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    static_cast<void>(entry);
    ++count;
  }
  return error ? std::nullopt : std::optional(count);
}

// What systemd or ulimit gives the daemon, and its use; what may not be read is left out.
std::vector<LimitRow> process_limits(const std::string& socket) {
  std::vector<LimitRow> out;
  const auto daemon = config::find_daemon(socket);
  if (!daemon) return out;
  const std::string top = fmt::format("/proc/{}/", daemon->pid);
  const std::string limits = read_text(top + "limits");
  struct Wanted {
    const char* name;
    const char* shown;
    const char* change;
  };
  constexpr Wanted kWanted[] = {
      {"Max open files", "open files", "systemctl edit mailroot: LimitNOFILE="},
      {"Max locked memory", "locked memory, bytes", "systemctl edit mailroot: LimitMEMLOCK="},
      {"Max core file size", "core file, bytes", "systemctl edit mailroot: LimitCORE="}};
  for (const Wanted& wanted : kWanted) {
    const auto value = system_limit(limits, wanted.name);
    if (!value) continue;
    LimitRow row;
    row.name = wanted.shown;
    row.value = *value;
    row.change = wanted.change;
    if (std::string_view(wanted.name) == "Max open files") {
      row.use = count_entries(top + "fd");
      if (row.use) row.use_text = fmt::format("{} open", *row.use);
    }
    out.push_back(std::move(row));
  }
  return out;
}

std::optional<uint64_t> free_bytes_of(const std::string& directory) {
  struct statvfs found{};
  if (::statvfs(directory.c_str(), &found) != 0) return std::nullopt;
  return static_cast<uint64_t>(found.f_bavail) * found.f_frsize;
}

std::map<std::string, json> ask_servers(const std::string& socket) {
  std::map<std::string, json> out;
  Client client;
  if (!client.connect(socket)) return out;
  const auto reply = client.ask("servers");
  if (!reply || !reply->ok) return out;
  for (const std::string& line : reply->lines) {
    json server = json::parse(line, nullptr, false);
    if (server.is_object()) out.emplace(server.value("id", ""), std::move(server));
  }
  return out;
}

void show_row(const Settings& settings, const LimitRow& row) {
  if (settings.json) {
    const ordered_json out = {
        {"server", row.server.empty() ? ordered_json() : ordered_json(row.server)},
        {"name", row.name},
        {"value", row.value},
        {"use", row.use ? ordered_json(*row.use) : ordered_json()},
        {"change", row.change}};
    fmt::print("{}\n", out.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
    return;
  }
  const std::string name = row.server.empty() ? row.name : row.server + " " + row.name;
  fmt::print("{:<48} {:<16} {:<16} {}\n", name, row.value, row.use_text, row.change);
}

void show_fixed(const Settings& settings, const FixedLimit& limit) {
  if (settings.json) {
    const ordered_json out = {{"module", limit.module},
                              {"name", limit.name},
                              {"value", limit.value},
                              {"comment", limit.comment},
                              {"change", nullptr}};
    fmt::print("{}\n", out.dump());
    return;
  }
  fmt::print("{:<48} {:<16} {:<16} fixed{}{}\n", limit.module + " " + limit.name, limit.value, "",
             limit.comment.empty() ? "" : "; ", limit.comment);
}

int show_limits(const Settings& settings, const LimitsArguments& arguments) {
  const auto site = open_site(settings);
  if (!site) return site.error();
  if (!arguments.server.empty() && find_or_complain(*site, arguments.server) == nullptr) {
    return kRefused;
  }
  std::vector<LimitRow> rows;
  if (arguments.server.empty()) {
    rows = process_limits(site->socket);
    const auto keys = effective_keys(site->snapshot.service, site->snapshot.file);
    for (LimitRow& row : service_limits(keys)) rows.push_back(std::move(row));
  }
  const auto states = ask_servers(site->socket);
  for (const auto& server : site->snapshot.servers) {
    if (!arguments.server.empty() && server->id != arguments.server) continue;
    const auto state = states.find(server->id);
    const json figures = state == states.end() ? json() : state->second;
    for (LimitRow& row : server_limits(server->id, effective_keys(*server), figures,
                                       free_bytes_of(server->home_directory))) {
      rows.push_back(std::move(row));
    }
  }
  if (!settings.json) {
    fmt::print("{:<48} {:<16} {:<16} {}\n", "LIMIT", "VALUE", "USE", "CHANGE");
  }
  size_t shown = 0;
  for (const LimitRow& row : rows) {
    if (!row.name.contains(arguments.word)) continue;
    ++shown;
    show_row(settings, row);
  }
  if (arguments.server.empty()) {
    for (const FixedLimit& limit : fixed_limits()) {
      if (!(limit.module + " " + limit.name).contains(arguments.word)) continue;
      ++shown;
      show_fixed(settings, limit);
    }
  }
  if (shown == 0) return complain("no limit has \"" + arguments.word + "\" in its name", kRefused);
  return 0;
}

}  // namespace

void add_limits(CLI::App& app, const Settings& settings, int& code) {
  const auto arguments = std::make_shared<LimitsArguments>();
  auto* command = app.add_subcommand(
      "limits", "every limit: its value, its use now, where it is changed; fixed ones last");
  command->add_option("WORD", arguments->word, "only those with this in their name");
  command->add_option("--server", arguments->server, "only those of this virtual server");
  command->callback([&settings, &code, arguments] { code = show_limits(settings, *arguments); });
}

}  // namespace mailroot::ctl
