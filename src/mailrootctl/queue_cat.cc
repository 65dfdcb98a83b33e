// queue cat.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string_view>

#include "client.h"
#include "commands.h"
#include "message_stream.h"
#include "message_text.h"

namespace mailroot::ctl {

namespace {

struct CatArguments {
  std::string id, server;
};

// False: it cannot be written.
bool put(std::string_view out) {
  return std::fwrite(out.data(), 1, out.size(), stdout) == out.size();
}

int cat(const Settings& settings, const CatArguments& arguments) {
  Client client;
  if (auto connected = client.connect(settings.socket); !connected) {
    return complain(connected.error(), kUnreachable);
  }
  const bool at_terminal = isatty(STDOUT_FILENO) == 1;
  TerminalText for_terminal;
  const auto streamed =
      stream_message(client, arguments.id, arguments.server,
                     [&](const std::string& document, std::string_view bytes) {
                       if (settings.json) return put(document + "\n");
                       return at_terminal ? put(for_terminal.add(bytes)) : put(bytes);
                     });
  if (!streamed) {
    return complain(streamed.error().text,
                    streamed.error().is_connection ? kUnreachable : kRefused);
  }
  if (!put(for_terminal.finish()) || std::fflush(stdout) != 0) {
    return complain("standard output: it cannot be written", kRefused);
  }
  return 0;
}

}  // namespace

void add_queue_cat(CLI::App& queue, const Settings& settings, int& code) {
  const auto arguments = std::make_shared<CatArguments>();
  auto* command = queue.add_subcommand("cat", "one message with its envelope, as its Queue file");
  command->add_option("ID", arguments->id, "queue id")->required();
  command->add_option("--server", arguments->server, "virtual server, if several have this id");
  command->callback([&settings, &code, arguments] { code = cat(settings, *arguments); });
}

}  // namespace mailroot::ctl
