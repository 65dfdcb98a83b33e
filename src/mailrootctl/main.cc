// mailrootctl: looks into a running mailrootd and commands it, over the control socket.
// Exit codes: 0 done, 1 refused or failed, 2 mailrootd cannot be reached; check: as mailrootd.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "client.h"
#include "mailroot/config/load.h"
#include "show.h"

namespace mailroot::ctl {

namespace {

constexpr int kRefused = 1;
constexpr int kUnreachable = 2;

struct Settings {
  std::string socket = "/run/mailroot/control.sock";
  std::string config = "/etc/mailroot/mailroot.yaml";
  bool json = false;
};

using Show = std::function<void(const std::vector<std::string>&)>;

int complain(const std::string& text, int code) {
  fmt::print(stderr, "mailrootctl: {}\n", text);
  return code;
}

// Asks, shows what came, and the last line when it says more than "ok".
int run(const Settings& settings, const std::string& command, const Show& show, bool say_last) {
  Client client;
  if (auto connected = client.connect(settings.socket); !connected) {
    return complain(connected.error(), kUnreachable);
  }
  const auto reply = client.ask(command);
  if (!reply) return complain(reply.error(), kUnreachable);
  if (settings.json) {
    for (const std::string& line : reply->lines) fmt::print("{}\n", line);
  } else {
    show(reply->lines);
  }
  if (!reply->ok) return complain(reply->last, kRefused);
  if (say_last && !settings.json) fmt::print("{}\n", reply->last);
  return 0;
}

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

int check(const Settings& settings) {
  const auto result = config::check(settings.config, {});
  std::fputs(result.report().c_str(), result.exit_code == 0 ? stdout : stderr);
  return result.exit_code;
}

void nothing(const std::vector<std::string>&) {}

void add_looking(CLI::App& app, const Settings& settings, int& code) {
  app.add_subcommand("status", "the service, its virtual servers and their figures")->callback([&] {
    code = run(settings, "status", show_status, false);
  });
  app.add_subcommand("servers", "the virtual servers, their states and reasons")->callback([&] {
    code = run(settings, "servers", show_servers, false);
  });
  app.add_subcommand("check", "check the configuration files; nothing is changed")->callback([&] {
    code = check(settings);
  });
}

struct QueueArguments {
  std::string server, id;
  uint64_t max = 1000;
};

void add_queue(CLI::App& app, const Settings& settings, QueueArguments& arguments, int& code) {
  auto* queue = app.add_subcommand("queue", "messages that wait");
  queue->require_subcommand(1);
  auto* list = queue->add_subcommand("list", "one line a message");
  list->add_option("--server", arguments.server, "only of this virtual server");
  list->add_option("--max", arguments.max, "messages to show")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
      ->capture_default_str();
  list->callback([&] { code = list_queue(settings, arguments.server, arguments.max); });
  auto* show = queue->add_subcommand("show", "one message: envelope, state, next attempt");
  show->add_option("ID", arguments.id, "queue id")->required();
  show->callback([&] { code = run(settings, "queue show " + arguments.id, show_messages, false); });
  auto* retry = queue->add_subcommand("retry", "try now what waits for its next attempt");
  retry->add_option("ID", arguments.id, "queue id, or \"all\"")->required();
  retry->add_option("--server", arguments.server, "only of this virtual server");
  retry->callback([&] {
    std::string command = "queue retry " + arguments.id;
    if (!arguments.server.empty()) command += " server=" + arguments.server;
    code = run(settings, command, nothing, true);
  });
}

void add_changing(CLI::App& app, const Settings& settings, std::string& server, int& code) {
  app.add_subcommand("reload", "read the configuration again, as SIGHUP does")->callback([&] {
    code = run(settings, "reload", show_reload, true);
  });
  const std::pair<const char*, const char*> verbs[] = {
      {"start", "start a virtual server"},
      {"stop", "stop it: sessions and deliveries end, mail stays"},
      {"pause", "pause it: no new sessions, the rest goes on"},
      {"continue", "end a pause"}};
  for (const auto& [verb, description] : verbs) {
    auto* command = app.add_subcommand(verb, description);
    command->add_option("SERVER", server, "id of the virtual server")->required();
    command->callback([&, name = std::string(verb)] {
      code = run(settings, name + " " + server, nothing, true);
    });
  }
}

}  // namespace

}  // namespace mailroot::ctl

int main(int argc, char** argv) {
  using namespace mailroot::ctl;
  CLI::App app{"looks into a running mailrootd and commands it", "mailrootctl"};
  Settings settings;
  QueueArguments arguments;
  std::string server;
  int code = 0;
  app.add_option("--socket", settings.socket, "control socket")->capture_default_str();
  app.add_option("--config", settings.config, "configuration file, for check")
      ->capture_default_str();
  app.add_flag("--json", settings.json, "answers as JSON, one document a line");
  app.set_version_flag("--version", std::string("mailrootctl " MAILROOT_VERSION));
  app.require_subcommand(1);
  app.fallthrough();
  add_looking(app, settings, code);
  add_queue(app, settings, arguments, code);
  add_changing(app, settings, server, code);
  CLI11_PARSE(app, argc, argv);
  return code;
}
