#include "options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "text.h"

namespace mailroot::bench {
namespace {

struct RawOptions {
  std::string listen = "127.0.0.1:0";
  std::string size_limit = "1G";
  bool allow_network = false;
  std::vector<std::string> replies;
  std::vector<std::string> stalls;
  std::vector<std::string> closes;
  std::vector<std::string> resets;
  std::vector<std::string> garbage;
  std::vector<std::string> delays;
  std::vector<std::string> lines;
};

void declare_service(CLI::App& app, Options& options, RawOptions& raw) {
  app.add_option("--listen", raw.listen, "Address and port; port 0 takes a free one and prints it");
  app.add_flag("--allow-network", raw.allow_network, "Permit an address that is not on loopback");
  app.add_option("--name", options.name, "Name in the greeting");
  app.add_option("--threads", options.threads, "Threads")->check(CLI::Range(1, 64));
  app.add_option("--disable", options.disabled, "EHLO keyword not to offer (repeatable)");
  app.add_option("--size-limit", raw.size_limit, "Largest message; K, M, G");
  app.add_option("--recipients-limit", options.recipients_limit, "Recipients of one message");
  app.add_option("--capture", options.capture,
                 "Directory for N.eml (the content, byte for byte) and N.json (the envelope, "
                 "written last)");
  app.add_option("--log", options.log,
                 "Append a line per message: Message-ID, sequence, size, CRC-32C, whole|damaged|-, "
                 "violations, recipients");
  app.add_flag("--latency", options.latency, "Measure from mailroot-source's time stamp");
  app.add_option("--expect", options.expect, "End after this many messages");
  app.add_option("--close-after", options.close_after, "Messages per connection, then 421");
  app.add_flag("--json", options.json, "Print the totals as one JSON object");
}

void declare_misbehaviour(CLI::App& app, Options& options, RawOptions& raw) {
  app.add_option("--reply", raw.replies,
                 "VERB[/TEXT]=CODE[:REPLY][%PERCENT][#COUNT]: answer so (repeatable). Verbs are "
                 "SMTP's and CONNECT, BODY, END, *");
  app.add_option("--stall", raw.stalls,
                 "VERB[/TEXT][%PERCENT][#COUNT]: never answer, stop reading");
  app.add_option("--close", raw.closes, "VERB...: close the connection without an answer");
  app.add_option("--reset", raw.resets, "VERB...: reset the connection");
  app.add_option("--garbage", raw.garbage, "VERB...: answer with bytes that are no reply");
  app.add_option("--delay-ms", raw.delays, "[VERB=]N: wait before answering");
  app.add_option("--multiline", raw.lines, "[VERB=]N: N continuation lines before the reply");
  app.add_option("--slow-bytes", options.misbehaviour.byte_interval_ms,
                 "Replies one byte at a time, this many milliseconds apart (default 1)")
      ->expected(0, 1)
      ->default_str("1");
  app.add_option("--seed", options.misbehaviour.seed, "Seed of the chances");
}

bool complain(std::string_view option, std::string_view reason) {
  fmt::print(stderr, "mailroot-sink: {}: {}\n", option, reason);
  return false;
}

bool read_faults(const std::vector<std::string>& texts, std::string_view option, Fault fault,
                 Misbehaviour& plan) {
  for (const std::string& text : texts) {
    auto trigger = parse_trigger(text);
    if (!trigger) {
      return complain(option, trigger.error());
    }
    plan.rules.push_back({.fault = fault, .trigger = *trigger, .code = 0, .reply = {}});
  }
  return true;
}

bool read_amounts(const std::vector<std::string>& texts, std::string_view option,
                  std::vector<std::pair<Trigger, uint32_t>>& amounts) {
  for (const std::string& text : texts) {
    auto amount = parse_amount(text);
    if (!amount) {
      return complain(option, amount.error());
    }
    amounts.push_back(*amount);
  }
  return true;
}

bool read_misbehaviour(const RawOptions& raw, Misbehaviour& plan) {
  if (!read_faults(raw.closes, "--close", Fault::close, plan) ||
      !read_faults(raw.resets, "--reset", Fault::reset, plan) ||
      !read_faults(raw.stalls, "--stall", Fault::stall, plan) ||
      !read_faults(raw.garbage, "--garbage", Fault::garbage, plan)) {
    return false;
  }
  for (const std::string& text : raw.replies) {
    auto rule = parse_reply_rule(text);
    if (!rule) {
      return complain("--reply", rule.error());
    }
    plan.rules.push_back(*rule);
  }
  return read_amounts(raw.delays, "--delay-ms", plan.delays_ms) &&
         read_amounts(raw.lines, "--multiline", plan.extra_lines);
}

}  // namespace

bool Options::offers(std::string_view keyword) const {
  return std::ranges::none_of(disabled,
                              [&](const std::string& word) { return same_word(word, keyword); });
}

std::optional<Options> read_options(int argc, char** argv, int& exit_code) {
  CLI::App app{"mailroot-sink: an SMTP server that keeps nothing, for measuring and testing"};
  Options options;
  RawOptions raw;
  declare_service(app, options, raw);
  declare_misbehaviour(app, options, raw);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error) == 0 ? 0 : 2;
    return std::nullopt;
  }
  exit_code = 2;
  auto address = parse_address(raw.listen);
  if (!address) {
    complain("--listen", address.error());
    return std::nullopt;
  }
  if (!is_loopback(*address) && !raw.allow_network) {
    complain("--listen", "not a loopback address; --allow-network permits it");
    return std::nullopt;
  }
  auto limit = parse_size(raw.size_limit);
  if (!limit) {
    complain("--size-limit", "write 4096, 4K, 10M, 1G");
    return std::nullopt;
  }
  if (!read_misbehaviour(raw, options.misbehaviour)) {
    return std::nullopt;
  }
  options.listen = *address;
  options.size_limit_bytes = *limit;
  return options;
}

}  // namespace mailroot::bench
