// rset = "RSET" CRLF                                                       (RFC 5321 4.1.1.5)
#include "replies.h"
#include "verbs.h"

namespace mailroot::smtp {

void run_rset(SessionState& session, std::string_view, Actions& actions) {
  end_transaction(session, actions);
  say(actions, "250 2.0.0 Resetting");
}

}  // namespace mailroot::smtp
