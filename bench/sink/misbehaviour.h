#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailroot::bench {

/// Where a rule applies. `verb` is an SMTP verb, or CONNECT (the greeting), BODY (first byte of
/// the content), END (reply to the end of data), or * for every reply. `text`, if not empty, must
/// occur in the command line. `percent` is the chance; `count` the times it may apply (0 = any).
struct Trigger {
  std::string verb;
  std::string text;
  uint32_t percent = 100;
  uint64_t count = 0;
};

enum class Fault : uint8_t { reply, stall, close, reset, garbage };

/// One fault a test asked for.
struct Rule {
  Fault fault = Fault::reply;
  Trigger trigger;
  int code = 0;       // for Fault::reply
  std::string reply;  // text after the code
};

/// How the sink is to misbehave; a value from the command line.
struct Misbehaviour {
  std::vector<Rule> rules;
  std::vector<std::pair<Trigger, uint32_t>> delays_ms;
  std::vector<std::pair<Trigger, uint32_t>> extra_lines;
  uint32_t byte_interval_ms = 0;  // replies go out one byte at a time; 0 = off
  uint64_t seed = 1;

  bool any() const { return !rules.empty() || !delays_ms.empty() || !extra_lines.empty(); }
};

/// VERB[/TEXT][%PERCENT][#COUNT]
std::expected<Trigger, std::string> parse_trigger(std::string_view text);

/// VERB[/TEXT]=CODE[:REPLY][%PERCENT][#COUNT]
std::expected<Rule, std::string> parse_reply_rule(std::string_view text);

/// [VERB=]NUMBER; the verb is * when it is missing.
std::expected<std::pair<Trigger, uint32_t>, std::string> parse_amount(std::string_view text);

/// Decides which fault applies now. One per thread: chances come from a seeded generator, counts
/// are per thread.
class Mischief {
 public:
  explicit Mischief(const Misbehaviour& plan, uint64_t thread);

  /// The first rule that applies to `verb` with this command line; counts its use.
  const Rule* rule_for(std::string_view verb, std::string_view line);
  uint32_t delay_ms(std::string_view verb, std::string_view line);
  uint32_t extra_lines(std::string_view verb, std::string_view line);

 private:
  bool applies(const Trigger& trigger, std::string_view verb, std::string_view line);
  uint64_t random();

  const Misbehaviour& plan_;
  std::map<const Trigger*, uint64_t> used_;
  uint64_t state_;
};

}  // namespace mailroot::bench
