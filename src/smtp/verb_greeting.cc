// ehlo = "EHLO" SP ( Domain / address-literal ) CRLF
// helo = "HELO" SP Domain CRLF                                            (RFC 5321 4.1.1.1)
#include <algorithm>
#include <charconv>

#include "grammar_internal.h"
#include "mailroot/smtp/limits.h"
#include "replies.h"
#include "verbs.h"

namespace mailroot::smtp {

namespace {

// The name goes into the trace field and the log, so only what a domain or a literal can consist
// of is let in; whether it is one of them is not asked (RFC 5321 4.1.4: many clients send a bare
// IP address or a machine name with an underscore, and they are to be served).
bool is_name_character(char c) {
  return is_alpha(static_cast<unsigned char>(c)) || is_digit(static_cast<unsigned char>(c)) ||
         std::string_view("-._:[]").find(c) != std::string_view::npos;
}

std::string_view check_greeting(std::string_view name) {
  if (name.empty()) return "501 5.5.4 Hello needs a domain";
  if (name.size() > kDomainMax) return "501 5.5.4 Domain is too long";
  if (!std::ranges::all_of(name, is_name_character)) return "501 5.5.4 Invalid domain";
  return {};
}

// RFC 5321 4.1.4: a second greeting is a RSET.
void apply_greeting(SessionState& session, std::string_view name, bool is_extended,
                    Actions& actions) {
  end_transaction(session, actions);
  session.client_name = name;
  session.is_extended = is_extended;
  session.phase = Phase::ready;
}

void hello_line(const SessionState& session, std::string_view code, Actions& actions) {
  actions.reply += code;
  actions.reply += session.rules.fqdn;
  actions.reply += " Hello ";
  say(actions, session.client_literal);
}

void say_number(Actions& actions, std::string_view before, uint64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  actions.reply += before;
  actions.reply.append(digits, end);
}

void say_mechanisms(const SessionState& session, Actions& actions) {
  const sasl::Mechanisms offered = mechanisms_now(session);
  if (offered.empty()) return;
  actions.reply += "250-AUTH";
  for (const sasl::Mechanism mechanism : sasl::kMechanisms) {
    if (!offered.has(mechanism)) continue;
    actions.reply += ' ';
    actions.reply += to_string(mechanism);
  }
  say(actions, "");
}

void say_extensions(const SessionState& session, Actions& actions) {
  const SessionRules& rules = session.rules;
  const auto offer = [&](Extension extension, std::string_view line) {
    if (session.offers(extension)) say(actions, line);
  };
  offer(Extension::pipelining, "250-PIPELINING");
  if (session.offers(Extension::size)) {
    say_number(actions, "250-SIZE ", rules.size_limit_bytes);
    say(actions, "");
  }
  offer(Extension::eight_bit_mime, "250-8BITMIME");
  offer(Extension::smtputf8, "250-SMTPUTF8");
  offer(Extension::enhanced_status_codes, "250-ENHANCEDSTATUSCODES");
  offer(Extension::dsn, "250-DSN");
  offer(Extension::chunking, "250-CHUNKING");
  offer(Extension::binary_mime, "250-BINARYMIME");
  if (!session.is_tls) offer(Extension::start_tls, "250-STARTTLS");
  if (session.offers(Extension::limits)) {  // RFC 9422 4
    actions.reply += "250-LIMITS";
    if (rules.transactions_max != 0) say_number(actions, " MAILMAX=", rules.transactions_max);
    say_number(actions, " RCPTMAX=", rules.recipients_max);
    say(actions, "");
  }
  if (offers_auth_now(session)) say_mechanisms(session, actions);
  offer(Extension::etrn, "250-ETRN");
  offer(Extension::vrfy, "250-VRFY");
  offer(Extension::help, "250-HELP");
}

}  // namespace

void run_helo(SessionState& session, std::string_view arguments, Actions& actions) {
  if (const auto error = check_greeting(arguments); !error.empty()) {
    return refuse(session, actions, error);
  }
  apply_greeting(session, arguments, false, actions);
  hello_line(session, "250 ", actions);
}

void run_ehlo(SessionState& session, std::string_view arguments, Actions& actions) {
  if (const auto error = check_greeting(arguments); !error.empty()) {
    return refuse(session, actions, error);
  }
  apply_greeting(session, arguments, true, actions);
  const size_t start = actions.reply.size();
  hello_line(session, "250-", actions);
  say_extensions(session, actions);
  // The last line, whichever it is, has a space behind its code.
  const size_t last = actions.reply.rfind("250-");
  if (last >= start) actions.reply[last + 3] = ' ';
}

}  // namespace mailroot::smtp
