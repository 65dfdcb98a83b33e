// noop = "NOOP" [ SP String ] CRLF                                         (RFC 5321 4.1.1.9)
#include "replies.h"
#include "verbs.h"

namespace mailroot::smtp {

void run_noop(SessionState&, std::string_view, Actions& actions) { say(actions, "250 2.0.0 OK"); }

}  // namespace mailroot::smtp
