// A queued message, piece by piece over the control socket.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

#include "client.h"

namespace mailroot::ctl {

struct StreamTrouble {
  std::string text;
  bool is_connection = false;  // mailrootd is gone
};

// `document`: the daemon's answer; `bytes`: what it stands for. False: it cannot be written.
using TakePiece = std::function<bool(const std::string& document, std::string_view bytes)>;

// The message in the form of its Queue file. `server`: empty for the first that has it. Never more
// than a piece is held.
std::expected<void, StreamTrouble> stream_message(Client& client, const std::string& id,
                                                  std::string server, const TakePiece& take);

}  // namespace mailroot::ctl
