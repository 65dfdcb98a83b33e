// queue retry, hold, release, bounce, delete, move: of messages by id, or of all that a filter is
// for.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <limits>
#include <memory>
#include <string_view>

#include "client.h"
#include "commands.h"
#include "counted.h"
#include "queue_move.h"
#include "queue_walk.h"

namespace mailroot::ctl {

namespace {

struct Operation {
  const char* verb;
  const char* help;
  std::string_view done;  // "3 messages deleted"
  bool is_final;          // many at once need a yes
};

constexpr std::array kOperations = {
    Operation{"retry", "try now what waits for its next attempt", "to be tried now", false},
    Operation{"hold", "try nothing of it until it is released", "held", false},
    Operation{"release", "try held messages again, now", "released", false},
    Operation{"bounce", "return messages to their senders now", "returned to their senders", true},
    Operation{"delete", "delete messages; nobody is told", "deleted", true},
    Operation{"move", "move messages to another virtual server, or into a directory", "moved",
              true},
};

struct OperateArguments {
  std::vector<std::string> ids;
  QueueFilter filter;
  bool all = false;
  bool yes = false;
  bool dry_run = false;
  uint64_t max = std::numeric_limits<uint64_t>::max();
  std::string to_server, to_directory;  // of move
};

struct Tally {
  uint64_t done = 0, busy = 0, unchanged = 0;
  std::string refusal;  // the first, of what was left unchanged
};

struct One {
  enum class Result : uint8_t { done, busy, unchanged, unreachable } result = Result::done;
  std::string text;
  std::string document;  // the daemon's
};

// `server` may be empty for what is no move into a directory.
One apply(Client& client, const Operation& operation, const OperateArguments& arguments,
          const std::string& id, const std::string& server) {
  using enum One::Result;
  if (!arguments.to_directory.empty()) {
    const MovedOut moved = move_to_directory(client, id, server, arguments.to_directory);
    if (moved.ok) return {};
    return {moved.is_connection ? unreachable : (moved.is_busy ? busy : unchanged), moved.text, ""};
  }
  std::string command = fmt::format("queue {} {}", operation.verb, id);
  if (!server.empty()) command += " server=" + server;
  if (!arguments.to_server.empty()) command += " to=" + arguments.to_server;
  const auto reply = client.ask(command);
  if (!reply) return {unreachable, reply.error(), ""};
  One one{reply->ok ? done : (reply->may_succeed_later ? busy : unchanged), reply->last, ""};
  if (!reply->lines.empty()) one.document = reply->lines.front();
  return one;
}

volatile std::sig_atomic_t interrupted = 0;

void note_interrupt(int) { interrupted = 1; }

// What is begun with a message is ended; the sum is told.
void catch_interrupt() {
  struct sigaction action{};
  action.sa_handler = note_interrupt;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
}

bool is_terminal(int descriptor) { return ::isatty(descriptor) != 0; }

bool is_confirmed(const Operation& operation, uint64_t count) {
  fmt::print("{} {}? [y/N] ", operation.verb, counted(count, "message"));
  std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

int report(const Settings& settings, const Operation& operation, const Tally& tally) {
  if (settings.json) {
    fmt::print("{{\"{}\":{},\"in_delivery\":{},\"unchanged\":{},\"interrupted\":{}}}\n",
               operation.verb, tally.done, tally.busy, tally.unchanged, interrupted != 0);
  } else {
    fmt::print("{} {}\n", counted(tally.done, "message"), operation.done);
    if (tally.unchanged > 0) {
      fmt::print("{} left as before: {}\n", counted(tally.unchanged, "message"), tally.refusal);
    }
    if (tally.busy > 0) {
      fmt::print("{} in delivery at this moment, left as before\n", tally.busy);
    }
    if (interrupted != 0) fmt::print("interrupted; the rest is as it was\n");
  }
  return tally.busy > 0 || interrupted != 0 ? kRefused : 0;
}

// Into a directory a message goes from the server that has it.
std::string server_of(Client& client, const std::string& id) {
  const auto reply = client.ask("queue show " + id);
  if (!reply || !reply->ok || reply->lines.empty()) return "";
  return nlohmann::json::parse(reply->lines.front(), nullptr, false).value("server", "");
}

int operate_on_ids(const Settings& settings, const Operation& operation,
                   const OperateArguments& arguments) {
  Client client;
  if (auto connected = client.connect(settings.socket); !connected) {
    return complain(connected.error(), kUnreachable);
  }
  int code = 0;
  for (const std::string& id : arguments.ids) {
    if (arguments.dry_run) {
      fmt::print("{} would be {}\n", id, operation.done);
      continue;
    }
    std::string server = arguments.filter.server;
    if (server.empty() && !arguments.to_directory.empty()) server = server_of(client, id);
    const One one = apply(client, operation, arguments, id, server);
    if (one.result == One::Result::unreachable) return complain(one.text, kUnreachable);
    if (one.result != One::Result::done) {
      code = complain(one.text, kRefused);
    } else if (settings.json && !one.document.empty()) {
      fmt::print("{}\n", one.document);
    } else if (settings.json) {
      fmt::print("{{\"id\":\"{}\",\"{}\":1}}\n", id, operation.verb);
    } else {
      fmt::print("{}\n", one.text.empty() ? "done" : one.text);
    }
  }
  return code;
}

// A number on the terminal, for what takes long.
void show_progress(const Settings& settings, uint64_t done, uint64_t count) {
  constexpr uint64_t kEvery = 1000;
  if (settings.json || done % kEvery != 0 || !is_terminal(STDERR_FILENO)) return;
  fmt::print(stderr, "\r{} of {}", done, count);
  if (done + kEvery > count) fmt::print(stderr, "\n");
}

int tell_dry_run(const Settings& settings, const Operation& operation, uint64_t count) {
  if (settings.json) {
    fmt::print("{{\"{}\":0,\"would_be\":{}}}\n", operation.verb, count);
  } else {
    fmt::print("{} would be {}\n", counted(count, "message"), operation.done);
  }
  return 0;
}

int operate_on_matching(const Settings& settings, const Operation& operation,
                        const OperateArguments& arguments) {
  Client client;
  if (auto connected = client.connect(settings.socket); !connected) {
    return complain(connected.error(), kUnreachable);
  }
  uint64_t count = 0;
  const auto looked = walk_queue(client, arguments.filter,
                                 [&](const auto&, const auto&) { return ++count < arguments.max; });
  if (!looked) return complain(looked.error().text, looked.error().code);
  if (arguments.dry_run) return tell_dry_run(settings, operation, count);
  const bool needs_yes = operation.is_final && !arguments.yes && count > 0;
  if (needs_yes && !is_terminal(STDIN_FILENO)) {
    return complain(
        fmt::format("this is no terminal to ask at: {} here; say --yes", counted(count, "message")),
        kRefused);
  }
  if (needs_yes && !is_confirmed(operation, count)) return complain("nothing was done", kRefused);
  catch_interrupt();
  Tally tally;
  std::string trouble;
  uint64_t begun = 0;
  const Visit visit = [&](const std::string&, const nlohmann::json& listed) {
    if (interrupted != 0 || begun++ >= arguments.max) return false;
    const One one = apply(client, operation, arguments, listed["id"].get<std::string>(),
                          listed["server"].get<std::string>());
    if (one.result == One::Result::unreachable) {
      trouble = one.text;
      return false;
    }
    if (one.result == One::Result::unchanged && tally.refusal.empty()) tally.refusal = one.text;
    ++(one.result == One::Result::done
           ? tally.done
           : (one.result == One::Result::busy ? tally.busy : tally.unchanged));
    show_progress(settings, tally.done, count);
    return true;
  };
  const auto walked = walk_queue(client, arguments.filter, visit);
  const int code = report(settings, operation, tally);
  if (!walked) return complain(walked.error().text, walked.error().code);
  if (!trouble.empty()) return complain(trouble, kUnreachable);
  return code;
}

int operate(const Settings& settings, const Operation& operation,
            const OperateArguments& arguments) {
  QueueFilter beside_server = arguments.filter;
  beside_server.server.clear();
  const bool has_filter = !beside_server.is_empty();
  const bool has_ids = !arguments.ids.empty();
  if (has_ids && (has_filter || arguments.all)) {
    return complain("either queue ids, or a filter, or --all", kRefused);
  }
  const bool is_move = std::string_view(operation.verb) == "move";
  if (is_move && arguments.to_server.empty() == arguments.to_directory.empty()) {
    return complain("where to? --to-server ID, or --to-directory DIR", kRefused);
  }
  if (has_ids) return operate_on_ids(settings, operation, arguments);
  const bool has_choice = has_filter || arguments.all || !arguments.filter.server.empty();
  if (!has_choice) {
    return complain("which messages? queue ids, a filter (--to, --older, ...), or --all", kRefused);
  }
  return operate_on_matching(settings, operation, arguments);
}

}  // namespace

void add_queue_operations(CLI::App& queue, const Settings& settings, int& code) {
  for (const Operation& operation : kOperations) {
    const auto arguments = std::make_shared<OperateArguments>();
    auto* command = queue.add_subcommand(operation.verb, operation.help);
    command->add_option("ID", arguments->ids, "queue ids");
    command->add_flag("--all", arguments->all, "all messages");
    add_filter_options(*command, arguments->filter);
    command->add_option("--max", arguments->max, "messages at most")
        ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40));
    command->add_flag("--dry-run", arguments->dry_run, "only say how many it would be");
    if (std::string_view(operation.verb) == "move") {
      command->add_option("--to-server", arguments->to_server, "another virtual server");
      command->add_option("--to-directory", arguments->to_directory, "files, one a message");
    }
    if (operation.is_final) command->add_flag("--yes", arguments->yes, "do not ask");
    command->callback([&settings, &code, &operation, arguments] {
      code = operate(settings, operation, *arguments);
    });
  }
}

}  // namespace mailroot::ctl
