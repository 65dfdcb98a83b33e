#include "queue_filter.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>

namespace mailroot::ctl {

using nlohmann::json;

namespace {

bool matches(const std::string& pattern, const std::string& text) {
  return pattern.empty() || fnmatch(pattern.c_str(), text.c_str(), FNM_CASEFOLD) == 0;
}

bool is_within(uint64_t value, std::optional<uint64_t> least, std::optional<uint64_t> most) {
  return (!least || value >= *least) && (!most || value <= *most);
}

// 90s, 30m, 2h, 5d; a number alone is seconds.
CLI::AsNumberWithUnit as_seconds() {
  const std::map<std::string, uint64_t> units = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86'400}};
  return CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::CASE_INSENSITIVE, "AGE");
}

}  // namespace

bool QueueFilter::is_empty() const {
  const bool has_text = !server.empty() || !destination.empty() || !state.empty() || needs_detail();
  return !has_text && !older_seconds && !newer_seconds && !larger_bytes && !smaller_bytes;
}

bool QueueFilter::matches_listed(const json& listed) const {
  const auto age = std::max<int64_t>(0, listed["age_seconds"].get<int64_t>());
  return matches(destination, listed["destination"].get<std::string>()) &&
         (state.empty() || state == listed["state"].get<std::string>()) &&
         is_within(static_cast<uint64_t>(age), older_seconds, newer_seconds) &&
         is_within(listed["bytes"].get<uint64_t>(), larger_bytes, smaller_bytes);
}

bool QueueFilter::matches_detail(const json& detail) const {
  // The null reverse-path has no text; "<>" asks for it.
  const std::string sender = detail["from"].get<std::string>();
  const bool from_matches = from == "<>" ? sender.empty() : matches(from, sender);
  const bool to_matches = to.empty() || std::ranges::any_of(detail["to"], [&](const json& one) {
                            return matches(to, one["address"].get<std::string>());
                          });
  return from_matches && to_matches && matches(reply, detail["last_reply"].get<std::string>());
}

void add_filter_options(CLI::App& command, QueueFilter& filter) {
  command.add_option("--server", filter.server, "of this virtual server");
  command.add_option("--destination", filter.destination, "whose next hop matches (* and ?)");
  command.add_option("--state", filter.state, "in this state")
      ->check(CLI::IsMember({"waiting", "ready", "in-transaction", "held"}));
  command.add_option("--from", filter.from, "whose sender matches; \"<>\": none");
  command.add_option("--to", filter.to, "one of whose recipients matches");
  command.add_option("--reply", filter.reply, "whose last reply matches: \"4.7.1*\"");
  command.add_option("--older", filter.older_seconds, "at least this old: 90s, 30m, 2h, 5d")
      ->transform(as_seconds());
  command.add_option("--newer", filter.newer_seconds, "at most this old")->transform(as_seconds());
  command.add_option("--larger", filter.larger_bytes, "of at least this size: 500K, 10M")
      ->transform(CLI::AsSizeValue(false));
  command.add_option("--smaller", filter.smaller_bytes, "of at most this size")
      ->transform(CLI::AsSizeValue(false));
}

}  // namespace mailroot::ctl
