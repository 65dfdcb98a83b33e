#include "trace_story.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <optional>

#include "mailroot/base/log.h"
#include "tool_limits.h"

namespace mailroot::ctl {

namespace {

// Lines of the spool say "id", all others "queue_id"; a report is told by what it reports on.
std::vector<std::string> ids_of(const LogLine& line) {
  std::vector<std::string> out;
  for (const char* const key : {"queue_id", "id", "report"}) {
    std::string id = line.field(key);
    if (!id.empty()) out.push_back(std::move(id));
  }
  // Taken from where another virtual server had it: "moved-sales-00000001000000000001.eml".
  constexpr size_t kIdLength = 20;
  constexpr std::string_view kEnd = ".eml";
  const std::string file = line.field("file");
  if (line.event == "accepted" && file.starts_with("moved-") && file.ends_with(kEnd) &&
      file.size() > kIdLength + kEnd.size()) {
    out.push_back(file.substr(file.size() - kIdLength - kEnd.size(), kIdLength));
  }
  return out;
}

// What a message can end with. Each recipient has an end of its own; the last one is told.
bool is_end(std::string_view event) {
  constexpr std::array kEnds = {"delivered", "bounced", "returned",
                                "deleted",   "moved",   "forgotten"};
  return std::ranges::find(kEnds, event) != kEnds.end();
}

std::string with_parts(std::string text, const std::vector<std::string>& parts) {
  std::string out = std::move(text);
  std::string inside;
  for (const std::string& part : parts) {
    if (!part.empty()) inside += (inside.empty() ? "" : ", ") + part;
  }
  return inside.empty() ? out : out + " (" + inside + ")";
}

std::string labelled(const char* label, const std::string& value) {
  return value.empty() ? "" : fmt::format("{} {}", label, value);
}

std::string accepted_text(const LogLine& line) {
  const std::string count = line.field("recipients");
  const std::string more = count.empty() || count == "1" ? "" : fmt::format(" ({} in all)", count);
  return with_parts(fmt::format("from {} to {}{}", line.field("from"), line.field("to"), more),
                    {line.field("size") + " bytes", labelled("from", line.field("peer")),
                     line.field("helo"), line.field("file")});
}

std::string outcome_text(const LogLine& line) {
  return with_parts(
      fmt::format("{}: {} {}", line.field("to"), line.field("code"), line.field("reply")),
      {line.field("peer"), labelled("attempt", line.field("attempt")),
       line.field("expired") == "yes" ? "expired" : ""});
}

// Milliseconds since the epoch of "2026-03-05T09:30:00.123Z".
std::optional<int64_t> milliseconds_of(std::string_view time) {
  std::tm parts{};
  int milliseconds = 0;
  char zone = 0;
  const int read = std::sscanf(std::string(time).c_str(), "%4d-%2d-%2dT%2d:%2d:%2d.%3d%c",
                               &parts.tm_year, &parts.tm_mon, &parts.tm_mday, &parts.tm_hour,
                               &parts.tm_min, &parts.tm_sec, &milliseconds, &zone);
  if (read != 8 || zone != 'Z') return std::nullopt;
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return static_cast<int64_t>(timegm(&parts)) * 1000 + milliseconds;
}

}  // namespace

Stories::Stories(std::set<std::string> ids, std::string server)
    : ids_(std::move(ids)), server_(std::move(server)) {}

void Stories::add(const LogLine& line) {
  const std::string server = line.field("server");
  if (!server_.empty() && !server.empty() && server != server_) return;
  for (const std::string& id : ids_of(line)) {
    if (!ids_.contains(id)) continue;
    const auto key = std::make_pair(id, server);
    const auto [at, is_new] = stories_.try_emplace(key);
    Story& story = at->second;
    if (is_new) {
      story.id = id;
      story.server = server;
      order_.push_back(key);
    }
    const bool is_about_it = line.field("queue_id") == id;
    if (is_about_it && is_end(line.event)) story.end = line.event;
    if (is_about_it && line.event == "deferred") story.end.clear();
    if (story.events.size() < kStoryEventsMax) {
      story.events.push_back(line);
    } else {
      ++story.left_out;
    }
  }
}

std::vector<Story> Stories::take() {
  std::vector<Story> out;
  for (const auto& key : order_) out.push_back(std::move(stories_.at(key)));
  stories_.clear();
  order_.clear();
  return out;
}

AddressHits::AddressHits(std::string address, size_t max)
    : address_(log::escape(address)), max_(max) {}

void AddressHits::add(const LogLine& line) {
  const std::string id = line.field("queue_id");
  if (id.empty() || !names_address(line, address_)) return;
  if (!known_.insert(id).second) return;
  order_.push_back(id);
  if (order_.size() <= max_) return;
  known_.erase(order_.front());
  order_.erase(order_.begin());
  ++left_out_;
}

std::set<std::string> AddressHits::ids() const { return known_; }

std::string sentence_of(const LogLine& line) {
  if (line.event == "accepted") return accepted_text(line);
  const bool is_outcome =
      line.event == "delivered" || line.event == "deferred" || line.event == "bounced";
  if (is_outcome) return outcome_text(line);
  if (line.event == "report") {
    return fmt::format("{} goes to {}, about {}", line.field("report"), line.field("to"),
                       line.field("queue_id"));
  }
  std::string out;
  for (const auto& [key, value] : line.fields) {
    if (key == "server" || key == "queue_id" || key == "id") continue;
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", key, value);
  }
  return out;
}

std::string lapse(std::string_view from, std::string_view to) {
  const auto begin = milliseconds_of(from);
  const auto end = milliseconds_of(to);
  if (!begin || !end) return "";
  const int64_t took = *end - *begin;
  const int64_t size = took < 0 ? -took : took;
  return fmt::format("{}{}.{:03}s", took < 0 ? '-' : '+', size / 1000, size % 1000);
}

}  // namespace mailroot::ctl
