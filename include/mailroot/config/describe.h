// The declared keys as text: commented example files, the effective configuration and the manual's
// section. All come from the same tables that drive the parser, so they cannot drift.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mailroot/config/snapshot.h"

namespace mailroot::config {

enum class Reload : uint8_t { live, new_sessions, restart };
std::string_view to_string(Reload reload);

// One declared key. `type` says what may be written, units and bounds included.
struct KeyDescription {
  std::string path;  // "connections.limit"; keys of list entries as "bindings[].port"
  std::string type;
  std::string default_value;  // as YAML
  std::string text;
  Reload reload = Reload::live;
  bool available = true;  // false: recognised, but not in this version
};
std::vector<KeyDescription> describe_service_keys();
std::vector<KeyDescription> describe_server_keys();

// The keys whose values differ: tells what a reload changes, and what waits for a restart.
struct ChangedKey {
  std::string path;
  Reload reload;
};
std::vector<ChangedKey> changed_keys(const Service& before, const Service& after);
std::vector<ChangedKey> changed_keys(const VirtualServer& before, const VirtualServer& after);

// The packaged files conf/mailroot.yaml and conf/virtual-servers.d/default.yaml.
std::string render_commented_service();
std::string render_commented_default_server();

// What is in force, every key, without comments (`mailrootctl config`). Reading it again gives the
// same values.
std::string render_effective(const Service& service);
std::string render_effective(const VirtualServer& server);

// The keys as one section of a manual page (roff, man macros).
std::string render_manual_section();

}  // namespace mailroot::config
