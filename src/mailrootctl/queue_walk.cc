#include "queue_walk.h"

#include <optional>

#include "commands.h"

namespace mailroot::ctl {

using nlohmann::json;

namespace {

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
  std::optional<WalkTrouble> trouble;
  std::string command = "queue list";
  if (!filter.server.empty()) command += " server=" + filter.server;
  const auto walked =
      walk_pages(client, command, "cursor", "0", [&](const std::string& line, const json& listed) {
        ++seen;
        if (!filter.matches_listed(listed)) return true;
        if (filter.needs_detail()) {
          const auto matching = look_at(client, filter, listed);
          if (!matching) trouble = matching.error();
          if (!matching || !*matching) return matching.has_value();
        }
        return visit(line, listed);
      });
  if (!walked) return std::unexpected(walked.error());
  if (trouble) return std::unexpected(*trouble);
  return seen;
}

}  // namespace mailroot::ctl
