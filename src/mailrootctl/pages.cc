#include "pages.h"

#include <fmt/format.h>

#include "commands.h"

namespace mailroot::ctl {

using nlohmann::json;

namespace {

constexpr uint32_t kPage = 500;

}  // namespace

std::expected<void, WalkTrouble> walk_pages(Client& client, const std::string& command,
                                            const std::string& key, const std::string& end,
                                            const Visit& visit) {
  std::string where = end;
  do {
    std::string asked = fmt::format("{} max={}", command, kPage);
    if (where != end) asked += fmt::format(" {}={}", key, where);
    const auto reply = client.ask(asked);
    if (!reply) return std::unexpected(WalkTrouble{reply.error(), kUnreachable});
    if (!reply->ok) return std::unexpected(WalkTrouble{reply->last, kRefused});
    for (const std::string& line : reply->lines) {
      const json listed = json::parse(line, nullptr, false);
      if (!listed.is_object()) {
        return std::unexpected(WalkTrouble{"mailrootd answered out of form", kRefused});
      }
      if (!visit(line, listed)) return {};
    }
    const size_t next = reply->last.find("next=");
    where = next == std::string::npos ? end : reply->last.substr(next + 5);
  } while (where != end);
  return {};
}

}  // namespace mailroot::ctl
