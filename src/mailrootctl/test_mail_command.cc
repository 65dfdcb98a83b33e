// test-mail: a real message through a virtual server's listener, and what became of it.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <thread>

#include "client.h"
#include "commands.h"
#include "line_client.h"
#include "log_line.h"
#include "log_source.h"
#include "mailroot/base/log.h"
#include "mailroot/message/trace.h"
#include "mailroot/smtp/grammar.h"
#include "site.h"
#include "test_mail.h"
#include "tool_limits.h"

namespace mailroot::ctl {

using nlohmann::json;
using nlohmann::ordered_json;
using std::chrono::steady_clock;

namespace {

constexpr int kDeferred = 3;
constexpr int kTimedOut = 4;

struct TestArguments {
  std::string to, from, server;
  int timeout_seconds = 60;
};

// Each step as it happens.
class Steps {
 public:
  explicit Steps(bool as_json) : as_json_(as_json) {}
  void say(const std::string& step, const std::string& text) const {
    const auto elapsed = steady_clock::now() - began_;
    const double seconds = std::chrono::duration<double>(elapsed).count();
    if (as_json_) {
      const ordered_json line = {{"step", step}, {"seconds", seconds}, {"text", text}};
      fmt::print("{}\n", line.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
    } else {
      fmt::print("{:7.3f} s  {:<10} {}\n", seconds, step, text);
    }
    std::fflush(stdout);
  }

 private:
  bool as_json_;
  steady_clock::time_point began_ = steady_clock::now();
};

struct Target {
  std::string server, from, host;
  SocketAddress address;
};

// The virtual server to send through: the one that is named, else the first that listens.
std::expected<Target, int> find_target(Client& client, const TestArguments& arguments) {
  const auto reply = client.ask("servers");
  if (!reply) return std::unexpected(complain(reply.error(), kUnreachable));
  if (!reply->ok) return std::unexpected(complain(reply->last, kRefused));
  bool is_known = false;
  for (const std::string& line : reply->lines) {
    const json server = json::parse(line, nullptr, false);
    const std::string id = server.value("id", "");
    if (!arguments.server.empty() && id != arguments.server) continue;
    is_known = true;
    for (const json& key : server.value("listening", json::array())) {
      const auto address = address_of_listener(key.is_string() ? key.get<std::string>() : "");
      if (!address) continue;
      std::string from = arguments.from;
      if (from.empty()) from = "postmaster@" + server.value("default_domain", "");
      return Target{id, from, server.value("fqdn", "localhost"), *address};
    }
  }
  const std::string& wanted = arguments.server;
  if (wanted.empty()) return std::unexpected(complain("no virtual server listens", kRefused));
  return std::unexpected(complain(
      fmt::format("{} \"{}\"{}", is_known ? "virtual server" : "there is no virtual server", wanted,
                  is_known ? " does not listen" : ""),
      kRefused));
}

WallTime wall_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return WallTime{std::chrono::duration_cast<WallTime::duration>(now)};
}

std::string unique_token() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return fmt::format("{:x}.{:x}", now.count(), getpid());
}

// Says one line of the conversation; nothing when the server refuses it or is gone.
std::optional<smtp::Reply> say(LineClient& client, const Steps& steps, const std::string& line,
                               int wanted_digit) {
  const auto reply = client.ask(line);
  if (!reply) {
    steps.say("failed", fmt::format("after {}: {}", line, reply.error()));
    return std::nullopt;
  }
  steps.say("smtp", fmt::format("{} -> {}", line, to_line(*reply)));
  if (static_cast<int>(reply->first_digit()) == wanted_digit) return *reply;
  steps.say("refused", to_line(*reply));
  return std::nullopt;
}

// The queue id; empty when it was not taken (which was told).
std::string hand_over(const Target& target, const std::string& to, const Steps& steps) {
  LineClient client;
  const std::chrono::seconds patience(kTestMailPatienceSeconds);
  const auto connected = client.connect(target.address, patience);
  const auto greeting = connected ? client.read_reply() : std::unexpected(connected.error());
  if (!greeting) {
    steps.say("failed", fmt::format("{}: {}", target.address.to_string(), greeting.error()));
    return {};
  }
  steps.say("connected", fmt::format("{} -> {}", target.address.to_string(), to_line(*greeting)));
  if (greeting->code != 220) {
    steps.say("refused", to_line(*greeting));
    return {};
  }
  if (!say(client, steps, "EHLO " + target.host, 2)) return {};
  if (!say(client, steps, fmt::format("MAIL FROM:<{}>", target.from), 2)) return {};
  if (!say(client, steps, fmt::format("RCPT TO:<{}>", to), 2)) return {};
  if (!say(client, steps, "DATA", 3)) return {};
  const TestMail mail{target.from, to, target.host, message::date_time(wall_now()), unique_token()};
  const auto sent = client.send(content_of(mail));
  const auto taken = sent ? client.read_reply() : std::unexpected(sent.error());
  if (!taken || taken->first_digit() != 2) {
    steps.say(taken ? "refused" : "failed", taken ? to_line(*taken) : taken.error());
    return {};
  }
  steps.say("accepted", to_line(*taken));
  const std::string id = queue_id_in(taken->text);
  if (id.empty()) steps.say("failed", "the reply names no queue id: not a mailrootd?");
  const auto goodbye = client.ask("QUIT");  // nothing hangs on its answer
  static_cast<void>(goodbye);
  return id;
}

// What the log says of a message that has left the queue: the line of its end.
std::optional<LogLine> find_end(const config::Service& service, const std::string& id) {
  std::optional<LogLine> found;
  const auto read = read_log(service, [&](std::string_view line, std::string_view time) {
    if (!line.contains(id)) return true;
    auto parsed = parse_log_line(line, time);
    const bool is_end = parsed && (parsed->event == "delivered" || parsed->event == "bounced");
    if (is_end && parsed->field("queue_id") == id) found = std::move(parsed);
    return true;
  });
  static_cast<void>(read);  // what cannot be read has not been found
  return found;
}

int tell_end(const config::Service& service, const std::string& id, const Steps& steps) {
  // The log is written behind the queue's back.
  for (int i = 0; i < kLogBehindTries; ++i) {
    if (const auto end = find_end(service, id)) {
      steps.say(end->event, fmt::format("{} {} {}", end->field("peer"), end->field("code"),
                                        end->field("reply")));
      return end->event == "delivered" ? 0 : kRefused;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kLogBehindPauseMs));
  }
  steps.say("gone", "it has left the queue; the log that would say how cannot be read here");
  return kTimedOut;
}

// Follows the message until its fate is known.
int follow(Client& client, const config::Service& service, const std::string& id,
           std::chrono::seconds timeout, const Steps& steps) {
  const auto end = steady_clock::now() + timeout;
  std::string state_before;
  while (true) {
    const auto reply = client.ask("queue show " + id);
    if (!reply) return complain(reply.error(), kUnreachable);
    if (!reply->ok && reply->last.starts_with("no message")) return tell_end(service, id, steps);
    if (!reply->ok || reply->lines.empty()) return complain(reply->last, kRefused);
    const json shown = json::parse(reply->lines.front(), nullptr, false);
    const std::string state = shown.value("state", "");
    if (is_deferred(shown)) {
      steps.say("deferred", fmt::format("{}; next attempt {}", shown.value("last_reply", ""),
                                        shown.value("next_attempt", "")));
      return kDeferred;
    }
    if (state != state_before) {
      steps.say("queued", fmt::format("{}, for {}", state, shown.value("destination", "")));
    }
    state_before = state;
    if (steady_clock::now() > end) {
      steps.say("timeout",
                fmt::format("still in the queue: {}; mailrootctl queue show {}", state, id));
      return kTimedOut;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kFollowPauseMs));
  }
}

int test_mail(const Settings& settings, const TestArguments& arguments) {
  const bool is_bad_to = !smtp::parse_mailbox(arguments.to, {});
  const bool is_bad_from = !arguments.from.empty() && !smtp::parse_mailbox(arguments.from, {});
  if (is_bad_to || is_bad_from) {
    const std::string& bad = is_bad_to ? arguments.to : arguments.from;
    return complain("no mail address: " + log::escape(bad), kRefused);
  }
  const auto site = open_site(settings);
  if (!site) return site.error();
  Client client;
  if (auto connected = client.connect(site->socket); !connected) {
    return complain(connected.error(), kUnreachable);
  }
  const auto target = find_target(client, arguments);
  if (!target) return target.error();
  const Steps steps(settings.json);
  steps.say("server", fmt::format("{}, from {} to {}", target->server, target->from, arguments.to));
  const std::string id = hand_over(*target, arguments.to, steps);
  if (id.empty()) return kRefused;
  return follow(client, site->snapshot.service, id, std::chrono::seconds(arguments.timeout_seconds),
                steps);
}

}  // namespace

void add_test_mail(CLI::App& app, const Settings& settings, int& code) {
  const auto arguments = std::make_shared<TestArguments>();
  auto* command = app.add_subcommand(
      "test-mail",
      "send a message through a virtual server and follow it; exit code 0 delivered, 1 refused or "
      "bounced, 3 deferred, 4 not known in time");
  command->add_option("--to", arguments->to, "recipient")->required();
  command->add_option("--from", arguments->from, "sender (postmaster of the server's domain)");
  command->add_option("--server", arguments->server, "virtual server (the first that listens)");
  command->add_option("--timeout", arguments->timeout_seconds, "seconds to follow it")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
  command->callback([&settings, &code, arguments] { code = test_mail(settings, *arguments); });
}

}  // namespace mailroot::ctl
