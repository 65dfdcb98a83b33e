// rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path )
//        [SP Rcpt-parameters] CRLF                                         (RFC 5321 4.1.1.3)
// Rcpt-parameters: NOTIFY and ORCPT (RFC 3461 4.1, 4.2; RFC 6533 3)
#include "mailroot/smtp/grammar.h"
#include "mailroot/smtp/limits.h"
#include "replies.h"
#include "verbs.h"

namespace mailroot::smtp {

namespace {

constexpr std::string_view kBadParameter = "501 5.5.4 Invalid parameter value";

// notify-esmtp-value = "NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" )
bool take_notify(std::string_view value, Notify& notify) {
  if (equals_ignoring_case(value, "NEVER")) {
    notify.never = true;
    return true;
  }
  while (true) {
    const size_t comma = value.find(',');
    const std::string_view word = value.substr(0, comma);
    if (equals_ignoring_case(word, "SUCCESS")) {
      notify.success = true;
    } else if (equals_ignoring_case(word, "FAILURE")) {
      notify.failure = true;
    } else if (equals_ignoring_case(word, "DELAY")) {
      notify.delay = true;
    } else {
      return false;
    }
    if (comma == value.npos) return true;
    value.remove_prefix(comma + 1);
  }
}

// The octets of an address in ORCPT: they are written into the header of a DSN, so nothing in
// them may end a line there.
bool is_printable(std::string_view text, bool smtputf8) {
  if (is_ascii(text)) return is_printable_ascii(text);
  if (!smtputf8 || !is_valid_utf8(text)) return false;
  for (unsigned char c : text) {
    if (c < 0x20 || c == 0x7f) return false;
  }
  return true;
}

// original-recipient-address = addr-type ";" xtext; with SMTPUTF8 and addr-type "utf-8" the
// address may also be UTF-8 as it is (RFC 6533 3).
bool take_orcpt(std::string_view value, bool smtputf8, std::string& original) {
  const size_t semicolon = value.find(';');
  if (semicolon == 0 || semicolon == value.npos || value.size() > kOriginalRecipientMax) {
    return false;
  }
  const std::string_view type = value.substr(0, semicolon);
  if (!is_ascii(type) || type.find('+') != type.npos) return false;
  const std::string_view address = value.substr(semicolon + 1);
  std::string decoded;
  if (!is_ascii(address)) {
    if (!smtputf8 || !equals_ignoring_case(type, "utf-8")) return false;
    decoded = address;
  } else if (auto text = xtext_decode(address)) {
    decoded = std::move(*text);
  } else {
    return false;
  }
  if (decoded.empty() || !is_printable(decoded, smtputf8)) return false;
  original = std::string(value.substr(0, semicolon + 1)) + decoded;
  return true;
}

std::string_view take_parameters(std::string_view text, SessionState& session) {
  ParameterReader reader(text, session.envelope.smtputf8);
  Parameter parameter;
  bool seen_notify = false;
  bool seen_orcpt = false;
  while (reader.next(parameter)) {
    const bool is_notify = equals_ignoring_case(parameter.keyword, "NOTIFY");
    const bool is_orcpt = equals_ignoring_case(parameter.keyword, "ORCPT");
    if (!session.offers(Extension::dsn) || (!is_notify && !is_orcpt)) {
      return "555 5.5.4 Unsupported parameter";
    }
    bool& seen = is_notify ? seen_notify : seen_orcpt;
    if (seen) return "501 5.5.4 Parameter given twice";
    seen = true;
    const bool good = is_notify ? take_notify(parameter.value, session.pending.notify)
                                : take_orcpt(parameter.value, session.envelope.smtputf8,
                                             session.pending.original_recipient);
    if (!good) return kBadParameter;
  }
  return reader.malformed() ? "501 5.5.4 Invalid parameters" : std::string_view();
}

// Fills session.pending; empty when all is well.
std::string_view check_rcpt(std::string_view arguments, SessionState& session) {
  constexpr std::string_view kTo = "TO:";
  if (!equals_ignoring_case(arguments.substr(0, kTo.size()), kTo)) {
    return "501 5.5.4 Syntax: RCPT TO:<address>";
  }
  arguments.remove_prefix(kTo.size());
  while (arguments.starts_with(' ')) arguments.remove_prefix(1);  // RFC 5321 3.3: a common error
  auto path = parse_path(arguments, {.smtputf8 = session.envelope.smtputf8,
                                     .null_path = false,
                                     .default_domain = session.rules.default_domain,
                                     .own_domain = session.rules.fqdn});
  if (!path) return path_error_reply(path.error(), false);
  session.pending.address = std::move(path->mailbox);
  session.pending.notify = Notify();
  session.pending.original_recipient.clear();
  return take_parameters(arguments.substr(path->length), session);
}

// RFC 5321 4.5.3.1.10: the client sends the rest in another transaction, so this is no error; but
// a client that never stops is no client.
void refuse_overflow(SessionState& session, Actions& actions) {
  if (++session.overflow_recipients > kRecipientsOverflowMax) {
    return say_closing(session, actions, "421 4.5.3", "Too many recipients", "recipients flood");
  }
  refuse(session, actions, "452 4.5.3 Too many recipients");
}

}  // namespace

void run_rcpt(SessionState& session, std::string_view arguments, Actions& actions) {
  session.tried_recipient = true;
  if (session.envelope.recipients.size() >= session.rules.recipients_max) {
    return refuse_overflow(session, actions);
  }
  if (const auto error = check_rcpt(arguments, session); !error.empty()) {
    return refuse(session, actions, error);
  }
  ask(session, Question::may_relay);
}

void apply_rcpt(SessionState& session, Actions& actions) {
  session.phase = Phase::rcpt;
  say_address(actions, "250 2.1.5 ", session.pending.address, "");
  session.envelope.recipients.push_back(std::move(session.pending));
}

}  // namespace mailroot::smtp
