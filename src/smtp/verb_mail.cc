// mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF               (RFC 5321 4.1.1.2)
// Mail-parameters: SIZE (RFC 1870), BODY (6152, 3030), SMTPUTF8 (6531), RET and ENVID (3461),
// AUTH (4954)
#include <algorithm>
#include <charconv>

#include "mailroot/smtp/grammar.h"
#include "mailroot/smtp/limits.h"
#include "replies.h"
#include "verbs.h"

namespace mailroot::smtp {

namespace {

constexpr std::string_view kBadParameter = "501 5.5.4 Invalid parameter value";
constexpr std::string_view kUnknownParameter = "555 5.5.4 Unsupported parameter";
constexpr std::string_view kMessageTooLarge =
    "552 5.3.4 Message size exceeds fixed maximum message size";

constexpr size_t kSizeDigitsMax = 20;  // RFC 1870 4

// size-value = 1*20DIGIT; a number beyond 64 bits is the largest one there is.
std::string_view take_size(std::string_view value, SessionState& session) {
  const bool digits = std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; });
  if (value.empty() || value.size() > kSizeDigitsMax || !digits) return kBadParameter;
  uint64_t size = UINT64_MAX;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), size);
  if (parsed.ec == std::errc::result_out_of_range) size = UINT64_MAX;
  session.envelope.declared_size_bytes = size;
  return {};
}

// body-value = "7BIT" / "8BITMIME" / "BINARYMIME"
std::string_view take_body(std::string_view value, SessionState& session) {
  if (equals_ignoring_case(value, "7BIT")) {
    session.envelope.body = BodyType::seven_bit;
  } else if (equals_ignoring_case(value, "8BITMIME")) {
    session.envelope.body = BodyType::eight_bit_mime;
  } else if (equals_ignoring_case(value, "BINARYMIME") && session.offers(Extension::binary_mime)) {
    session.envelope.body = BodyType::binary_mime;
  } else {
    return kBadParameter;
  }
  return {};
}

std::string_view take_smtputf8(std::string_view value, SessionState& session) {
  if (!value.empty()) return kBadParameter;
  session.envelope.smtputf8 = true;
  return {};
}

// ret-value = "FULL" / "HDRS"
std::string_view take_ret(std::string_view value, SessionState& session) {
  if (equals_ignoring_case(value, "FULL")) {
    session.envelope.ret = Return::full;
  } else if (equals_ignoring_case(value, "HDRS")) {
    session.envelope.ret = Return::headers;
  } else {
    return kBadParameter;
  }
  return {};
}

// envid-value = xtext, of printable ASCII: it is written into the header of a DSN.
std::string_view take_envid(std::string_view value, SessionState& session) {
  if (value.empty() || value.size() > kEnvelopeIdMax) return kBadParameter;
  auto decoded = xtext_decode(value);
  if (!decoded || !is_printable_ascii(*decoded)) return kBadParameter;
  session.envelope.envelope_id = std::move(*decoded);
  return {};
}

// auth-value = "<>" / xtext: who wrote the message, as its submitter says. We trust nobody in that,
// so what we pass on is as if "<>" had been said (RFC 4954 5).
std::string_view take_auth(std::string_view value, SessionState&) {
  const bool is_valid = value == "<>" || (!value.empty() && xtext_decode(value));
  return is_valid ? std::string_view() : kBadParameter;
}

struct MailParameter {
  std::string_view keyword;
  Extension extension;
  std::string_view (*take)(std::string_view value, SessionState& session);
};

constexpr MailParameter kMailParameters[] = {
    {"SIZE", Extension::size, take_size},
    {"BODY", Extension::eight_bit_mime, take_body},
    {"SMTPUTF8", Extension::smtputf8, take_smtputf8},
    {"RET", Extension::dsn, take_ret},
    {"ENVID", Extension::dsn, take_envid},
    {"AUTH", Extension::auth, take_auth},
};

std::string_view take_parameters(std::string_view text, SessionState& session) {
  ParameterReader reader(text, false);
  Parameter parameter;
  unsigned seen = 0;
  while (reader.next(parameter)) {
    const auto row = std::ranges::find_if(kMailParameters, [&](const MailParameter& known) {
      return equals_ignoring_case(known.keyword, parameter.keyword);
    });
    if (row == std::end(kMailParameters) || !session.offers(row->extension)) {
      return kUnknownParameter;
    }
    const unsigned mark = 1u << (row - std::begin(kMailParameters));
    if ((seen & mark) != 0) return "501 5.5.4 Parameter given twice";
    seen |= mark;
    if (const auto error = row->take(parameter.value, session); !error.empty()) return error;
  }
  return reader.malformed() ? "501 5.5.4 Invalid parameters" : std::string_view();
}

std::string_view check_declared_size(const SessionState& session) {
  const SessionRules& rules = session.rules;
  const uint64_t size = session.envelope.declared_size_bytes.value_or(0);
  if (rules.size_limit_bytes != 0 && size > rules.size_limit_bytes) return kMessageTooLarge;
  if (rules.session_size_limit_bytes != 0 && size > rules.session_size_limit_bytes) {
    return kMessageTooLarge;
  }
  return {};
}

// Fills session.envelope; empty when all is well.
std::string_view check_mail(std::string_view arguments, SessionState& session) {
  constexpr std::string_view kFrom = "FROM:";
  if (!equals_ignoring_case(arguments.substr(0, kFrom.size()), kFrom)) {
    return "501 5.5.4 Syntax: MAIL FROM:<address>";
  }
  arguments.remove_prefix(kFrom.size());
  while (arguments.starts_with(' ')) arguments.remove_prefix(1);  // RFC 5321 3.3: a common error
  auto path = parse_path(arguments, {.smtputf8 = session.offers(Extension::smtputf8),
                                     .null_path = true,
                                     .default_domain = session.rules.default_domain,
                                     .own_domain = session.rules.fqdn});
  if (!path) return path_error_reply(path.error(), true);
  const std::string_view path_text = arguments.substr(0, path->length);
  session.envelope.reverse_path = std::move(path->mailbox);
  const auto error = take_parameters(arguments.substr(path->length), session);
  if (!error.empty()) return error;
  if (!session.envelope.smtputf8 && !is_ascii(path_text)) {
    return path_error_reply(GrammarError::non_ascii, true);
  }
  return check_declared_size(session);
}

// The session's budget of octets is spent, or this message would not fit into what is left: a new
// session will take it, so the reply is transient.
bool session_is_spent(const SessionState& session) {
  const uint64_t limit = session.rules.session_size_limit_bytes;
  if (limit == 0) return false;
  if (session.session_bytes >= limit) return true;
  return session.envelope.declared_size_bytes.value_or(0) > limit - session.session_bytes;
}

}  // namespace

std::string_view path_error_reply(GrammarError error, bool is_reverse) {
  switch (error) {
    case GrammarError::syntax:
      return is_reverse ? "501 5.1.7 Invalid address" : "501 5.1.3 Invalid address";
    case GrammarError::too_long:
      return is_reverse ? "501 5.1.7 Address is too long" : "501 5.1.3 Address is too long";
    case GrammarError::no_domain:
      return is_reverse ? "501 5.1.7 Address needs a domain" : "501 5.1.3 Address needs a domain";
    case GrammarError::non_ascii:
      return "553 5.6.7 Non-ASCII address needs SMTPUTF8";
    case GrammarError::invalid_utf8:
      return is_reverse ? "501 5.1.7 Address is not UTF-8" : "501 5.1.3 Address is not UTF-8";
  }
  return "501 5.5.4 Invalid address";
}

void run_mail(SessionState& session, std::string_view arguments, Actions& actions) {
  const uint32_t most = session.rules.transactions_max;
  if (most != 0 && session.transactions >= most) {
    return say_closing(session, actions, "421 4.7.0", "Too many messages in this session",
                       "transactions limit");
  }
  if (const auto error = authentication_missing(session); !error.empty()) {
    return refuse(session, actions, error);
  }
  if (const auto error = check_mail(arguments, session); !error.empty()) {
    refuse(session, actions, error);
    session.envelope = Envelope();
    return;
  }
  if (session_is_spent(session)) {
    return say_closing(session, actions, "421 4.3.4", "Session size limit reached",
                       "session size limit");
  }
  ask(session, Question::may_mail);
}

void apply_mail(SessionState& session, Actions& actions) {
  ++session.transactions;
  session.phase = Phase::mail;
  say_address(actions, "250 2.1.0 ", session.envelope.reverse_path, " Sender OK");
}

}  // namespace mailroot::smtp
