// The supervisor's answers as JSON. Field names are the product's interface to scripts: they are
// added, never renamed.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "mailroot/server/supervisor.h"

namespace mailroot::control {

nlohmann::ordered_json to_json(const server::ServiceView& view);
nlohmann::ordered_json to_json(const server::ServerView& view);
nlohmann::ordered_json to_json(const server::QueuedMessage& message, Instant now, WallTime wall);
nlohmann::ordered_json to_json(const server::DestinationSum& sum, Instant now);
nlohmann::ordered_json to_json(const server::OpenConnection& connection, Instant now,
                               WallTime wall);
nlohmann::ordered_json to_json(const server::LoginBan& ban);
nlohmann::ordered_json to_json(const server::MessageDetail& detail, Instant now, WallTime wall);

}  // namespace mailroot::control
