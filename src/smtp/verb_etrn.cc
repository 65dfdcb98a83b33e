// etrn = "ETRN" SP [option-character] node-name CRLF                            (RFC 1985 5.1)
// "@" means the domain and all below it; "#", a named queue, is unknown here.
#include "mailroot/smtp/grammar.h"
#include "mailroot/smtp/limits.h"
#include "replies.h"
#include "verbs.h"

namespace mailroot::smtp {

namespace {

std::string_view check_etrn(const SessionState& session, std::string_view arguments) {
  if (!session.offers(Extension::etrn)) return "502 5.5.1 Command not implemented";
  if (session.phase == Phase::greeted) return "503 5.5.1 Send hello first";
  if (session.phase != Phase::ready) return "503 5.5.1 Not during a mail transaction";
  if (arguments.starts_with('@')) arguments.remove_prefix(1);
  if (arguments.size() > kDomainMax || !parse_domain(arguments)) {
    return "501 5.5.4 Syntax: ETRN domain";
  }
  return {};
}

}  // namespace

void run_etrn(SessionState& session, std::string_view arguments, Actions& actions) {
  if (session.offers(Extension::etrn) && session.phase == Phase::ready) {
    const auto missing = authentication_missing(session);
    if (!missing.empty()) return refuse(session, actions, missing);
  }
  if (const auto error = check_etrn(session, arguments); !error.empty()) {
    return refuse(session, actions, error);
  }
  session.requested_queue = arguments;
  for (char& c : session.requested_queue) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  ask(session, Question::send_kept);
}

void apply_etrn(SessionState& session, Actions& actions) {
  actions.reply += "250 2.0.0 Queuing for node ";
  append_escaped(actions.reply, session.requested_queue, false);
  say(actions, " started");
}

}  // namespace mailroot::smtp
