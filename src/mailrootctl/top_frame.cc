#include "top_frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <tuple>
#include <utility>

#include "mailroot/base/log.h"

namespace mailroot::ctl {

using nlohmann::json;
using nlohmann::ordered_json;

namespace {

constexpr size_t kDestinationsKept = 10;  // lines for them, before servers take the rest

std::string text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? log::escape(found->get<std::string>()) : "";
}

uint64_t number(const json& object, const char* key) {
  const auto found = object.find(key);
  const bool is_count = found != object.end() && found->is_number_integer() && *found >= 0;
  return is_count ? found->get<uint64_t>() : 0;
}

json list_of(const json& status) {
  const bool has_list = status.is_object() && status.contains("servers");
  return has_list && status["servers"].is_array() ? status["servers"] : json::array();
}

json part_of(const json& server, const char* key) {
  const bool has_part = server.is_object() && server.contains(key) && server[key].is_object();
  return has_part ? server[key] : json::object();
}

// Of one virtual server, or of all.
struct Figures {
  uint64_t accepted = 0, bytes = 0, delivered = 0, deferred = 0, bounced = 0;
  uint64_t in_open = 0, out_open = 0, messages = 0, waiting = 0, held = 0;

  void add(const Figures& part) {
    for (const auto count : kAll) this->*count += part.*count;
  }
  static const std::array<uint64_t Figures::*, 10> kAll;
};
const std::array<uint64_t Figures::*, 10> Figures::kAll = {
    &Figures::accepted, &Figures::bytes,   &Figures::delivered, &Figures::deferred,
    &Figures::bounced,  &Figures::in_open, &Figures::out_open,  &Figures::messages,
    &Figures::waiting,  &Figures::held};

struct ServerLine {
  std::string id, state;
  Figures now;
  double accepted_rate = 0, bytes_rate = 0, delivered_rate = 0, deferred_rate = 0, bounced_rate = 0;
};

Figures figures_of(const json& server) {
  const json in = part_of(server, "inbound");
  const json out = part_of(server, "outbound");
  const json queue = part_of(server, "queue");
  Figures figures;
  figures.accepted = number(in, "messages");
  figures.bytes = number(in, "bytes");
  figures.in_open = number(in, "connections_open");
  figures.delivered = number(out, "delivered") + number(out, "dropped");
  figures.deferred = number(out, "deferred");
  figures.bounced = number(out, "bounced");
  figures.out_open = number(out, "connections_open");
  figures.messages = number(queue, "messages");
  figures.waiting = number(queue, "waiting");
  figures.held = number(queue, "held");
  return figures;
}

// Counts begin anew when a server is started.
double rate(uint64_t before, uint64_t now, double seconds) {
  if (now < before || seconds <= 0) return 0;
  return static_cast<double>(now - before) / seconds;
}

void set_rates(ServerLine& line, const Figures& before, double seconds) {
  line.accepted_rate = rate(before.accepted, line.now.accepted, seconds);
  line.bytes_rate = rate(before.bytes, line.now.bytes, seconds);
  line.delivered_rate = rate(before.delivered, line.now.delivered, seconds);
  line.deferred_rate = rate(before.deferred, line.now.deferred, seconds);
  line.bounced_rate = rate(before.bounced, line.now.bounced, seconds);
}

// The sum first; then those with most to do.
std::vector<ServerLine> lines_of(const TopSample& before, const TopSample& now) {
  const double seconds = now.seconds - before.seconds;
  std::map<std::string, Figures> earlier;
  for (const json& server : list_of(before.status)) {
    earlier[text(server, "id")] = figures_of(server);
  }
  ServerLine sum;
  sum.id = "all";
  std::vector<ServerLine> out;
  for (const json& server : list_of(now.status)) {
    ServerLine line;
    line.id = text(server, "id");
    line.state = text(server, "state");
    line.now = figures_of(server);
    const auto known = earlier.find(line.id);
    if (known != earlier.end()) set_rates(line, known->second, seconds);
    sum.now.add(line.now);
    for (const auto one :
         {&ServerLine::accepted_rate, &ServerLine::bytes_rate, &ServerLine::delivered_rate,
          &ServerLine::deferred_rate, &ServerLine::bounced_rate}) {
      sum.*one += line.*one;
    }
    out.push_back(std::move(line));
  }
  std::ranges::sort(out, {}, [](const ServerLine& line) {
    return std::make_pair(-(line.accepted_rate + line.delivered_rate), line.id);
  });
  out.insert(out.begin(), std::move(sum));
  return out;
}

uint64_t mail_of(const json& destination) {
  return number(destination, "waiting") + number(destination, "ready") +
         number(destination, "in_transaction") + number(destination, "held");
}

// Those that are in trouble first, then those with most mail.
std::vector<json> slowest(std::vector<json> destinations) {
  std::ranges::sort(destinations, std::greater(), [](const json& one) {
    return std::make_tuple(text(one, "state") == "backoff", mail_of(one), text(one, "destination"));
  });
  return destinations;
}

std::string line_text(const ServerLine& line) {
  return fmt::format(
      "{:<20.20} {:<8.8} {:>8.1f} {:>8.2f} {:>8.1f} {:>7.1f} {:>7.1f} {:>6} {:>6} "
      "{:>9} {:>9} {:>6}",
      line.id, line.state, line.accepted_rate, line.bytes_rate / 1'048'576, line.delivered_rate,
      line.deferred_rate, line.bounced_rate, line.now.in_open, line.now.out_open, line.now.messages,
      line.now.waiting, line.now.held);
}

std::string destination_text(const json& one) {
  const uint64_t wait = number(one, "next_connection_seconds");
  const std::string again = wait == 0 ? "" : fmt::format("in {} s: ", wait);
  return fmt::format("{:<32.32} {:<12.12} {:<8.8} {:>9} {:>6} {}{}", text(one, "destination"),
                     text(one, "server"), text(one, "state"), mail_of(one),
                     number(one, "connections"), again, text(one, "last_error"));
}

}  // namespace

std::vector<std::string> top_frame(const TopSample& before, const TopSample& now, size_t columns,
                                   size_t rows) {
  std::vector<std::string> out;
  out.push_back(fmt::format("mailrootd {}, up {} s, {} shards, {}", text(now.status, "version"),
                            number(now.status, "uptime_seconds"), number(now.status, "shards"),
                            text(now.status, "io")));
  if (!now.trouble.empty()) out.push_back("! " + log::escape(now.trouble));
  out.emplace_back();
  out.push_back(
      fmt::format("{:<20} {:<8} {:>8} {:>8} {:>8} {:>7} {:>7} {:>6} {:>6} {:>9} {:>9} "
                  "{:>6}",
                  "SERVER", "STATE", "IN/S", "MIB/S", "OUT/S", "DEFER/S", "BOUNC/S", "CLIENT",
                  "HOPS", "QUEUE", "WAITING", "HELD"));
  const auto destinations = slowest(now.destinations);
  const size_t below =
      destinations.empty() ? 0 : std::min(destinations.size(), kDestinationsKept) + 2;
  const size_t for_servers = rows > out.size() + below + 1 ? rows - out.size() - below : 1;
  const auto servers = lines_of(before, now);
  for (size_t i = 0; i < servers.size() && i < for_servers; ++i) {
    out.push_back(line_text(servers[i]));
  }
  if (!destinations.empty()) {
    out.emplace_back();
    out.push_back(fmt::format("{:<32} {:<12} {:<8} {:>9} {:>6} {}", "SLOWEST DESTINATIONS",
                              "SERVER", "STATE", "MESSAGES", "CONN", "TROUBLE"));
    for (const json& one : destinations) out.push_back(destination_text(one));
  }
  if (out.size() > rows) out.resize(rows);
  for (std::string& line : out) line = line.substr(0, columns);
  return out;
}

ordered_json top_json(const TopSample& before, const TopSample& now) {
  ordered_json servers = ordered_json::array();
  for (const ServerLine& line : lines_of(before, now)) {
    servers.push_back({{"id", line.id},
                       {"state", line.state},
                       {"accepted_per_second", line.accepted_rate},
                       {"bytes_per_second", line.bytes_rate},
                       {"delivered_per_second", line.delivered_rate},
                       {"deferred_per_second", line.deferred_rate},
                       {"bounced_per_second", line.bounced_rate},
                       {"sessions", line.now.in_open},
                       {"outbound", line.now.out_open},
                       {"queued", line.now.messages},
                       {"waiting", line.now.waiting},
                       {"held", line.now.held}});
  }
  ordered_json destinations = ordered_json::array();
  for (const json& one : slowest(now.destinations)) destinations.push_back(ordered_json(one));
  return {{"trouble", now.trouble},
          {"interval_seconds", now.seconds - before.seconds},
          {"servers", std::move(servers)},
          {"destinations", std::move(destinations)}};
}

}  // namespace mailroot::ctl
