// starttls = "STARTTLS" CRLF                                                     (RFC 3207 4)
#include "replies.h"
#include "verbs.h"

namespace mailroot::smtp {

namespace {

std::string_view check_start_tls(const SessionState& session) {
  if (session.is_tls) return "503 5.5.1 TLS is already active";
  if (!session.offers(Extension::start_tls)) return "502 5.5.1 Command not implemented";
  return {};
}

// The front drops whatever stands behind the command in the input: it came in clear text, and must
// not be taken for something that came through TLS (CVE-2011-0411).
void apply_start_tls(SessionState& session, Actions& actions) {
  session.phase = Phase::handshake;
  ask(session, Question::start_tls);
  say(actions, "220 2.0.0 Ready to start TLS");
}

}  // namespace

void run_start_tls(SessionState& session, std::string_view, Actions& actions) {
  if (const auto error = check_start_tls(session); !error.empty()) {
    return refuse(session, actions, error);
  }
  apply_start_tls(session, actions);
}

}  // namespace mailroot::smtp
