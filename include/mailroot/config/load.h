// Reads the service file and the virtual server files it includes. Everything wrong in all files is
// reported at once; nothing is half applied: either a whole snapshot or a list of problems.
// Control thread or tool only: reads files and blocks.
#pragma once

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mailroot/config/machine.h"
#include "mailroot/config/snapshot.h"

namespace mailroot::config {

// A syntax or schema error (level 1): rejects the whole configuration (decisions 1).
struct Problem {
  Place place;
  std::string key;      // full path, "domains[2].smart_host"; empty when it is about the file
  std::string text;     // the sentence, without place and key
  std::string found;    // what stands there, shortened and escaped; may be empty
  std::string allowed;  // what may stand there; may be empty
  std::string nearest;  // the known key that was probably meant; may be empty
  // "file:3:5: connections.limt: unknown key; did you mean connections.limit?"
  std::string to_string() const;
};

// Why a virtual server cannot start (level 2): it stays stopped, every other one runs. What only
// the running system can tell (busy port, address not here, home not writable) is found later.
struct Finding {
  std::string server;  // id
  Place place;
  std::string key;
  std::string text;  // the sentence; for a clash it names both servers and both places
  std::string to_string() const;
};

struct LoadOptions {
  // What `auto` names are made from; read from /etc when absent.
  std::optional<MachineFiles> machine = {};
  // Files (absolute names) that are to be taken as having this text, or as not being there: what a
  // change would mean is known before it is made.
  std::map<std::string, std::optional<std::string>> instead = {};
};

// `file`: the service file. Relative paths inside a file are relative to that file.
std::expected<ConfigSnapshot, std::vector<Problem>> load(const std::string& file,
                                                         const LoadOptions& options);

// What a cold start would refuse because of the files: clashes (the first file in name order has
// the binding), home directories that are equal or inside each other, also through links.
std::vector<Finding> startability(const ConfigSnapshot& snapshot);
// What it would refuse because of this machine: addresses that are not on it, ports of other
// programs, home directories that cannot be used. A running daemon and its ports are no obstacle.
std::vector<Finding> startability_here(const ConfigSnapshot& snapshot);

// `--check`: exit code 1 for problems, 2 for findings, 0 for neither; the report is for people,
// one line each, warnings included.
struct CheckResult {
  int exit_code = 0;
  std::vector<Problem> problems;
  std::vector<Finding> findings;
  std::vector<std::string> warnings;
  std::shared_ptr<const ConfigSnapshot> snapshot;  // null when it could not be loaded
  std::string report() const;
};
CheckResult check(const std::string& file, const LoadOptions& options);
// The same, and startability_here.
CheckResult check_here(const std::string& file, const LoadOptions& options);

// The virtual server that runs when there are no definitions (decisions 13): all unassigned
// addresses, port 25, closed to relaying (decisions 11).
VirtualServer built_in_default_server(const MachineNames& names);

}  // namespace mailroot::config
