// What the commands on virtual servers work on: the configuration files, and the daemon that runs
// with them, if one does.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "client.h"
#include "commands.h"
#include "mailroot/config/load.h"

namespace mailroot::ctl {

// Where the configuration is: --config, else what the daemon at the socket says, else the packaged
// place. The daemon's socket: --socket, else what the configuration says.
struct Site {
  std::string config;  // absolute
  std::string socket;
  config::ConfigSnapshot snapshot;
};

// --config, else that of the daemon at the socket, else the packaged place.
std::string config_file_of(const Settings& settings);

// The failure was told; the exit code.
std::expected<Site, int> open_site(const Settings& settings);

// The server with this id; nullptr when there is none.
const config::VirtualServer* find_server(const config::ConfigSnapshot& snapshot,
                                         const std::string& id);
// The same, and the failure is told.
const config::VirtualServer* find_or_complain(const Site& site, const std::string& id);

// What the daemon says about one virtual server; nothing when it cannot be reached.
struct ServerState {
  std::string state, reason;
  std::vector<std::string> listening;
};
std::optional<std::vector<std::pair<std::string, ServerState>>> ask_states(const Site& site);

// What came of a reload after a file was changed.
struct Reloaded {
  enum class Outcome { applied, refused, not_running, not_asked };
  Outcome outcome = Outcome::not_asked;
  std::string text;                  // refused, not_running: why
  std::vector<std::string> changes;  // and warnings, sentences
  std::optional<ServerState> server;
  std::string reason_before;  // the server's
  // Refused, or the server does not run as its file wants and that is new.
  bool is_trouble() const;
};
Reloaded reload_site(const Site& site, const std::string& server_id);
// For people; with --json the document's part is made by reload_json.
void show_reloaded(const Reloaded& reloaded, const std::string& server_id);
// As JSON text.
std::string reloaded_json(const Reloaded& reloaded);

}  // namespace mailroot::ctl
