// Which connections a command is for: their description as the daemon answers it, against what was
// asked. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "mailroot/base/address.h"

namespace mailroot::ctl {

struct ConnectionFilter {
  std::string server;     // an id; what is empty is not asked
  std::string peer;       // an address or a network; see is_valid()
  std::string direction;  // "in", "out"

  bool is_empty() const { return server.empty() && peer.empty() && direction.empty(); }
  bool is_valid() const { return peer.empty() || Network::parse(peer).has_value(); }
  // A line of `connections list`. What has no peer yet is in no network.
  bool matches(const nlohmann::json& listed) const;
};

}  // namespace mailroot::ctl
