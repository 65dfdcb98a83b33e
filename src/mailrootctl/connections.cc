// connections list, close.
#include <fmt/format.h>

#include <cstdint>
#include <memory>

#include "client.h"
#include "commands.h"
#include "connection_filter.h"
#include "counted.h"
#include "pages.h"
#include "show.h"

namespace mailroot::ctl {

using nlohmann::json;

namespace {

struct ConnectionArguments {
  ConnectionFilter filter;
  std::vector<std::string> ids;
  bool all = false;
  uint64_t max = 1000;
};

// Calls `visit` for each match until it returns false; the exit code.
int walk(Client& client, const ConnectionFilter& filter, const Visit& visit) {
  std::string command = "connections list";
  if (!filter.server.empty()) command += " server=" + filter.server;
  const auto walked =
      walk_pages(client, command, "after", "", [&](const std::string& line, const json& listed) {
        return !filter.matches(listed) || visit(line, listed);
      });
  return walked ? 0 : complain(walked.error().text, walked.error().code);
}

int list_connections(const Settings& settings, const ConnectionArguments& arguments) {
  if (!arguments.filter.is_valid()) {
    return complain("--peer takes an address or a network: 192.0.2.0/24", kRefused);
  }
  Client client;
  if (auto connected = client.connect(settings.socket); !connected) {
    return complain(connected.error(), kUnreachable);
  }
  if (!settings.json) show_connections_header();
  uint64_t shown = 0;
  bool more = false;
  const int code = walk(client, arguments.filter, [&](const std::string& line, const json&) {
    more = shown == arguments.max;
    if (more) return false;
    ++shown;
    if (settings.json) {
      fmt::print("{}\n", line);
    } else {
      show_connection(line);
    }
    return true;
  });
  if (code == 0 && !settings.json) {
    fmt::print("{}{}\n", counted(shown, "connection"),
               more ? " shown, there are more (--max)" : "");
  }
  return code;
}

int close_matching(const Settings& settings, const ConnectionArguments& arguments) {
  Client client;
  if (auto connected = client.connect(settings.socket); !connected) {
    return complain(connected.error(), kUnreachable);
  }
  // Gathered first: a next hop whose connection ends gets another one, which is not meant.
  std::vector<std::string> ids;
  const int walked = walk(client, arguments.filter, [&](const std::string&, const json& listed) {
    ids.push_back(listed["id"].get<std::string>());
    return true;
  });
  if (walked != 0) return walked;
  uint64_t closed = 0, busy = 0;
  for (const std::string& id : ids) {
    const auto reply = client.ask("connections close " + id);
    if (!reply) return complain(reply.error(), kUnreachable);
    if (!reply->ok && !reply->may_succeed_later && reply->last.find("no connection") != 0) {
      return complain(reply->last, kRefused);
    }
    closed += reply->ok ? 1 : 0;
    busy += reply->may_succeed_later ? 1 : 0;
  }
  if (settings.json) {
    fmt::print("{{\"closed\":{},\"in_final_reply\":{}}}\n", closed, busy);
  } else {
    fmt::print("{} closed\n", counted(closed, "connection"));
    if (busy > 0) fmt::print("{} about to be answered by the next hop, left alone\n", busy);
  }
  return busy > 0 ? kRefused : 0;
}

int close_connections(const Settings& settings, const ConnectionArguments& arguments) {
  const bool has_filter = !arguments.filter.is_empty() || arguments.all;
  if (!arguments.filter.is_valid()) {
    return complain("--peer takes an address or a network: 192.0.2.0/24", kRefused);
  }
  if (arguments.ids.empty() == !has_filter) {
    return complain("which connections? ids, or a filter (--peer, --server, ...), or --all",
                    kRefused);
  }
  if (has_filter) return close_matching(settings, arguments);
  int code = 0;
  for (const std::string& id : arguments.ids) {
    const int one = ask(settings, "connections close " + id, show_nothing, true);
    if (one == kUnreachable) return one;
    if (one != 0) code = one;
  }
  return code;
}

void add_filter(CLI::App& command, ConnectionFilter& filter) {
  command.add_option("--server", filter.server, "of this virtual server");
  command.add_option("--peer", filter.peer, "with this address or network: 192.0.2.0/24");
  command.add_option("--direction", filter.direction, "in: sessions of clients; out: to next hops")
      ->check(CLI::IsMember({"in", "out"}));
}

}  // namespace

void add_connections(CLI::App& app, const Settings& settings, int& code) {
  auto* connections =
      app.add_subcommand("connections", "open sessions of clients, and to next hops");
  connections->require_subcommand(1);
  // Owned by the callbacks.
  const auto listed = std::make_shared<ConnectionArguments>();
  auto* list = connections->add_subcommand("list", "one line a connection: peer, stage, age, mail");
  add_filter(*list, listed->filter);
  list->add_option("--max", listed->max, "connections to show")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
      ->capture_default_str();
  list->callback([&settings, &code, listed] { code = list_connections(settings, *listed); });
  const auto closed = std::make_shared<ConnectionArguments>();
  auto* close = connections->add_subcommand(
      "close", "end connections: clients hear 421, mail to next hops is tried again");
  close->add_option("ID", closed->ids, "as connections list says them");
  close->add_flag("--all", closed->all, "all connections");
  add_filter(*close, closed->filter);
  close->callback([&settings, &code, closed] { code = close_connections(settings, *closed); });
}

}  // namespace mailroot::ctl
