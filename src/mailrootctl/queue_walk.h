// A walk over the queue, page by page, that meets every message a filter is for.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "client.h"
#include "queue_filter.h"

namespace mailroot::ctl {

struct WalkTrouble {
  std::string text;
  int code = 0;  // of the exit
};

// `line` as the daemon answered; false ends the walk.
using Visit = std::function<bool(const std::string& line, const nlohmann::json& listed)>;

// The number of messages that were looked at, matching or not. What leaves the queue during the
// walk may be met or not; what stays is met once.
std::expected<uint64_t, WalkTrouble> walk_queue(Client& client, const QueueFilter& filter,
                                                const Visit& visit);

}  // namespace mailroot::ctl
