#include "limit_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>
#include <string_view>

namespace mailroot::ctl {

using nlohmann::json;

namespace {

// Keys that are limits, in the order of the file.
constexpr std::array<std::string_view, 17> kServerLimits = {
    "connections.limit",
    "connections.per_client_limit",
    "connections.timeout",
    "messages.size_limit",
    "messages.session_size_limit",
    "messages.per_connection_limit",
    "messages.recipients_limit",
    "messages.badmail.keep",
    "messages.badmail.size_limit",
    "delivery.expiration",
    "delivery.outbound.connections",
    "delivery.outbound.per_domain",
    "delivery.outbound.connect_timeout",
    "delivery.outbound.timeout",
    "delivery.hop_limit",
    "drop.quota",
    "spool.free_min",
};

std::optional<uint64_t> figure(const json& state, const char* group, const char* key) {
  if (!state.is_object() || !state.contains(group)) return std::nullopt;
  const json& figures = state[group];
  if (!figures.is_object() || !figures.contains(key) || !figures[key].is_number_unsigned()) {
    return std::nullopt;
  }
  return figures[key].get<uint64_t>();
}

std::string place_of(const config::EffectiveKey& key) {
  if (!key.place) return "";
  return fmt::format("{}:{}", key.place->file, key.place->line);
}

}  // namespace

std::vector<LimitRow> server_limits(const std::string& id,
                                    const std::vector<config::EffectiveKey>& keys,
                                    const json& state, std::optional<uint64_t> free_bytes) {
  std::vector<LimitRow> out;
  for (const config::EffectiveKey& key : keys) {
    if (std::ranges::find(kServerLimits, key.key.path) == kServerLimits.end()) continue;
    LimitRow row;
    row.server = id;
    row.name = key.key.path;
    row.value = key.value;
    if (row.name == "connections.limit") row.use = figure(state, "inbound", "connections_open");
    if (row.name == "delivery.outbound.connections") {
      row.use = figure(state, "outbound", "connections_open");
    }
    if (row.use) row.use_text = fmt::format("{} open", *row.use);
    if (row.name == "spool.free_min" && free_bytes) {
      row.use = free_bytes;
      row.use_text = fmt::format("{} MiB free", *free_bytes >> 20);
    }
    const std::string place = place_of(key);
    row.change = place.empty()
                     ? fmt::format("default; mailrootctl server set {} {} VALUE", id, row.name)
                     : place;
    out.push_back(std::move(row));
  }
  return out;
}

std::vector<LimitRow> service_limits(const std::vector<config::EffectiveKey>& keys) {
  std::vector<LimitRow> out;
  for (const config::EffectiveKey& key : keys) {
    const bool is_limit = key.key.path.contains("memory") || key.key.path.contains("limit");
    if (!is_limit) continue;
    LimitRow row;
    row.name = key.key.path;
    row.value = key.value;
    const std::string place = place_of(key);
    row.change = place.empty() ? "default; the service's file" : place;
    out.push_back(std::move(row));
  }
  return out;
}

std::optional<std::string> system_limit(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name + " ")) continue;
    std::istringstream words(line.substr(name.size()));
    std::string soft;
    // Else it is the beginning of another name.
    const bool is_value = (words >> soft) && (soft == "unlimited" || std::isdigit(soft.front()));
    if (is_value) return soft;
  }
  return std::nullopt;
}

}  // namespace mailroot::ctl
