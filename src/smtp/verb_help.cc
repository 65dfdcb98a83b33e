// help = "HELP" [ SP String ] CRLF                                         (RFC 5321 4.1.1.8)
#include "replies.h"
#include "verbs.h"

namespace mailroot::smtp {

void run_help(SessionState& session, std::string_view, Actions& actions) {
  if (!session.offers(Extension::help)) {
    return refuse(session, actions, "502 5.5.1 Command not implemented");
  }
  say(actions, "214-2.0.0 This server supports the following commands:");
  actions.reply += "214 2.0.0 HELO EHLO MAIL RCPT DATA RSET NOOP QUIT HELP";
  if (session.offers(Extension::chunking)) actions.reply += " BDAT";
  if (session.offers(Extension::etrn)) actions.reply += " ETRN";
  if (session.offers(Extension::vrfy)) actions.reply += " VRFY";
  if (session.offers(Extension::start_tls) && !session.is_tls) actions.reply += " STARTTLS";
  if (offers_auth_now(session)) actions.reply += " AUTH";
  say(actions, "");
}

}  // namespace mailroot::smtp
