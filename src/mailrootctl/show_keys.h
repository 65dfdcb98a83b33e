// A key that is in force, for people and as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "mailroot/config/describe.h"

namespace mailroot::ctl {

// Key, value, and where it was set: "file:line" or "default".
void print_effective(const config::EffectiveKey& key);
nlohmann::ordered_json effective_json(const config::EffectiveKey& key);

}  // namespace mailroot::ctl
