// trace: the whole story of a message, from the log and the queue.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "client.h"
#include "commands.h"
#include "log_source.h"
#include "mailroot/base/log.h"
#include "mailroot/base/queue_id.h"
#include "mailroot/smtp/grammar.h"
#include "queue_walk.h"
#include "site.h"
#include "tool_limits.h"
#include "trace_story.h"

namespace mailroot::ctl {

using nlohmann::json;
using nlohmann::ordered_json;

namespace {

struct TraceArguments {
  std::string what, server, log;
  uint64_t max = 100;
};

// Where was looked, and what could not be.
struct Looked {
  config::Service service;
  std::string log_place, log_trouble, queue_trouble;
  uint64_t lines = 0;
};

std::string place_of(const config::Service& service) {
  if (service.log_target == config::LogTarget::journal) {
    return "the journal (journalctl -u mailroot)";
  }
  if (service.log_target != config::LogTarget::file) return "the log";
  std::string places;
  for (const std::string& file : log_files(service.log_file)) {
    places += (places.empty() ? "" : ", ") + file;
  }
  return places.empty() ? service.log_file : places;
}

// Calls `see` for each line of the log that may be of use.
void scan_log(Looked& looked, const std::function<void(const LogLine&)>& see) {
  const bool at_terminal = isatty(STDERR_FILENO) == 1;
  looked.lines = 0;
  const auto read = read_log(looked.service, [&](std::string_view line, std::string_view time) {
    if (++looked.lines % kProgressLines == 0 && at_terminal) {
      fmt::print(stderr, "\r{} lines of the log", looked.lines);
    }
    if (!line.contains("id") && !line.contains("report")) return true;
    if (const auto parsed = parse_log_line(line, time)) see(*parsed);
    return true;
  });
  if (looked.lines >= kProgressLines && at_terminal) fmt::print(stderr, "\n");
  looked.log_trouble = read ? "" : read.error();
}

// Ids of messages in the queue that name the address; not more than kTraceQueueMax are looked at.
std::set<std::string> find_in_queue(Looked& looked, Client& client,
                                    const TraceArguments& arguments) {
  std::set<std::string> out;
  uint64_t seen = 0;
  QueueFilter filter;
  filter.server = arguments.server;
  const auto walked = walk_queue(client, filter, [&](const std::string&, const json& listed) {
    if (++seen > kTraceQueueMax || out.size() >= arguments.max) return false;
    const std::string id = listed.value("id", "");
    const auto reply = client.ask("queue show " + id);
    if (!reply || !reply->ok) return reply.has_value();
    for (const std::string& line : reply->lines) {
      const json shown = json::parse(line, nullptr, false);
      if (!shown.is_object()) continue;
      bool names = smtp::equals_ignoring_case(shown.value("from", ""), arguments.what);
      for (const json& to : shown.value("to", json::array())) {
        names = names || smtp::equals_ignoring_case(to.value("address", ""), arguments.what);
      }
      if (names) out.insert(id);
    }
    return true;
  });
  if (!walked) looked.queue_trouble = walked.error().text;
  if (seen > kTraceQueueMax) {
    looked.queue_trouble = fmt::format("only the first {} messages were looked at", kTraceQueueMax);
  }
  return out;
}

// What the queue says of a message now, by its server.
std::map<std::string, json> ask_queue(Looked& looked, Client& client, const std::string& id,
                                      const std::string& server) {
  std::map<std::string, json> out;
  const auto reply = client.ask("queue show " + id);
  if (!reply) looked.queue_trouble = reply.error();
  if (!reply || !reply->ok) return out;
  for (const std::string& line : reply->lines) {
    json shown = json::parse(line, nullptr, false);
    if (!shown.is_object()) continue;
    const std::string its = shown.value("server", "");
    if (server.empty() || server == its) out.emplace(its, std::move(shown));
  }
  return out;
}

std::string end_of(const Story& story, const json* queued) {
  if (queued != nullptr) return queued->value("state", "waiting");
  return story.end.empty() ? "unknown" : story.end;
}

void show_json(const Story& story, const json* queued) {
  ordered_json events = ordered_json::array();
  for (const LogLine& line : story.events) {
    ordered_json event = {{"time", line.time}, {"event", line.event}};
    for (const auto& [key, value] : line.fields) event[key] = value;
    events.push_back(std::move(event));
  }
  const ordered_json out = {{"id", story.id},
                            {"server", story.server},
                            {"end", end_of(story, queued)},
                            {"events", std::move(events)},
                            {"events_left_out", story.left_out},
                            {"queue", queued == nullptr ? ordered_json() : ordered_json(*queued)}};
  fmt::print("{}\n", out.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
}

void show_queued(const json& queued) {
  fmt::print("  now in the queue, {}, {} attempt{}, next {}, for {}\n", queued.value("state", ""),
             queued.value("attempts", 0), queued.value("attempts", 0) == 1 ? "" : "s",
             queued.value("next_attempt", ""), log::escape(queued.value("destination", "")));
  for (const json& to : queued.value("to", json::array())) {
    fmt::print("    <{}>  {}\n", log::escape(to.value("address", "")), to.value("status", ""));
  }
}

void show_text(const Story& story, const json* queued, const Looked& looked) {
  fmt::print("{}{}\n", story.id,
             story.server.empty() ? "" : fmt::format("  (virtual server {})", story.server));
  for (const LogLine& line : story.events) {
    fmt::print("  {:<24} {:>10}  {:<10} {}\n", line.time,
               lapse(story.events.front().time, line.time), line.event, sentence_of(line));
  }
  if (story.left_out > 0) fmt::print("  and {} more lines\n", story.left_out);
  if (queued != nullptr) {
    show_queued(*queued);
  } else if (looked.queue_trouble.empty()) {
    fmt::print("  no longer in the queue{}\n",
               story.end.empty() ? "; the log does not tell how it ended" : "");
  }
}

int say_not_found(const TraceArguments& arguments, const Looked& looked) {
  const std::string log = looked.log_trouble.empty()
                              ? fmt::format("{} ({} lines)", looked.log_place, looked.lines)
                              : "the log, but " + looked.log_trouble;
  const std::string queue =
      looked.queue_trouble.empty() ? "the queue" : "not all of the queue: " + looked.queue_trouble;
  return complain(
      fmt::format("nothing is known of {}; looked into {}, and {}", arguments.what, log, queue),
      kRefused);
}

int tell(const Settings& settings, const TraceArguments& arguments, Looked& looked, Client& client,
         const std::set<std::string>& ids) {
  Stories stories(ids, arguments.server);
  if (!ids.empty()) scan_log(looked, [&](const LogLine& line) { stories.add(line); });
  std::vector<Story> told = stories.take();
  std::map<std::string, std::map<std::string, json>> queued;
  for (const std::string& id : ids) {
    if (looked.queue_trouble.empty()) {
      queued[id] = ask_queue(looked, client, id, arguments.server);
    }
    for (const auto& [server, shown] : queued[id]) {
      const bool has_story = std::ranges::any_of(
          told, [&](const Story& story) { return story.id == id && story.server == server; });
      if (!has_story) told.push_back({id, server, {}, 0, ""});
    }
  }
  if (told.empty()) return say_not_found(arguments, looked);
  for (const Story& story : told) {
    const auto& of_id = queued[story.id];
    const auto found = of_id.find(story.server);
    const json* const now = found == of_id.end() ? nullptr : &found->second;
    if (settings.json) {
      show_json(story, now);
    } else {
      show_text(story, now, looked);
    }
  }
  std::fflush(stdout);
  if (!looked.log_trouble.empty()) complain("the log: " + looked.log_trouble, 0);
  if (!looked.queue_trouble.empty()) complain("the queue: " + looked.queue_trouble, 0);
  return 0;
}

// The log that is looked into: --log, else that of the configuration.
std::expected<Looked, int> find_log(const Settings& settings, const TraceArguments& arguments,
                                    std::string& socket) {
  Looked looked;
  if (arguments.log.empty()) {
    auto site = open_site(settings);
    if (!site) return std::unexpected(site.error());
    looked.service = site->snapshot.service;
    socket = site->socket;
  } else {
    std::error_code ignored;
    looked.service.log_target = config::LogTarget::file;
    looked.service.log_file = std::filesystem::absolute(arguments.log, ignored).string();
  }
  looked.log_place = place_of(looked.service);
  return looked;
}

int trace(const Settings& settings, const TraceArguments& arguments) {
  const bool is_id = parse_queue_id(arguments.what).has_value();
  if (!is_id && !smtp::parse_mailbox(arguments.what, {})) {
    return complain("neither a queue id nor a mail address: " + log::escape(arguments.what),
                    kRefused);
  }
  std::string socket = settings.socket;
  auto looked = find_log(settings, arguments, socket);
  if (!looked) return looked.error();
  Client client;
  if (auto connected = client.connect(socket); !connected) {
    looked->queue_trouble = connected.error();
  }
  if (is_id) return tell(settings, arguments, *looked, client, {arguments.what});
  AddressHits hits(arguments.what, arguments.max);
  scan_log(*looked, [&](const LogLine& line) { hits.add(line); });
  std::set<std::string> ids = hits.ids();
  if (looked->queue_trouble.empty()) ids.merge(find_in_queue(*looked, client, arguments));
  const int code = tell(settings, arguments, *looked, client, ids);
  if (hits.left_out() > 0) {
    const char* const what = hits.left_out() == 1 ? "message is" : "messages are";
    complain(fmt::format("{} older {} not shown (--max)", hits.left_out(), what), 0);
  }
  return code;
}

}  // namespace

void add_trace(CLI::App& app, const Settings& settings, int& code) {
  const auto arguments = std::make_shared<TraceArguments>();
  auto* command = app.add_subcommand(
      "trace", "the whole story of a message, or of all of an address, from the log and the queue");
  command
      ->add_option("ID|ADDRESS", arguments->what, "queue id, or a sender's or recipient's address")
      ->required();
  command->add_option("--server", arguments->server, "only of this virtual server");
  command->add_option("--log", arguments->log,
                      "a log file, with its rotated ones, instead of the configured log");
  command->add_option("--max", arguments->max, "messages of an address, the newest")
      ->check(CLI::Range(uint64_t{1}, uint64_t{10'000}))
      ->capture_default_str();
  command->callback([&settings, &code, arguments] { code = trace(settings, *arguments); });
}

}  // namespace mailroot::ctl
