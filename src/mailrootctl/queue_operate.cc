// queue retry, hold, release, bounce, delete: of messages by id, or of all that a filter is for.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string_view>

#include "client.h"
#include "commands.h"
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
};

struct OperateArguments {
  std::vector<std::string> ids;
  QueueFilter filter;
  bool all = false;
  bool yes = false;
};

struct Tally {
  uint64_t done = 0, busy = 0, unchanged = 0;
};

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
  fmt::print("{} {} messages? [y/N] ", operation.verb, count);
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
    fmt::print("{} message{} {}\n", tally.done, tally.done == 1 ? "" : "s", operation.done);
    if (tally.unchanged > 0) fmt::print("{} were so already, or are gone\n", tally.unchanged);
    if (tally.busy > 0) {
      fmt::print("{} in delivery at this moment, left as before\n", tally.busy);
    }
    if (interrupted != 0) fmt::print("interrupted; the rest is as it was\n");
  }
  return tally.busy > 0 || interrupted != 0 ? kRefused : 0;
}

int operate_on_ids(const Settings& settings, const Operation& operation,
                   const OperateArguments& arguments) {
  int code = 0;
  for (const std::string& id : arguments.ids) {
    std::string command = fmt::format("queue {} {}", operation.verb, id);
    if (!arguments.filter.server.empty()) command += " server=" + arguments.filter.server;
    const int one = ask(settings, command, show_nothing, true);
    if (one == kUnreachable) return one;
    if (one != 0) code = one;
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

int operate_on_matching(const Settings& settings, const Operation& operation,
                        const OperateArguments& arguments) {
  Client client;
  if (auto connected = client.connect(settings.socket); !connected) {
    return complain(connected.error(), kUnreachable);
  }
  uint64_t count = 0;
  const auto counted = walk_queue(client, arguments.filter, [&](const auto&, const auto&) {
    ++count;
    return true;
  });
  if (!counted) return complain(counted.error().text, counted.error().code);
  const bool needs_yes = operation.is_final && !arguments.yes && count > 0;
  if (needs_yes && !is_terminal(STDIN_FILENO)) {
    return complain(
        fmt::format("this is no terminal to ask at: {} messages match; say --yes", count),
        kRefused);
  }
  if (needs_yes && !is_confirmed(operation, count)) return complain("nothing was done", kRefused);
  catch_interrupt();
  Tally tally;
  std::string trouble;
  const Visit visit = [&](const std::string&, const nlohmann::json& listed) {
    if (interrupted != 0) return false;
    const auto reply = client.ask(fmt::format("queue {} {} server={}", operation.verb,
                                              listed["id"].get<std::string>(),
                                              listed["server"].get<std::string>()));
    if (!reply) {
      trouble = reply.error();
      return false;
    }
    ++(reply->ok ? tally.done : (reply->may_succeed_later ? tally.busy : tally.unchanged));
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
    if (operation.is_final) command->add_flag("--yes", arguments->yes, "do not ask");
    command->callback([&settings, &code, &operation, arguments] {
      code = operate(settings, operation, *arguments);
    });
  }
}

}  // namespace mailroot::ctl
