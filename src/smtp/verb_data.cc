// data = "DATA" CRLF                                                       (RFC 5321 4.1.1.4)
#include "content_flow.h"
#include "replies.h"
#include "verbs.h"

namespace mailroot::smtp {

namespace {

// RFC 3030 3: binary content has no transparency, DATA cannot carry it.
std::string_view check_data(const SessionState& session) {
  if (session.envelope.body == BodyType::binary_mime) {
    return "503 5.5.1 BODY=BINARYMIME needs BDAT";
  }
  return {};
}

}  // namespace

void run_data(SessionState& session, std::string_view, Actions& actions) {
  if (const auto error = check_data(session); !error.empty()) {
    return refuse(session, actions, error);
  }
  session.is_chunked = false;
  ask(session, Question::begin_content);
}

void apply_data(SessionState& session, Actions& actions) {
  open_content(session);
  session.data_decoder = DataDecoder();
  session.phase = Phase::data;
  say(actions, "354 Start mail input; end with <CRLF>.<CRLF>");
}

}  // namespace mailroot::smtp
