#include "message_stream.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "message_text.h"

namespace mailroot::ctl {

std::expected<void, StreamTrouble> stream_message(Client& client, const std::string& id,
                                                  std::string server, const TakePiece& take) {
  uint64_t offset = 0;
  uint64_t total = 0;
  do {
    std::string command = fmt::format("queue cat {} offset={}", id, offset);
    if (!server.empty()) command += " server=" + server;
    const auto reply = client.ask(command);
    if (!reply) return std::unexpected(StreamTrouble{reply.error(), true});
    if (!reply->ok || reply->lines.size() != 1) {
      const std::string when = offset == 0 ? "" : "it left the queue meanwhile: ";
      return std::unexpected(StreamTrouble{when + reply->last});
    }
    const auto piece = nlohmann::json::parse(reply->lines.front(), nullptr, false);
    const auto bytes =
        bytes_of_characters(piece.is_object() ? piece.value("bytes", "") : std::string());
    if (!bytes || bytes->empty()) {
      return std::unexpected(StreamTrouble{"mailrootd answered out of form"});
    }
    total = piece.value("size", uint64_t{0});
    server = piece.value("server", "");
    offset += bytes->size();
    if (!take(reply->lines.front(), *bytes)) {
      return std::unexpected(StreamTrouble{"it cannot be written"});
    }
  } while (offset < total);
  return {};
}

}  // namespace mailroot::ctl
