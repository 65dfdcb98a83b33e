#include "commands.h"

#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "json_views.h"
#include "limits.h"
#include "metric_text.h"

namespace mailroot::control {

using nlohmann::ordered_json;
using reactor::task;
using server::Supervisor;

namespace {

// Words, and key=value words by key.
struct Command {
  std::vector<std::string> words;
  std::map<std::string, std::string> options;
  std::string word(size_t index) const { return index < words.size() ? words[index] : ""; }
};

Command split(std::string_view line) {
  Command command;
  size_t at = 0;
  while ((at = line.find_first_not_of(" \t\r", at)) != std::string_view::npos) {
    const size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
    const std::string_view word = line.substr(at, end - at);
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos) {
      command.words.emplace_back(word);
    } else {
      command.options.emplace(word.substr(0, equals), word.substr(equals + 1));
    }
    at = end;
  }
  return command;
}

// Invalid UTF-8 (a peer's address) must not make an answer impossible.
std::string dump(const ordered_json& json) {
  return json.dump(-1, ' ', true, ordered_json::error_handler_t::replace);
}

std::string line_of(const ordered_json& json) { return "250-" + dump(json) + "\n"; }
std::string failure(const std::string& text) { return "550 " + text + "\n"; }

std::optional<uint64_t> number(const Command& command, const std::string& key, uint64_t absent) {
  const auto found = command.options.find(key);
  if (found == command.options.end()) return absent;
  uint64_t value = 0;
  const std::string& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string option(const Command& command, const std::string& key) {
  const auto found = command.options.find(key);
  return found == command.options.end() ? std::string() : found->second;
}

task<std::string> show_servers(Supervisor& supervisor) {
  std::string out;
  const auto views = co_await supervisor.servers();
  for (const auto& view : views) out += line_of(to_json(view));
  co_return out + "250 " + std::to_string(views.size()) + " virtual servers\n";
}

task<std::string> show_status(Supervisor& supervisor) {
  ordered_json status = to_json(supervisor.service());
  ordered_json servers = ordered_json::array();
  const auto views = co_await supervisor.servers();
  for (const auto& view : views) servers.push_back(to_json(view));
  status["servers"] = std::move(servers);
  co_return line_of(status) + "250 ok\n";
}

task<std::string> show_metrics(reactor::Reactor& control, Supervisor& supervisor) {
  const ordered_json text = co_await metrics_text(control, supervisor);
  co_return line_of(text) + "250 ok\n";
}

// Why what is asked about one virtual server cannot be answered; "" when it can, or all are meant.
std::string unknown_server(const Supervisor& supervisor, const Command& command) {
  const std::string id = option(command, "server");
  if (id.empty() || supervisor.knows(id)) return "";
  return failure("there is no virtual server " + id);
}

task<std::string> list_queue(Supervisor& supervisor, const Command& command) {
  std::string unknown = unknown_server(supervisor, command);
  if (!unknown.empty()) co_return unknown;
  const auto cursor = number(command, "cursor", 0);
  const auto max = number(command, "max", kQueuePageDefault);
  if (!cursor || !max || *max == 0 || *max > kQueuePageMax) {
    co_return failure("cursor and max are numbers, max from 1 to " + std::to_string(kQueuePageMax));
  }
  const auto page = co_await supervisor.list_queue(option(command, "server"), *cursor,
                                                   static_cast<uint32_t>(*max));
  const auto [now, wall] = supervisor.moment();
  std::string out;
  for (const auto& entry : page.entries) out += line_of(to_json(entry, now, wall));
  co_return out + "250 next=" + std::to_string(page.next_cursor) + "\n";
}

task<std::string> list_destinations(Supervisor& supervisor, const Command& command) {
  std::string unknown = unknown_server(supervisor, command);
  if (!unknown.empty()) co_return unknown;
  const auto max = number(command, "max", kQueuePageDefault);
  if (!max || *max == 0 || *max > kQueuePageMax) {
    co_return failure("max is a number from 1 to " + std::to_string(kQueuePageMax));
  }
  const auto list =
      co_await supervisor.destinations(option(command, "server"), static_cast<uint32_t>(*max));
  const auto [now, wall] = supervisor.moment();
  std::string out;
  for (const auto& entry : list.entries) out += line_of(to_json(entry, now));
  const std::string rest = list.is_complete ? "" : ", there are more";
  co_return out + "250 " + std::to_string(list.entries.size()) + " destinations" + rest + "\n";
}

task<std::string> list_connections(Supervisor& supervisor, const Command& command) {
  std::string unknown = unknown_server(supervisor, command);
  if (!unknown.empty()) co_return unknown;
  const auto max = number(command, "max", kQueuePageDefault);
  if (!max || *max == 0 || *max > kQueuePageMax) {
    co_return failure("max is a number from 1 to " + std::to_string(kQueuePageMax));
  }
  const std::string start = option(command, "after");
  const auto after = server::ConnectionName::parse(start);
  if (!start.empty() && !after) co_return failure("after is the id of a connection");
  const auto page = co_await supervisor.connections(option(command, "server"), after,
                                                    static_cast<uint32_t>(*max));
  const auto [now, wall] = supervisor.moment();
  std::string out;
  for (const auto& entry : page.entries) out += line_of(to_json(entry, now, wall));
  const std::string next = page.has_more ? page.entries.back().name.to_string() : "";
  co_return out + "250 next=" + next + "\n";
}

task<std::string> close_connection(Supervisor& supervisor, const Command& command) {
  const std::string what = command.word(2);
  const auto name = server::ConnectionName::parse(what);
  if (!name) co_return failure("a connection's id looks like default/in0.17, see connections list");
  const auto result = co_await supervisor.close_connection(*name);
  switch (result) {
    case deliver::CloseResult::closed:
      co_return "250 closed\n";
    case deliver::CloseResult::final_reply:
      co_return "450 the next hop of " + what +
          " has a whole message and is about to answer; closing now could double it\n";
    case deliver::CloseResult::not_found:
      break;
  }
  co_return failure("no connection " + what + " is open");
}

task<std::string> run_connections(Supervisor& supervisor, const Command& command, Right right) {
  const std::string verb = command.word(1);
  if (verb == "list") {
    auto listed = co_await list_connections(supervisor, command);
    co_return listed;
  }
  if (verb != "close") co_return failure("connections knows list and close");
  if (right != Right::change) co_return "530 you may look, but not change\n";
  auto closed = co_await close_connection(supervisor, command);
  co_return closed;
}

std::string run_bans(Supervisor& supervisor, const Command& command, Right right) {
  const std::string verb = command.word(1);
  if (verb == "list") {
    std::string out;
    const auto bans = supervisor.login_bans(option(command, "server"));
    for (const server::LoginBan& ban : bans) out += line_of(to_json(ban));
    return out + "250 " + std::to_string(bans.size()) + " bans\n";
  }
  const std::string who = command.word(2);
  if (verb != "end" || who.empty()) return failure("bans knows list, and end with who or all");
  if (right != Right::change) return "530 you may look, but not change\n";
  const size_t ended =
      supervisor.clear_login_bans(option(command, "server"), who == "all" ? "" : who);
  if (ended == 0 && who != "all") return failure(who + " is not banned");
  return "250 " + std::to_string(ended) + " ended\n";
}

task<std::string> show_message(Supervisor& supervisor, const Command& command) {
  const auto id = parse_queue_id(command.word(2));
  if (!id) co_return failure("a queue id has 20 characters, 0-9 and A-F");
  const auto found = co_await supervisor.show(*id);
  if (found.empty()) co_return failure("no message " + command.word(2) + " is in a queue");
  const auto [now, wall] = supervisor.moment();
  std::string out;
  for (const auto& detail : found) out += line_of(to_json(detail, now, wall));
  co_return out + "250 " + std::to_string(found.size()) + " found\n";
}

task<std::string> retry(Supervisor& supervisor, const Command& command) {
  std::string unknown = unknown_server(supervisor, command);
  if (!unknown.empty()) co_return unknown;
  const std::string what = command.word(2);
  const auto id = parse_queue_id(what);
  if (what != "all" && !id) co_return failure("queue retry takes a queue id or \"all\"");
  const auto report = co_await supervisor.retry(option(command, "server"), id);
  if (id && report.messages == 0) {
    co_return failure("message " + what + " does not wait in a queue");
  }
  const ordered_json json = {{"messages", report.messages}};
  co_return line_of(json) + "250 " + std::to_string(report.messages) + " to be tried now\n";
}

std::optional<deliver::OperatorAction> operator_action(const std::string& verb) {
  using enum deliver::OperatorAction;
  if (verb == "hold") return hold;
  if (verb == "release") return release;
  if (verb == "bounce") return bounce;
  if (verb == "delete") return discard;
  return std::nullopt;
}

std::string answer_of(deliver::OperatorResult result, const std::string& id) {
  switch (result) {
    case deliver::OperatorResult::done:
      return "250 done\n";
    case deliver::OperatorResult::not_stored:
      return "250 done; the disk refuses to store it, which is tried again until it works\n";
    case deliver::OperatorResult::no_message:
      return failure("no message " + id + " is in a queue");
    case deliver::OperatorResult::in_delivery:
      return "450 message " + id + " is being delivered at this moment; try again\n";
    case deliver::OperatorResult::unreadable:
      return "450 message " + id + " cannot be read now; nothing was changed\n";
    case deliver::OperatorResult::no_change:
      return failure("message " + id + " is that already");
    case deliver::OperatorResult::stopping:
      break;
  }
  return "450 the virtual server is being stopped\n";
}

task<std::string> operate(Supervisor& supervisor, const Command& command,
                          deliver::OperatorAction action) {
  const std::string what = command.word(2);
  const auto id = parse_queue_id(what);
  if (!id) co_return failure("a queue id has 20 characters, 0-9 and A-F");
  const auto result = co_await supervisor.operate(option(command, "server"), *id, action);
  co_return answer_of(result, what);
}

task<std::string> move_message(Supervisor& supervisor, const Command& command) {
  const std::string what = command.word(2);
  const auto id = parse_queue_id(what);
  const std::string to = option(command, "to");
  if (!id || to.empty()) co_return failure("queue move takes a queue id and to=SERVER");
  const auto moved = co_await supervisor.move(option(command, "server"), *id, to);
  if (!moved) co_return failure("message " + what + ": " + moved.error());
  co_return answer_of(*moved, what);
}

ordered_json to_json(const std::vector<config::ChangedKey>& changes) {
  ordered_json out = ordered_json::array();
  for (const config::ChangedKey& change : changes) {
    out.push_back({{"key", change.path},
                   {"before", change.before},
                   {"after", change.after},
                   {"change", to_string(change.reload)}});
  }
  return out;
}

task<std::string> config_diff(Supervisor& supervisor) {
  const auto preview = co_await supervisor.preview_reload();
  ordered_json servers = ordered_json::array();
  for (const server::ServerPreview& one : preview.servers) {
    servers.push_back({{"id", one.id},
                       {"action", one.action},
                       {"reason", one.reason},
                       {"is_new", one.is_new},
                       {"opens", one.opens},
                       {"closes", one.closes},
                       {"adopts", one.adopts},
                       {"changes", to_json(one.changes)}});
  }
  const ordered_json json = {{"problems", preview.problems},
                             {"service", to_json(preview.service)},
                             {"servers", std::move(servers)},
                             {"warnings", preview.warnings}};
  co_return line_of(json) + "250 ok\n";
}

// JSON knows text only: each character stands for the byte of its number.
std::string one_character_a_byte(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xC0 | byte >> 6);
      out += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return out;
}

task<std::string> cat_message(Supervisor& supervisor, const Command& command) {
  const std::string what = command.word(2);
  const auto id = parse_queue_id(what);
  const auto offset = number(command, "offset", 0);
  if (!id || !offset) co_return failure("queue cat takes a queue id, and offset is a number");
  const auto piece = co_await supervisor.content(option(command, "server"), *id, *offset);
  if (!piece) co_return failure("no message " + what + " is in a queue");
  if (!piece->has_value()) {
    co_return "450 message " + what +
        " cannot be read now: " + std::string(describe(piece->error().code)) + "\n";
  }
  const server::MessagePiece& found = **piece;
  const ordered_json json = {{"id", what},
                             {"server", found.server},
                             {"size", found.total_bytes},
                             {"offset", *offset},
                             {"bytes", one_character_a_byte(found.bytes)}};
  co_return line_of(json) + "250 ok\n";
}

task<std::string> run_queue(Supervisor& supervisor, const Command& command, Right right) {
  const std::string verb = command.word(1);
  if (verb == "list") {
    auto listed = co_await list_queue(supervisor, command);
    co_return listed;
  }
  if (verb == "show") {
    auto shown = co_await show_message(supervisor, command);
    co_return shown;
  }
  const auto action = operator_action(verb);
  if (verb != "retry" && verb != "cat" && verb != "move" && !action) {
    co_return failure("queue knows list, show, cat, retry, hold, release, bounce, delete and move");
  }
  if (right != Right::change) {
    co_return verb == "cat" ? "530 you may look at the queue, but not read mail\n"
                            : "530 you may look, but not change\n";
  }
  if (verb == "cat") {
    auto piece = co_await cat_message(supervisor, command);
    co_return piece;
  }
  if (verb == "move") {
    auto reply = co_await move_message(supervisor, command);
    co_return reply;
  }
  if (action) {
    auto reply = co_await operate(supervisor, command, *action);
    co_return reply;
  }
  auto retried = co_await retry(supervisor, command);
  co_return retried;
}

task<std::string> reload(Supervisor& supervisor) {
  const auto report = co_await supervisor.reload();
  const ordered_json json = {{"applied", report.applied},
                             {"problems", report.problems},
                             {"changes", report.changes},
                             {"warnings", report.warnings}};
  if (report.applied) co_return line_of(json) + "250 applied\n";
  co_return "550-" + dump(json) + "\n550 refused, the running configuration stays\n";
}

task<std::string> change_state(Supervisor& supervisor, const Command& command) {
  const std::string verb = command.word(0);
  const std::string id = command.word(1);
  if (id.empty()) co_return failure(verb + " needs the id of a virtual server");
  std::expected<void, std::string> done;
  if (verb == "start") {
    done = co_await supervisor.start_server(id);
  } else if (verb == "stop") {
    done = co_await supervisor.stop_server(id);
  } else if (verb == "pause") {
    done = co_await supervisor.pause_server(id);
  } else {
    done = co_await supervisor.continue_server(id);
  }
  if (!done) co_return failure("virtual server " + id + ": " + done.error());
  co_return "250 done\n";
}

}  // namespace

task<std::string> run_command(reactor::Reactor& control, Supervisor& supervisor, std::string line,
                              Right right) {
  if (right == Right::none) {
    co_return "530 not permitted: members of mailroot-view may look, of mailroot-admin change\n";
  }
  const Command command = split(line);
  const std::string verb = command.word(0);
  if (verb == "status") {
    auto reply = co_await show_status(supervisor);
    co_return reply;
  }
  if (verb == "servers") {
    auto reply = co_await show_servers(supervisor);
    co_return reply;
  }
  if (verb == "destinations") {
    auto reply = co_await list_destinations(supervisor, command);
    co_return reply;
  }
  if (verb == "connections") {
    auto reply = co_await run_connections(supervisor, command, right);
    co_return reply;
  }
  if (verb == "bans") co_return run_bans(supervisor, command, right);
  if (verb == "metrics") {
    auto reply = co_await show_metrics(control, supervisor);
    co_return reply;
  }
  if (verb == "config") {
    if (command.word(1) != "diff") co_return failure("config knows diff");
    auto reply = co_await config_diff(supervisor);
    co_return reply;
  }
  if (verb == "queue") {
    auto reply = co_await run_queue(supervisor, command, right);
    co_return reply;
  }
  const bool changes_state =
      verb == "start" || verb == "stop" || verb == "pause" || verb == "continue";
  if (verb != "reload" && !changes_state) {
    co_return "500 unknown command; known: status servers queue destinations connections bans "
              "metrics config start stop pause continue reload\n";
  }
  if (right != Right::change) co_return "530 you may look, but not change\n";
  if (verb == "reload") {
    auto reply = co_await reload(supervisor);
    co_return reply;
  }
  auto reply = co_await change_state(supervisor, command);
  co_return reply;
}

}  // namespace mailroot::control
