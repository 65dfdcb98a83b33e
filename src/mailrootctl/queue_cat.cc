// queue cat.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "client.h"
#include "commands.h"
#include "message_text.h"

namespace mailroot::ctl {

using nlohmann::json;

namespace {

struct CatArguments {
  std::string id, server;
};

// False: it cannot be written.
bool put(const std::string& out) {
  return std::fwrite(out.data(), 1, out.size(), stdout) == out.size();
}

int cat(const Settings& settings, const CatArguments& arguments) {
  Client client;
  if (auto connected = client.connect(settings.socket); !connected) {
    return complain(connected.error(), kUnreachable);
  }
  const bool at_terminal = isatty(STDOUT_FILENO) == 1;
  TerminalText for_terminal;
  uint64_t offset = 0;
  uint64_t total = 0;
  std::string server = arguments.server;
  do {
    std::string command = fmt::format("queue cat {} offset={}", arguments.id, offset);
    if (!server.empty()) command += " server=" + server;
    const auto reply = client.ask(command);
    if (!reply) return complain(reply.error(), kUnreachable);
    if (!reply->ok || reply->lines.size() != 1) {
      return complain(offset == 0 ? reply->last : "it left the queue meanwhile: " + reply->last,
                      kRefused);
    }
    const json piece = json::parse(reply->lines.front(), nullptr, false);
    const auto bytes =
        bytes_of_characters(piece.is_object() ? piece.value("bytes", "") : std::string());
    if (!bytes || bytes->empty()) return complain("mailrootd answered out of form", kRefused);
    total = piece.value("size", uint64_t{0});
    server = piece.value("server", "");
    offset += bytes->size();
    const bool written = settings.json ? put(reply->lines.front() + "\n")
                         : at_terminal ? put(for_terminal.add(*bytes))
                                       : put(*bytes);
    if (!written) return complain("standard output: it cannot be written", kRefused);
  } while (offset < total);
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
