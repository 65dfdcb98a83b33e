#include "session_state.h"

#include <utility>

#include "mailroot/base/assert.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::smtp {

namespace {

struct Keyword {
  std::string_view name;
  Extension extension;
};

constexpr Keyword kKeywords[] = {
    {"PIPELINING", Extension::pipelining},
    {"SIZE", Extension::size},
    {"8BITMIME", Extension::eight_bit_mime},
    {"SMTPUTF8", Extension::smtputf8},
    {"ENHANCEDSTATUSCODES", Extension::enhanced_status_codes},
    {"DSN", Extension::dsn},
    {"CHUNKING", Extension::chunking},
    {"BINARYMIME", Extension::binary_mime},
    {"VRFY", Extension::vrfy},
    {"HELP", Extension::help},
    {"LIMITS", Extension::limits},
    {"STARTTLS", Extension::start_tls},
    {"ETRN", Extension::etrn},
    {"AUTH", Extension::auth},
};

constexpr uint16_t bit(Extension extension) {
  return static_cast<uint16_t>(1u << static_cast<int>(extension));
}

uint16_t extensions_of(const SessionRules& rules) {
  uint16_t offered = 0;
  for (const Keyword& keyword : kKeywords) offered |= bit(keyword.extension);
  std::string_view rest = rules.disabled_keywords;
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find(' '));
    for (const Keyword& keyword : kKeywords) {
      if (equals_ignoring_case(keyword.name, name)) {
        offered &= static_cast<uint16_t>(~bit(keyword.extension));
      }
    }
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
  }
  const auto needs = [&offered](Extension extension, Extension other) {
    if ((offered & bit(other)) == 0) offered &= static_cast<uint16_t>(~bit(extension));
  };
  needs(Extension::binary_mime, Extension::chunking);  // RFC 3030 3
  needs(Extension::binary_mime, Extension::eight_bit_mime);
  needs(Extension::smtputf8, Extension::eight_bit_mime);  // RFC 6531 3.1
  if (!rules.offer_start_tls) offered &= static_cast<uint16_t>(~bit(Extension::start_tls));
  if (rules.auth_mechanisms.empty()) offered &= static_cast<uint16_t>(~bit(Extension::auth));
  if (!rules.offer_etrn) offered &= static_cast<uint16_t>(~bit(Extension::etrn));
  return offered;
}

}  // namespace

SessionState::SessionState(SessionRules session_rules, const SocketAddress& client)
    : rules(std::move(session_rules)),
      client_literal(client.ip.to_literal()),
      extensions(extensions_of(rules)),
      is_tls(rules.begins_in_tls) {}

void ask(SessionState& session, Question question) {
  MAILROOT_ASSERT(session.question == Question::none, "one question at a time");
  session.question = question;
}

void abandon_content(SessionState& session, Actions& actions) {
  if (!session.draft_open) return;
  session.draft_open = false;
  if (session.question == Question::commit) return;  // the driver finishes what it has begun
  actions.content.clear();
  actions.content_abandoned = true;
}

void end_transaction(SessionState& session, Actions& actions) {
  abandon_content(session, actions);
  session.envelope = Envelope();
  session.tried_recipient = false;
  session.overflow_recipients = 0;
  session.is_chunked = false;
  session.content_bytes = 0;
  session.refusal = Refusal::none;
  session.refusal_reply.clear();
  if (session.phase != Phase::greeted && session.phase != Phase::closed) {
    session.phase = Phase::ready;
  }
}

void close_session(SessionState& session, Actions& actions, std::string_view reason) {
  end_transaction(session, actions);
  session.phase = Phase::closed;
  session.lines.forget();
  actions.close = true;
  actions.close_reason = reason;
}

}  // namespace mailroot::smtp
