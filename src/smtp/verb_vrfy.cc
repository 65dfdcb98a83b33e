// vrfy = "VRFY" SP String CRLF                                        (RFC 5321 3.5, 4.1.1.6)
#include "replies.h"
#include "verbs.h"

namespace mailroot::smtp {

namespace {

constexpr size_t kEchoedMax = 256;

std::string_view check_vrfy(const SessionState& session, std::string_view arguments) {
  if (!session.offers(Extension::vrfy)) return "502 5.5.1 Command not implemented";
  if (arguments.empty()) return "501 5.5.4 Syntax: VRFY address";
  return {};
}

}  // namespace

// RFC 5321 7.3: 252 says nothing about who exists here.
void run_vrfy(SessionState& session, std::string_view arguments, Actions& actions) {
  if (const auto error = check_vrfy(session, arguments); !error.empty()) {
    return refuse(session, actions, error);
  }
  actions.reply += "252 2.1.5 Cannot VRFY user, but will take message for ";
  append_escaped(actions.reply, arguments.substr(0, kEchoedMax), false);
  say(actions, "");
}

// EXPN would show who is on a list (RFC 5321 7.3); TURN, SEND, SOML, SAML are history (appendix F).
void run_not_implemented(SessionState& session, std::string_view, Actions& actions) {
  refuse(session, actions, "502 5.5.1 Command not implemented");
}

}  // namespace mailroot::smtp
