// queue list, show.
#include <fmt/format.h>

#include <cstdint>
#include <memory>

#include "client.h"
#include "commands.h"
#include "counted.h"
#include "queue_walk.h"
#include "show.h"

namespace mailroot::ctl {

namespace {

struct ListArguments {
  QueueFilter filter;
  uint64_t max = 1000;
};

int list_queue(const Settings& settings, const ListArguments& arguments) {
  Client client;
  if (auto connected = client.connect(settings.socket); !connected) {
    return complain(connected.error(), kUnreachable);
  }
  if (!settings.json) show_queue_header();
  uint64_t shown = 0;
  bool more = false;
  const Visit visit = [&](const std::string& line, const nlohmann::json&) {
    more = shown == arguments.max;
    if (more) return false;
    ++shown;
    if (settings.json) {
      fmt::print("{}\n", line);
    } else {
      show_queue_page({line});
    }
    return true;
  };
  const auto walked = walk_queue(client, arguments.filter, visit);
  if (!walked) return complain(walked.error().text, walked.error().code);
  if (!settings.json) {
    fmt::print("{}{}\n", counted(shown, "message"), more ? " shown, there are more (--max)" : "");
  }
  return 0;
}

}  // namespace

void add_queue(CLI::App& app, const Settings& settings, int& code) {
  // Owned by the callbacks.
  const auto arguments = std::make_shared<ListArguments>();
  const auto id = std::make_shared<std::string>();
  auto* queue = app.add_subcommand("queue", "messages that wait");
  queue->require_subcommand(1);
  auto* list = queue->add_subcommand("list", "one line a message");
  add_filter_options(*list, arguments->filter);
  list->add_option("--max", arguments->max, "messages to show")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
      ->capture_default_str();
  list->callback([&settings, &code, arguments] { code = list_queue(settings, *arguments); });
  auto* show =
      queue->add_subcommand("show", "one message: envelope, state, last reply, next attempt");
  show->add_option("ID", *id, "queue id")->required();
  show->callback(
      [&settings, &code, id] { code = ask(settings, "queue show " + *id, show_messages, false); });
  add_queue_cat(*queue, settings, code);
  add_queue_operations(*queue, settings, code);
  auto* destinations =
      app.add_subcommand("destinations", "next hops with mail, most first: state and trouble");
  const auto where = std::make_shared<ListArguments>();
  where->max = 100;
  destinations->add_option("--server", where->filter.server, "only of this virtual server");
  destinations->add_option("--max", where->max, "destinations to show")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  destinations->callback([&settings, &code, where] {
    std::string command = fmt::format("destinations max={}", where->max);
    if (!where->filter.server.empty()) command += " server=" + where->filter.server;
    code = ask(settings, command, show_destinations, true);
  });
}

}  // namespace mailroot::ctl
