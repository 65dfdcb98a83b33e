// The declared keys as text: commented example files, the effective configuration and the manual's
// section. All come from the same tables that drive the parser, so they cannot drift.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/config/snapshot.h"

namespace mailroot::config {

enum class Reload : uint8_t { live, new_sessions, restart };
std::string_view to_string(Reload reload);

// list: of plain values; records: a list of maps.
enum class Shape : uint8_t { value, list, records };

// One declared key. `type` says what may be written, units and bounds included.
struct KeyDescription {
  std::string path;  // "connections.limit"; keys of list entries as "bindings[].port"
  std::string type;
  std::string default_value;  // as YAML
  std::string text;
  Reload reload = Reload::live;
  bool available = true;  // false: recognised, but not in this version
  Shape shape = Shape::value;
};
std::vector<KeyDescription> describe_service_keys();
std::vector<KeyDescription> describe_server_keys();
// The key with this path, a list's index left out: "domains[].relay". Nothing if there is none.
const KeyDescription* find_server_key(std::string_view path);
// The known key that was probably meant; may be empty.
std::string nearest_server_key(std::string_view path);

// A key with the value that is in force, and where it was set: nothing when the default counts.
struct EffectiveKey {
  KeyDescription key;
  std::string value;  // as YAML; a list of records begins with a line end and has a line an entry
  std::optional<Place> place;
};
// Every available key of a virtual server, in their usual order. Reads the server's file again for
// the places; one that cannot be read any more gives none.
std::vector<EffectiveKey> effective_keys(const VirtualServer& server);
// The same of the service, whose file is `file`.
std::vector<EffectiveKey> effective_keys(const Service& service, const std::string& file);

// Reads one value, in YAML, as the key of this path ("bindings[].address", "default_domain"): ""
// when it may stand there, else the sentence about it.
std::string why_wrong_value(std::string_view path, const std::string& yaml);
// A text as a YAML scalar: plain where that is safe, else in double quotes.
std::string quote_scalar(std::string_view text);

// The keys whose values differ: tells what a reload changes, and what waits for a restart.
struct ChangedKey {
  std::string path;
  Reload reload;
  std::string before, after;  // as YAML
};
std::vector<ChangedKey> changed_keys(const Service& before, const Service& after);
std::vector<ChangedKey> changed_keys(const VirtualServer& before, const VirtualServer& after);

// The packaged files conf/mailroot.yaml and conf/virtual-servers.d/default.yaml.
std::string render_commented_service();
std::string render_commented_default_server();

// The file of a new virtual server: the keys that every one has of its own, with comments. An
// empty default domain is auto.
std::string render_new_server(const VirtualServer& server);

// What is in force, every key, without comments (`mailrootctl config`). Reading it again gives the
// same values.
std::string render_effective(const Service& service);
std::string render_effective(const VirtualServer& server);

// The keys as one section of a manual page (roff, man macros).
std::string render_manual_section();

}  // namespace mailroot::config
