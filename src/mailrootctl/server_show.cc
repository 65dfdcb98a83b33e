// server list, show, keys.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "mailroot/config/describe.h"
#include "mailroot/config/machine_state.h"
#include "server_commands.h"
#include "show.h"
#include "show_keys.h"
#include "site.h"

namespace mailroot::ctl {

using nlohmann::ordered_json;

namespace {

void print_json(const ordered_json& document) {
  fmt::print("{}\n", document.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
}

// Who holds the ports of a server that does not run; for the administrator who may see it.
std::vector<std::string> holders(const config::VirtualServer& server,
                                 const config::MachineState& machine) {
  std::vector<std::string> out;
  for (const auto& binding : server.bindings) {
    const auto other = listener_in_the_way(config::key_of(binding), machine.foreign);
    const auto program = other ? config::program_with_socket(other->inode) : std::nullopt;
    if (program) out.push_back(fmt::format("{} is held by {}", binding.to_string(), *program));
  }
  return out;
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : std::string(between)) + word;
  return out;
}

struct Line {
  std::string id, state, reason;
  std::vector<std::string> bindings, listening, held_by;
  std::string name, default_domain, home_directory, file;
};

void print_line(const Line& line) {
  fmt::print("{:<20} {:<10} {:<30} {:<24} {}\n", line.id, line.state, joined(line.bindings, " "),
             line.default_domain, line.name);
  if (!line.reason.empty()) fmt::print("{:<20} ! {}\n", "", line.reason);
  for (const auto& holder : line.held_by) fmt::print("{:<20} ! {}\n", "", holder);
}

ordered_json to_json(const Line& line) {
  return {{"id", line.id},
          {"name", line.name},
          {"state", line.state},
          {"reason", line.reason},
          {"bindings", line.bindings},
          {"listening", line.listening},
          {"held_by", line.held_by},
          {"default_domain", line.default_domain},
          {"home_directory", line.home_directory},
          {"file", line.file}};
}

Line line_of(const config::VirtualServer& server) {
  Line line;
  line.id = server.id;
  line.name = server.name;
  for (const auto& binding : server.bindings) line.bindings.push_back(binding.to_string());
  line.default_domain = server.default_domain;
  line.home_directory = server.home_directory;
  line.file = server.place.file;
  return line;
}

// A file that the daemon has not read yet, or one whose server it still runs.
constexpr std::string_view kNotReloaded = "mailrootd does not know it yet; mailrootctl reload";
constexpr std::string_view kNotRunning = "mailrootd is not running";

std::vector<Line> lines_of(
    const Site& site,
    const std::optional<std::vector<std::pair<std::string, ServerState>>>& states) {
  const config::MachineState machine = config::look_at_machine(site.socket);
  std::vector<Line> out;
  for (const auto& server : site.snapshot.servers) {
    Line line = line_of(*server);
    line.state = "stopped";
    line.reason = states ? kNotReloaded : kNotRunning;
    if (states) {
      for (const auto& [id, state] : *states) {
        if (id != line.id) continue;
        line.state = state.state;
        line.reason = state.reason;
        line.listening = state.listening;
      }
      if (line.state == "stopped") line.held_by = holders(*server, machine);
    }
    out.push_back(std::move(line));
  }
  return out;
}

}  // namespace

int list_servers(const Settings& settings) {
  const auto site = open_site(settings);
  if (!site) return site.error();
  const auto states = ask_states(*site);
  auto lines = lines_of(*site, states);
  if (states) {
    for (const auto& [id, state] : *states) {
      if (find_server(site->snapshot, id) != nullptr) continue;
      Line line;
      line.id = id;
      line.state = state.state;
      line.reason = "its file is gone; mailrootctl reload ends it";
      line.listening = line.bindings = state.listening;
      lines.push_back(std::move(line));
    }
  }
  if (!settings.json) {
    fmt::print("{:<20} {:<10} {:<30} {:<24} {}\n", "ID", "STATE", "BINDINGS", "DEFAULT DOMAIN",
               "NAME");
  }
  for (const Line& line : lines) {
    if (settings.json) {
      print_json(to_json(line));
    } else {
      print_line(line);
    }
  }
  if (site->snapshot.built_in_default && !settings.json) {
    fmt::print(
        "No virtual server is defined: this is the built-in default. mailrootctl server new "
        "--id default makes it a file.\n");
  }
  return states ? 0 : complain(std::string(kNotRunning) + " (" + site->socket + ")", kUnreachable);
}

int show_one_server(const Settings& settings, const std::string& id) {
  const auto site = open_site(settings);
  if (!site) return site.error();
  const auto* const server = find_or_complain(*site, id);
  if (server == nullptr) return kRefused;
  const auto states = ask_states(*site);
  Line line;
  for (Line& candidate : lines_of(*site, states)) {
    if (candidate.id == id) line = std::move(candidate);
  }
  const auto keys = effective_keys(*server);
  if (settings.json) {
    ordered_json document = to_json(line);
    ordered_json all = ordered_json::array();
    for (const auto& key : keys) all.push_back(effective_json(key));
    document["properties"] = std::move(all);
    print_json(document);
    return 0;
  }
  fmt::print("virtual server {} ({})\n{}{}{}\n", id, server->place.file, line.state,
             line.listening.empty() ? "" : ", listening at ", joined(line.listening, " "));
  if (!line.reason.empty()) fmt::print("! {}\n", line.reason);
  for (const auto& holder : line.held_by) fmt::print("! {}\n", holder);
  fmt::print("\n{:<36} {:<36} {}\n", "PROPERTY", "VALUE", "SET AT");
  for (const auto& key : keys) print_effective(key);
  return 0;
}

int list_keys(const Settings& settings, const std::string& word) {
  size_t shown = 0;
  for (const auto& key : config::describe_server_keys()) {
    if (!key.available || !key.path.contains(word)) continue;
    ++shown;
    if (settings.json) {
      print_json({{"key", key.path},
                  {"allowed", key.type},
                  {"default", key.default_value},
                  {"text", key.text},
                  {"change", to_string(key.reload)},
                  {"list", key.shape != config::Shape::value}});
      continue;
    }
    fmt::print("{}\n    {}\n    {}. Default: {}. Change: {}.\n", key.path, key.text, key.type,
               key.default_value, to_string(key.reload));
  }
  return shown > 0 ? 0 : complain("no key has \"" + word + "\" in its name", kRefused);
}

}  // namespace mailroot::ctl
