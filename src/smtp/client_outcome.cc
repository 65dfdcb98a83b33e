// From a reply, or from our own finding, to a DeliveryOutcome; and the words for them.
#include <algorithm>
#include <array>

#include "client_state.h"

namespace mailroot::smtp {

std::string_view to_string(Disposition disposition) {
  constexpr std::array<std::string_view, 4> kNames = {"delivered", "deferred", "failed",
                                                      "not tried"};
  return kNames[static_cast<size_t>(disposition)];
}

std::string_view to_string(Stage stage) {
  constexpr std::array<std::string_view, 11> kNames = {"resolve",  "connect", "greeting", "hello",
                                                       "STARTTLS", "AUTH",    "MAIL",     "RCPT",
                                                       "DATA",     "content", "local"};
  return kNames[static_cast<size_t>(stage)];
}

std::string_view to_string(CloseReason reason) {
  constexpr std::array<std::string_view, 12> kNames = {"none",
                                                       "done",
                                                       "greeting refused",
                                                       "hello refused",
                                                       "TLS unavailable",
                                                       "login failed",
                                                       "service closing",
                                                       "peer closed",
                                                       "timed out",
                                                       "protocol error",
                                                       "content rejected",
                                                       "content lost"};
  return kNames[static_cast<size_t>(reason)];
}

std::string summary(const DeliveryOutcome& outcome) {
  std::string line;
  if (outcome.reply_code != 0) line = std::to_string(outcome.reply_code) + ' ';
  line += outcome.enhanced_code;
  if (!line.empty() && !outcome.text.empty()) line += ' ';
  return line + outcome.text;
}

Duration default_timeout(ClientTimer timer) {
  using std::chrono::minutes;
  using std::chrono::seconds;
  switch (timer) {
    case ClientTimer::greeting:
    case ClientTimer::hello:
    case ClientTimer::mail:
    case ClientTimer::recipient:
    case ClientTimer::reset:
      return minutes(5);
    case ClientTimer::data_initiation:
      return minutes(2);
    case ClientTimer::data_block:
      return minutes(3);
    case ClientTimer::data_termination:
      return minutes(10);
    case ClientTimer::idle:
      return seconds(15);
    case ClientTimer::quit:
      return seconds(2);
  }
  return minutes(5);
}

namespace {

// Only where the bare code says more than its class (RFC 5321 4.2.3): the rest is x.0.0.
std::string_view code_for(uint16_t code, Stage stage) {
  const bool at_recipient = stage == Stage::recipient;
  switch (code) {
    case 421:
      return "4.3.2";
    case 450:
      return at_recipient ? "4.2.0" : "4.0.0";
    case 452:
      return "4.3.1";
    case 550:
      return at_recipient ? "5.1.1" : "5.0.0";
    case 552:
      return at_recipient ? "5.2.2" : "5.3.4";
    case 553:
      return at_recipient ? "5.1.3" : "5.1.7";
    case 500:
    case 502:
    case 503:
      return "5.5.1";
    case 501:
    case 504:
    case 555:
      return "5.5.4";
    default:
      return code / 100 == 2 ? "2.0.0" : code / 100 == 4 ? "4.0.0" : "5.0.0";
  }
}

std::string cut_text(std::string_view text) {
  std::string kept(text.substr(0, kOutcomeTextMax));
  std::ranges::replace(kept, '\n', ' ');
  return kept;
}

}  // namespace

DeliveryOutcome outcome_of_reply(const Reply& reply, Stage stage, OutcomeScope scope) {
  DeliveryOutcome outcome;
  outcome.disposition = reply.is_positive()    ? Disposition::delivered
                        : reply.is_permanent() ? Disposition::failed
                                               : Disposition::deferred;
  outcome.scope = scope;
  outcome.stage = stage;
  outcome.reply_code = reply.code;
  outcome.enhanced_code =
      reply.enhanced.empty() ? std::string(code_for(reply.code, stage)) : reply.enhanced;
  outcome.text = cut_text(reply.text);
  return outcome;
}

DeliveryOutcome local_outcome(Disposition disposition, Stage stage, OutcomeScope scope,
                              std::string_view enhanced_code, std::string_view text) {
  DeliveryOutcome outcome;
  outcome.disposition = disposition;
  outcome.scope = scope;
  outcome.stage = stage;
  outcome.enhanced_code = enhanced_code;
  outcome.text = cut_text(text);
  return outcome;
}

// 452 also means "insufficient storage" (RFC 5321 4.5.3.1.10); only an enhanced code tells them
// apart. 552 is what RFC 821 said for too many recipients.
bool says_too_many_recipients(const Reply& reply) {
  if (reply.code == 452) return reply.enhanced.empty() || reply.enhanced == "4.5.3";
  if (reply.code != 552) return false;
  if (!reply.enhanced.empty()) return reply.enhanced == "5.5.3";
  std::string text = reply.text;
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return text.find("too many") != std::string::npos;
}

}  // namespace mailroot::smtp
