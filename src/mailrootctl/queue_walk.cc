#include "queue_walk.h"

#include <fmt/format.h>

#include "commands.h"

namespace mailroot::ctl {

using nlohmann::json;

namespace {

constexpr uint32_t kPage = 500;

// Whether the envelope of a message matches; one that is gone does not.
std::expected<bool, WalkTrouble> look_at(Client& client, const QueueFilter& filter,
                                         const json& listed) {
  const auto reply = client.ask("queue show " + listed["id"].get<std::string>());
  if (!reply) return std::unexpected(WalkTrouble{reply.error(), kUnreachable});
  for (const std::string& line : reply->lines) {
    const json detail = json::parse(line);
    if (detail["server"] == listed["server"] && filter.matches_detail(detail)) return true;
  }
  return false;
}

}  // namespace

std::expected<uint64_t, WalkTrouble> walk_queue(Client& client, const QueueFilter& filter,
                                                const Visit& visit) {
  uint64_t seen = 0;
  std::string cursor = "0";
  do {
    std::string command = fmt::format("queue list cursor={} max={}", cursor, kPage);
    if (!filter.server.empty()) command += " server=" + filter.server;
    const auto reply = client.ask(command);
    if (!reply) return std::unexpected(WalkTrouble{reply.error(), kUnreachable});
    if (!reply->ok) return std::unexpected(WalkTrouble{reply->last, kRefused});
    for (const std::string& line : reply->lines) {
      const json listed = json::parse(line);
      ++seen;
      if (!filter.matches_listed(listed)) continue;
      if (filter.needs_detail()) {
        const auto matching = look_at(client, filter, listed);
        if (!matching) return std::unexpected(matching.error());
        if (!*matching) continue;
      }
      if (!visit(line, listed)) return seen;
    }
    cursor = reply->last.substr(reply->last.find('=') + 1);
  } while (cursor != "0");
  return seen;
}

}  // namespace mailroot::ctl
