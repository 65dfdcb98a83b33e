// A listing of the daemon, page by page: neither side ever holds all of it.
#pragma once

#include <expected>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "client.h"

namespace mailroot::ctl {

struct WalkTrouble {
  std::string text;
  int code = 0;  // of the exit
};

// `line` as the daemon answered; false ends the walk.
using Visit = std::function<bool(const std::string& line, const nlohmann::json& listed)>;

// Asks `command` again with `<key>=<where>`, from where the reply's "next=" says, until that says
// `end`. What comes and goes during the walk may be met or not; what stays is met once.
std::expected<void, WalkTrouble> walk_pages(Client& client, const std::string& command,
                                            const std::string& key, const std::string& end,
                                            const Visit& visit);

}  // namespace mailroot::ctl
