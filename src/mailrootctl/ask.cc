// One question to the daemon, and its answer on the terminal.
#include <fmt/format.h>

#include <cstdio>

#include "client.h"
#include "commands.h"

namespace mailroot::ctl {

int complain(const std::string& text, int code) {
  fmt::print(stderr, "mailrootctl: {}\n", text);
  return code;
}

void show_nothing(const std::vector<std::string>&) {}

int ask(const Settings& settings, const std::string& command, const Show& show, bool say_last) {
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

}  // namespace mailroot::ctl
