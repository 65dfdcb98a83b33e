// One file per verb: verb_<name>.cc holds its check_<name>() (validates, changes nothing that is
// not undone) and apply_<name>() (takes effect). Those with a question are applied by the answer.
#pragma once

#include <string_view>

#include "mailroot/smtp/grammar.h"
#include "session_state.h"

namespace mailroot::smtp {

void run_helo(SessionState& session, std::string_view arguments, Actions& actions);
void run_ehlo(SessionState& session, std::string_view arguments, Actions& actions);
void run_mail(SessionState& session, std::string_view arguments, Actions& actions);
void run_rcpt(SessionState& session, std::string_view arguments, Actions& actions);
void run_data(SessionState& session, std::string_view arguments, Actions& actions);
void run_bdat(SessionState& session, std::string_view arguments, Actions& actions);
void run_rset(SessionState& session, std::string_view arguments, Actions& actions);
void run_noop(SessionState& session, std::string_view arguments, Actions& actions);
void run_vrfy(SessionState& session, std::string_view arguments, Actions& actions);
void run_etrn(SessionState& session, std::string_view arguments, Actions& actions);
void run_help(SessionState& session, std::string_view arguments, Actions& actions);
void run_quit(SessionState& session, std::string_view arguments, Actions& actions);
void run_start_tls(SessionState& session, std::string_view arguments, Actions& actions);
void run_auth(SessionState& session, std::string_view arguments, Actions& actions);
// Commands of the RFCs that are not implemented: 502.
void run_not_implemented(SessionState& session, std::string_view arguments, Actions& actions);
// Requests of HTTP: a browser was led here; anything it sends later could look like commands.
void run_http(SessionState& session, std::string_view arguments, Actions& actions);

void apply_etrn(SessionState& session, Actions& actions);
void apply_mail(SessionState& session, Actions& actions);
void apply_rcpt(SessionState& session, Actions& actions);
void apply_data(SessionState& session, Actions& actions);
void apply_bdat(SessionState& session, Actions& actions);

// A line of the client while an exchange is under way; and one beyond the limit, also of AUTH.
void run_auth_response(SessionState& session, std::string_view line, Actions& actions);
void end_auth_too_long(SessionState& session, Actions& actions);
void apply_auth(SessionState& session, const Answer& answer, Actions& actions);
void refuse_auth(SessionState& session, std::string_view reply, Actions& actions);
// Whether EHLO lists it, and which.
bool offers_auth_now(const SessionState& session);
sasl::Mechanisms mechanisms_now(const SessionState& session);
// Nothing, or 530 where only who has authenticated may send.
std::string_view authentication_missing(const SessionState& session);

// The reply to a path that is none.
std::string_view path_error_reply(GrammarError error, bool is_reverse);

}  // namespace mailroot::smtp
