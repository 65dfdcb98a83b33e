// auth = "AUTH" SP sasl-mech [SP (initial-response / "=")] *(CRLF [base64]) [CRLF "*"] CRLF
//                                                                                 (RFC 4954 4, 8)
#include "mailroot/base/base64.h"
#include "mailroot/smtp/limits.h"
#include "replies.h"
#include "verbs.h"

namespace mailroot::smtp {

namespace {

using sasl::Mechanism;
using Step = sasl::ServerExchange::Step;

constexpr std::string_view kSyntax = "501 5.5.4 Syntax: AUTH mechanism [initial-response]";
constexpr std::string_view kNoBase64 = "501 5.5.2 Cannot decode the response";
constexpr std::string_view kMalformed = "501 5.5.2 Invalid response for this mechanism";
constexpr std::string_view kFailed = "535 5.7.8 Authentication credentials invalid";

// "501 ..." or empty. `arguments`: mechanism and perhaps a response.
std::string_view check_auth(const SessionState& session, std::string_view arguments) {
  if (!session.offers(Extension::auth)) return "502 5.5.1 Command not implemented";
  if (session.phase == Phase::greeted) return "503 5.5.1 Send hello first";
  if (session.phase != Phase::ready) return "503 5.5.1 Not during a mail transaction";
  if (!session.user.empty()) return "503 5.5.1 Already authenticated";
  if (arguments.empty()) return kSyntax;
  if (session.rules.auth_needs_tls && !session.is_tls) {
    return "538 5.7.11 Encryption required for authentication";
  }
  return {};
}

void end_exchange(SessionState& session) {
  session.exchange.reset();
  session.auth_refusal.clear();
  session.phase = Phase::ready;
}

void take_step(SessionState& session, Step step, Actions& actions) {
  switch (step) {
    case Step::challenge:
      session.phase = Phase::authenticating;
      actions.reply += "334 ";
      return say(actions, encode_base64(session.exchange->challenge()));
    case Step::ask:
      return ask(session, Question::authenticate);
    case Step::done:
      session.auth_mechanism = session.exchange->mechanism();
      session.user = std::move(session.user_accepted);
      end_exchange(session);
      return say(actions, "235 2.7.0 Authentication successful");
    case Step::failed: {
      const std::string reply = std::move(session.auth_refusal);
      end_exchange(session);
      return refuse_with(session, actions, reply.empty() ? kFailed : reply);
    }
    case Step::malformed:
      end_exchange(session);
      return refuse(session, actions, kMalformed);
  }
}

}  // namespace

bool offers_auth_now(const SessionState& session) {
  return session.offers(Extension::auth) && (session.is_tls || !session.rules.auth_needs_tls);
}

sasl::Mechanisms mechanisms_now(const SessionState& session) {
  sasl::Mechanisms mechanisms = session.rules.auth_mechanisms;
  if (session.binding.empty()) mechanisms.remove(Mechanism::scram_sha_256_plus);
  if (!session.has_certificate_identity) mechanisms.remove(Mechanism::external);
  return mechanisms;
}

std::string_view authentication_missing(const SessionState& session) {
  const bool is_known = !session.user.empty() || session.has_certificate_identity;
  if (!session.rules.requires_authentication || is_known) return {};
  const bool needs_tls = session.rules.auth_needs_tls && !session.is_tls;
  return needs_tls && session.offers(Extension::start_tls)
             ? "530 5.7.0 Must issue a STARTTLS command first"
             : "530 5.7.0 Authentication required";
}

void run_auth(SessionState& session, std::string_view arguments, Actions& actions) {
  if (const auto error = check_auth(session, arguments); !error.empty()) {
    return refuse(session, actions, error);
  }
  const std::string_view name = arguments.substr(0, arguments.find(' '));
  arguments.remove_prefix(name.size());
  const bool has_response = !arguments.empty();
  if (has_response) arguments.remove_prefix(1);
  const auto mechanism = sasl::find_mechanism(name);
  const sasl::Mechanisms offered = mechanisms_now(session);
  if (!mechanism || !offered.has(*mechanism)) {
    return refuse(session, actions, "504 5.5.4 Unrecognized authentication type");
  }
  auto response = decode_base64(arguments == "=" ? std::string_view() : arguments);
  if (!response || (has_response && arguments.empty())) {
    return refuse(session, actions, kNoBase64);
  }
  session.exchange.emplace(*mechanism, session.binding, offered.has(Mechanism::scram_sha_256_plus));
  take_step(session,
            has_response ? session.exchange->respond(*response) : session.exchange->begin(),
            actions);
  sasl::wipe(*response);
}

void run_auth_response(SessionState& session, std::string_view line, Actions& actions) {
  if (line == "*") {
    end_exchange(session);
    return refuse(session, actions, "501 5.7.0 Authentication cancelled");
  }
  auto response = decode_base64(line);
  if (!response) {
    end_exchange(session);
    return refuse(session, actions, kNoBase64);
  }
  take_step(session, session.exchange->respond(*response), actions);
  sasl::wipe(*response);
}

void end_auth_too_long(SessionState& session, Actions& actions) {
  if (session.phase == Phase::authenticating) end_exchange(session);
  refuse(session, actions, "500 5.5.6 Authentication exchange line is too long");
}

void apply_auth(SessionState& session, const Answer& answer, Actions& actions) {
  const std::string& asked = session.exchange->request().user;
  session.user_accepted = answer.user.empty() ? asked : answer.user;
  sasl::Verdict verdict = answer.verdict;
  verdict.accept = true;
  take_step(session, session.exchange->answer(verdict), actions);
}

// A mechanism may still want to tell the client why, and be answered; a 4yz or 421 is said at once.
void refuse_auth(SessionState& session, std::string_view reply, Actions& actions) {
  session.auth_refusal = reply;
  const Step step = session.exchange->answer({});
  take_step(session, reply.starts_with('5') ? step : Step::failed, actions);
}

}  // namespace mailroot::smtp
