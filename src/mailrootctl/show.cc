#include "show.h"
#include "counted.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace mailroot::ctl {

using nlohmann::json;

namespace {

std::string text(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return "";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string joined(const json& list) {
  std::string out;
  for (const auto& entry : list) out += (out.empty() ? "" : " ") + entry.get<std::string>();
  return out;
}

std::string size_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string age_text(int64_t seconds) {
  if (seconds < 120) return fmt::format("{}s", seconds);
  if (seconds < 120 * 60) return fmt::format("{}m", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86400);
}

void show_server(const json& server) {
  fmt::print("{:<20} {:<10} {}\n", text(server, "id"), text(server, "state"),
             joined(server["listening"]));
  if (!text(server, "reason").empty()) fmt::print("{:<20} ! {}\n", "", text(server, "reason"));
  const json& in = server["inbound"];
  const json& out = server["outbound"];
  const json& queue = server["queue"];
  fmt::print("{:<20} in: {} open, {} accepted ({}), {} refused\n", "",
             in["connections_open"].get<uint64_t>(), in["messages"].get<uint64_t>(),
             size_text(in["bytes"].get<uint64_t>()), in["messages_refused"].get<uint64_t>());
  fmt::print("{:<20} out: {} open, {} delivered, {} into Drop, {} deferred, {} bounced\n", "",
             out["connections_open"].get<uint64_t>(), out["delivered"].get<uint64_t>(),
             out["dropped"].get<uint64_t>(), out["deferred"].get<uint64_t>(),
             out["bounced"].get<uint64_t>());
  fmt::print("{:<20} queue: {} ({}), {} waiting, {} held\n", "",
             counted(queue["messages"].get<uint64_t>(), "message"),
             size_text(queue["bytes"].get<uint64_t>()), queue["waiting"].get<uint64_t>(),
             queue["held"].get<uint64_t>());
}

}  // namespace

void show_status(const std::vector<std::string>& documents) {
  for (const std::string& document : documents) {
    const json status = json::parse(document);
    fmt::print("mailrootd {}, up {}, {} shards, {}\n", text(status, "version"),
               age_text(status["uptime_seconds"].get<int64_t>()), status["shards"].get<uint64_t>(),
               text(status, "io"));
    fmt::print("configuration {}, last reload: {}\n", text(status, "config"),
               text(status, "last_reload"));
    if (status["built_in_default"].get<bool>()) {
      fmt::print("no virtual server is defined: the built-in default runs\n");
    }
    for (const auto& warning : status["warnings"]) {
      fmt::print("warning: {}\n", warning.get<std::string>());
    }
    fmt::print("\n");
    for (const auto& server : status["servers"]) show_server(server);
  }
}

void show_texts(const std::vector<std::string>& documents) {
  for (const std::string& document : documents) {
    fmt::print("{}", json::parse(document).get<std::string>());
  }
}

void show_servers(const std::vector<std::string>& documents) {
  fmt::print("{:<20} {:<10} {:<30} {:<24} {}\n", "ID", "STATE", "BINDINGS", "DEFAULT DOMAIN",
             "HOME");
  for (const std::string& document : documents) {
    const json server = json::parse(document);
    fmt::print("{:<20} {:<10} {:<30} {:<24} {}\n", text(server, "id"), text(server, "state"),
               joined(server["bindings"]), text(server, "default_domain"),
               text(server, "home_directory"));
    if (!text(server, "reason").empty()) fmt::print("{:<20} ! {}\n", "", text(server, "reason"));
  }
}

void show_queue_header() {
  fmt::print("{:<20} {:<12} {:<14} {:>10} {:>6} {:>5} {:<20} {}\n", "QUEUE ID", "SERVER", "STATE",
             "SIZE", "AGE", "TRIES", "NEXT ATTEMPT", "DESTINATION");
}

void show_queue_page(const std::vector<std::string>& documents) {
  for (const std::string& document : documents) {
    const json entry = json::parse(document);
    fmt::print("{:<20} {:<12} {:<14} {:>10} {:>6} {:>5} {:<20.19} {}\n", text(entry, "id"),
               text(entry, "server"), text(entry, "state"),
               size_text(entry["bytes"].get<uint64_t>()),
               age_text(entry["age_seconds"].get<int64_t>()), entry["attempts"].get<uint64_t>(),
               text(entry, "next_attempt"), text(entry, "destination"));
  }
}

void show_destinations(const std::vector<std::string>& documents) {
  fmt::print("{:<32} {:<12} {:<8} {:>8} {:>10} {:>5} {}\n", "destination", "server", "state",
             "messages", "size", "conn", "trouble");
  for (const std::string& document : documents) {
    const json entry = json::parse(document);
    uint64_t messages = 0;
    for (const char* const key : {"waiting", "ready", "in_transaction", "held"}) {
      messages += entry[key].get<uint64_t>();
    }
    std::string trouble = text(entry, "last_error");
    const auto seconds = entry["next_connection_seconds"].get<int64_t>();
    if (seconds > 0) trouble = fmt::format("asked again in {}: {}", age_text(seconds), trouble);
    fmt::print("{:<32} {:<12} {:<8} {:>8} {:>10} {:>5} {}\n", text(entry, "destination"),
               text(entry, "server"), text(entry, "state"), messages,
               size_text(entry["bytes"].get<uint64_t>()), entry["connections"].get<uint64_t>(),
               trouble);
  }
}

void show_connections_header() {
  fmt::print("{:<20} {:<12} {:>6} {:>8} {:>10} {:<24} {}\n", "ID", "STAGE", "AGE", "MESSAGES",
             "SIZE", "PEER", "NAME");
}

void show_connection(const std::string& document) {
  const json entry = json::parse(document);
  const bool is_in = text(entry, "direction") == "in";
  fmt::print("{:<20} {:<12} {:>6} {:>8} {:>10} {:<24} {}\n", text(entry, "id"),
             text(entry, "stage"), age_text(entry["age_seconds"].get<int64_t>()),
             entry["messages"].get<uint64_t>(), size_text(entry["bytes"].get<uint64_t>()),
             text(entry, "peer"), text(entry, is_in ? "helo" : "destination"));
}

void show_messages(const std::vector<std::string>& documents) {
  for (const std::string& document : documents) {
    const json entry = json::parse(document);
    fmt::print("{}  (virtual server {})\n", text(entry, "id"), text(entry, "server"));
    fmt::print("  from          <{}>\n", text(entry, "from"));
    for (const auto& recipient : entry["to"]) {
      fmt::print("  to            <{}>  {}\n", text(recipient, "address"),
                 text(recipient, "status"));
    }
    fmt::print("  state         {}, {} attempts, next {}\n", text(entry, "state"),
               entry["attempts"].get<uint64_t>(), text(entry, "next_attempt"));
    if (!text(entry, "last_reply").empty()) {
      fmt::print("  last reply    {}\n", text(entry, "last_reply"));
    }
    fmt::print("  size          {}\n", size_text(entry["bytes"].get<uint64_t>()));
    fmt::print("  arrived       {}\n", text(entry, "arrived"));
    fmt::print("  destination   {}\n", text(entry, "destination"));
  }
}

void show_reload(const std::vector<std::string>& documents) {
  for (const std::string& document : documents) {
    const json report = json::parse(document);
    for (const auto& problem : report["problems"]) {
      fmt::print("{}\n", problem.get<std::string>());
    }
    for (const auto& change : report["changes"]) fmt::print("{}\n", change.get<std::string>());
    for (const auto& warning : report["warnings"]) {
      fmt::print("warning: {}\n", warning.get<std::string>());
    }
  }
}

}  // namespace mailroot::ctl
