// The limits that an administrator can change, with their use. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "mailroot/config/describe.h"

namespace mailroot::ctl {

struct LimitRow {
  std::string server;  // empty: of the service
  std::string name, value;
  std::optional<uint64_t> use;
  std::string use_text;  // with its unit; empty when nobody counts it
  std::string change;    // where it is changed
};

// Of one virtual server; `state`: its document of "servers", null when it is not known.
std::vector<LimitRow> server_limits(const std::string& id,
                                    const std::vector<config::EffectiveKey>& keys,
                                    const nlohmann::json& state,
                                    std::optional<uint64_t> free_bytes);
// Of the service's file.
std::vector<LimitRow> service_limits(const std::vector<config::EffectiveKey>& keys);

// The limits that the system gives a process: text of /proc/<pid>/limits; nothing when it has none
// of this name ("Max open files").
std::optional<std::string> system_limit(const std::string& text, const std::string& name);

}  // namespace mailroot::ctl
