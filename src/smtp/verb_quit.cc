// quit = "QUIT" CRLF                                                      (RFC 5321 4.1.1.10)
#include "replies.h"
#include "verbs.h"

namespace mailroot::smtp {

void run_quit(SessionState& session, std::string_view, Actions& actions) {
  actions.reply += "221 2.0.0 ";
  actions.reply += session.rules.fqdn;
  say(actions, " Service closing transmission channel");
  close_session(session, actions, "quit");
}

void run_http(SessionState& session, std::string_view, Actions& actions) {
  say(actions, "554 5.5.1 This is SMTP, not HTTP");
  close_session(session, actions, "HTTP on an SMTP port");
}

}  // namespace mailroot::smtp
