// queue list, show, retry.
#include <fmt/format.h>

#include <cstdint>
#include <memory>

#include "client.h"
#include "commands.h"
#include "show.h"

namespace mailroot::ctl {

namespace {

struct QueueArguments {
  std::string server, id;
  uint64_t max = 1000;
};

// Pages until the end or until `max` messages are shown.
int list_queue(const Settings& settings, const std::string& server, uint64_t max) {
  constexpr uint64_t kPage = 500;
  Client client;
  if (auto connected = client.connect(settings.socket); !connected) {
    return complain(connected.error(), kUnreachable);
  }
  std::string cursor = "0";
  uint64_t shown = 0;
  if (!settings.json) show_queue_header();
  do {
    const uint64_t page = std::min(kPage, max - shown);
    std::string command = fmt::format("queue list cursor={} max={}", cursor, page);
    if (!server.empty()) command += " server=" + server;
    const auto reply = client.ask(command);
    if (!reply) return complain(reply.error(), kUnreachable);
    if (!reply->ok) return complain(reply->last, kRefused);
    if (settings.json) {
      for (const std::string& line : reply->lines) fmt::print("{}\n", line);
    } else {
      show_queue_page(reply->lines);
    }
    shown += reply->lines.size();
    cursor = reply->last.substr(reply->last.find('=') + 1);
  } while (cursor != "0" && shown < max);
  if (!settings.json) {
    fmt::print("{} messages{}\n", shown, cursor == "0" ? "" : " shown, there are more (--max)");
  }
  return 0;
}

}  // namespace

void add_queue(CLI::App& app, const Settings& settings, int& code) {
  // Owned by the callbacks.
  const auto arguments = std::make_shared<QueueArguments>();
  auto* queue = app.add_subcommand("queue", "messages that wait");
  queue->require_subcommand(1);
  auto* list = queue->add_subcommand("list", "one line a message");
  list->add_option("--server", arguments->server, "only of this virtual server");
  list->add_option("--max", arguments->max, "messages to show")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
      ->capture_default_str();
  list->callback([&settings, &code, arguments] {
    code = list_queue(settings, arguments->server, arguments->max);
  });
  auto* show = queue->add_subcommand("show", "one message: envelope, state, next attempt");
  show->add_option("ID", arguments->id, "queue id")->required();
  show->callback([&settings, &code, arguments] {
    code = ask(settings, "queue show " + arguments->id, show_messages, false);
  });
  auto* retry = queue->add_subcommand("retry", "try now what waits for its next attempt");
  retry->add_option("ID", arguments->id, "queue id, or \"all\"")->required();
  retry->add_option("--server", arguments->server, "only of this virtual server");
  retry->callback([&settings, &code, arguments] {
    std::string command = "queue retry " + arguments->id;
    if (!arguments->server.empty()) command += " server=" + arguments->server;
    code = ask(settings, command, show_nothing, true);
  });
}

}  // namespace mailroot::ctl
