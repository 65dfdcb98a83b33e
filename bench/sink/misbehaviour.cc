#include "misbehaviour.h"

#include <fmt/format.h>

#include <algorithm>

#include "text.h"

namespace mailroot::bench {
namespace {

constexpr std::string_view kVerbs[] = {"CONNECT", "EHLO", "HELO", "MAIL", "RCPT",
                                       "DATA",    "BDAT", "BODY", "END",  "RSET",
                                       "NOOP",    "QUIT", "VRFY", "HELP", "*"};

std::expected<void, std::string> take_number(std::string_view& text, char mark, uint64_t most,
                                             uint64_t& number) {
  size_t at = text.rfind(mark);
  if (at == std::string_view::npos) {
    return {};
  }
  auto value = parse_number(text.substr(at + 1));
  if (!value) {
    return {};  // the mark is part of a reply's text
  }
  if (*value > most) {
    return std::unexpected(fmt::format("{} after '{}' is more than {}", *value, mark, most));
  }
  number = *value;
  text = text.substr(0, at);
  return {};
}

}  // namespace

std::expected<Trigger, std::string> parse_trigger(std::string_view text) {
  Trigger trigger;
  uint64_t percent = 100;
  if (auto ok = take_number(text, '#', UINT64_MAX, trigger.count); !ok) {
    return std::unexpected(ok.error());
  }
  if (auto ok = take_number(text, '%', 100, percent); !ok) {
    return std::unexpected(ok.error());
  }
  trigger.percent = static_cast<uint32_t>(percent);
  size_t slash = text.find('/');
  std::string_view verb = text.substr(0, slash);
  if (slash != std::string_view::npos) {
    trigger.text = text.substr(slash + 1);
  }
  const auto* known = std::ranges::find_if(
      kVerbs, [&](std::string_view candidate) { return same_word(candidate, verb); });
  if (known == std::end(kVerbs)) {
    return std::unexpected(fmt::format("'{}' is no verb; known: {}", verb, fmt::join(kVerbs, " ")));
  }
  trigger.verb = *known;
  return trigger;
}

std::expected<Rule, std::string> parse_reply_rule(std::string_view text) {
  size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return std::unexpected(fmt::format("'{}': write VERB=CODE[:TEXT][%PERCENT][#COUNT]", text));
  }
  std::string_view verb = text.substr(0, equals);
  std::string_view rest = text.substr(equals + 1);
  uint64_t percent = 100;
  uint64_t count = 0;
  if (auto ok = take_number(rest, '#', UINT64_MAX, count); !ok) {
    return std::unexpected(ok.error());
  }
  if (auto ok = take_number(rest, '%', 100, percent); !ok) {
    return std::unexpected(ok.error());
  }
  auto trigger = parse_trigger(verb);
  if (!trigger) {
    return std::unexpected(trigger.error());
  }
  trigger->percent = static_cast<uint32_t>(percent);
  trigger->count = count;
  auto code = parse_number(rest.substr(0, 3));
  if (!code || *code < 200 || *code > 599 || (rest.size() > 3 && rest[3] != ':')) {
    return std::unexpected(fmt::format("'{}' is no reply: write CODE or CODE:TEXT", rest));
  }
  Rule rule{
      .fault = Fault::reply, .trigger = *trigger, .code = static_cast<int>(*code), .reply = {}};
  rule.reply = rest.size() > 4 ? std::string(rest.substr(4)) : "as the test asked";
  return rule;
}

std::expected<std::pair<Trigger, uint32_t>, std::string> parse_amount(std::string_view text) {
  size_t equals = text.find('=');
  std::string_view verb = equals == std::string_view::npos ? "*" : text.substr(0, equals);
  std::string_view digits = equals == std::string_view::npos ? text : text.substr(equals + 1);
  auto trigger = parse_trigger(verb);
  if (!trigger) {
    return std::unexpected(trigger.error());
  }
  auto number = parse_number(digits);
  if (!number || *number > 10'000'000) {
    return std::unexpected(fmt::format("'{}' is no number up to 10,000,000", digits));
  }
  return std::pair(*trigger, static_cast<uint32_t>(*number));
}

Mischief::Mischief(const Misbehaviour& plan, uint64_t thread)
    : plan_(plan), state_(plan.seed * 0x9e3779b97f4a7c15U + thread + 1) {}

uint64_t Mischief::random() {
  // splitmix64: the same --seed gives the same faults on one thread.
  uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

bool Mischief::applies(const Trigger& trigger, std::string_view verb, std::string_view line) {
  if (trigger.verb != "*" && trigger.verb != verb) {
    return false;
  }
  if (!trigger.text.empty() && line.find(trigger.text) == std::string_view::npos) {
    return false;
  }
  if (trigger.count != 0 && used_[&trigger] >= trigger.count) {
    return false;
  }
  if (trigger.percent < 100 && random() % 100 >= trigger.percent) {
    return false;
  }
  if (trigger.count != 0) {
    ++used_[&trigger];
  }
  return true;
}

const Rule* Mischief::rule_for(std::string_view verb, std::string_view line) {
  for (const Rule& rule : plan_.rules) {
    if (applies(rule.trigger, verb, line)) {
      return &rule;
    }
  }
  return nullptr;
}

uint32_t Mischief::delay_ms(std::string_view verb, std::string_view line) {
  for (const auto& [trigger, amount] : plan_.delays_ms) {
    if (applies(trigger, verb, line)) {
      return amount;
    }
  }
  return 0;
}

uint32_t Mischief::extra_lines(std::string_view verb, std::string_view line) {
  for (const auto& [trigger, amount] : plan_.extra_lines) {
    if (applies(trigger, verb, line)) {
      return amount;
    }
  }
  return 0;
}

}  // namespace mailroot::bench
