// The front of the session: cuts the input into lines and content, carries answers back.
#include "mailroot/smtp/server_session.h"

#include <utility>

#include "command_table.h"
#include "content_flow.h"
#include "mailroot/base/assert.h"
#include "replies.h"
#include "session_state.h"
#include "verbs.h"

namespace mailroot::smtp {

struct ServerSession::State : SessionState {
  using SessionState::SessionState;
};

namespace {

constexpr std::byte kTlsHandshakeRecord{0x16};  // RFC 8446 5.1

bool takes_content(const SessionState& session) {
  return session.phase == Phase::data || session.phase == Phase::chunk;
}

TimerName timer_of(const SessionState& session) {
  if (session.phase == Phase::committing) return TimerName::data_termination;
  if (!takes_content(session)) return TimerName::command;
  return session.content_started ? TimerName::data_block : TimerName::data_initiation;
}

void say_shutting_down(SessionState& session, Actions& actions) {
  say_closing(session, actions, "421 4.3.2", "Server is going down", "shutting down");
}

// Content arrives, or more of it may (between two BDAT).
bool is_streaming(const SessionState& session) {
  return takes_content(session) || session.phase == Phase::chunks;
}

// The session may have ended or asked in the meantime. A server going down finishes the message
// that is arriving, and nothing after it.
bool can_read(const SessionState& session) {
  return session.question == Question::none && session.phase != Phase::closed &&
         session.phase != Phase::connected && (!session.shutting_down || is_streaming(session));
}

// Begins every call: what was said of the last one holds no more.
SessionState& begin_call(SessionState& session, Actions& actions) {
  actions.content_abandoned = false;
  return session;
}

// A response of AUTH, or what may be one sent at the wrong moment, is for no log.
std::string_view without_secrets(SessionState& session, std::string_view line) {
  constexpr std::string_view kAuth = "AUTH ";
  const std::string_view verb = line.substr(0, line.find(' '));
  if (equals_ignoring_case(line.substr(0, kAuth.size()), kAuth)) {
    session.saw_auth = true;
    const size_t mechanism = line.find_first_not_of(' ', kAuth.size());
    return line.substr(0, mechanism == line.npos ? mechanism : line.find(' ', mechanism));
  }
  return session.saw_auth && find_command(verb) == nullptr ? "?" : line;
}

// A command was read: from here on its reply is waited for.
void record_command(SessionState& session, std::string_view line) {
  if (!session.rules.record_exchanges) return;
  session.recorded_command = without_secrets(session, line);
  session.is_recording = true;
}

// Whether what was said behind `before` octets of replies answers the recorded command.
void record_reply(SessionState& session, Actions& actions, size_t before, uint64_t content_bytes) {
  if (!session.is_recording || actions.reply.size() <= before) return;
  const std::string_view said = std::string_view(actions.reply).substr(before);
  // The answer to DATA comes after the content, that to AUTH after its responses.
  if (said.starts_with("354") || said.starts_with("334")) return;
  session.is_recording = false;
  Exchange& exchange = actions.exchanges.emplace_back();
  exchange.command = std::move(session.recorded_command);
  exchange.reply = said.substr(0, said.find('\r'));
  exchange.reply_bytes = static_cast<uint32_t>(said.size());
  exchange.content_bytes = content_bytes;
}

// Ends every call: states what the driver has to know.
void settle(SessionState& session, Actions& actions) {
  const bool is_closed = session.phase == Phase::closed;
  const bool is_idle = session.question == Question::none && !is_streaming(session);
  if (session.shutting_down && is_idle && !is_closed) say_shutting_down(session, actions);
  actions.question = is_closed ? Question::none : session.question;
  actions.timer = timer_of(session);
}

LineReader::Rules line_rules(const SessionState& session) {
  if (session.phase == Phase::authenticating) return LineReader::Rules::response;
  return session.offers(Extension::auth) ? LineReader::Rules::long_auth
                                         : LineReader::Rules::commands;
}

size_t feed_command(SessionState& session, ByteView input, Actions& actions) {
  if (session.lines.at_line_start() && !session.is_tls && input.front() == kTlsHandshakeRecord) {
    say(actions, "554 5.5.1 This port does not start with TLS");
    close_session(session, actions, "TLS on a plain port");
    return 0;
  }
  const bool is_response = session.phase == Phase::authenticating;
  size_t consumed = 0;
  switch (session.lines.read(input, consumed, line_rules(session))) {
    case LineReader::Event::incomplete:
      break;
    case LineReader::Event::line:
      if (is_response) {
        run_auth_response(session, session.lines.line(), actions);
        session.lines.wipe();
        break;
      }
      record_command(session, session.lines.line());
      run_command_line(session, session.lines.line(), actions);
      if (session.lines.is_auth()) session.lines.wipe();
      break;
    case LineReader::Event::too_long:
      if (is_response || session.lines.is_auth()) {
        end_auth_too_long(session, actions);
      } else {
        refuse(session, actions, "500 5.5.2 Line too long");
      }
      break;
    case LineReader::Event::endless:
      say_closing(session, actions, "421 4.7.0", "Line too long", "endless command line");
      break;
  }
  return consumed;
}

void greet_accepted(SessionState& session, Actions& actions) {
  if (session.talked_early) {  // RFC 5321 3.1: the client waits; spam programs do not
    say(actions, "554 5.5.1 You talked before the greeting");
    return close_session(session, actions, "talked before the greeting");
  }
  session.phase = Phase::greeted;
  actions.reply += "220 ";
  actions.reply += session.rules.fqdn;
  actions.reply += ' ';
  say(actions, session.rules.banner.empty() ? std::string_view("ESMTP") : session.rules.banner);
}

void commit_accepted(SessionState& session, std::string_view queue_id, Actions& actions) {
  ++session.messages;
  session.errors = 0;
  session.junk = 0;
  session.draft_open = false;
  actions.reply += "250 2.6.0 ";
  actions.reply += queue_id;
  say(actions, " Queued mail for delivery");
  end_transaction(session, actions);
}

void accept(SessionState& session, Question question, const Answer& answer, Actions& actions) {
  switch (question) {
    case Question::may_connect:
      return greet_accepted(session, actions);
    case Question::may_mail:
      return apply_mail(session, actions);
    case Question::may_relay:
      return apply_rcpt(session, actions);
    case Question::begin_content:
      return session.is_chunked ? apply_bdat(session, actions) : apply_data(session, actions);
    case Question::commit:
      return commit_accepted(session, answer.queue_id, actions);
    case Question::send_kept:
      return apply_etrn(session, actions);
    case Question::authenticate:
      return apply_auth(session, answer, actions);
    case Question::start_tls:
    case Question::none:
      MAILROOT_ASSERT(false, "nothing to answer");
  }
}

void reject(SessionState& session, Question question, const Answer& answer, Actions& actions) {
  switch (question) {
    case Question::may_connect:
      refuse_with(session, actions, answer.reply);
      if (session.phase != Phase::closed) close_session(session, actions, "refused");
      return;
    case Question::begin_content:
      return refuse_opening(session, answer.reply, actions);
    case Question::commit:
      session.draft_open = false;
      [[fallthrough]];
    case Question::may_mail:
      refuse_with(session, actions, answer.reply);
      if (session.phase != Phase::closed) end_transaction(session, actions);
      return;
    case Question::may_relay:
    case Question::send_kept:
      return refuse_with(session, actions, answer.reply);
    case Question::authenticate:
      return refuse_auth(session, answer.reply, actions);
    case Question::start_tls:
    case Question::none:
      MAILROOT_ASSERT(false, "nothing to answer");
  }
}

}  // namespace

void Actions::clear() {
  reply.clear();
  content.clear();
  content_abandoned = false;
  exchanges.clear();
  question = Question::none;
  timer = TimerName::command;
  close = false;
  close_reason = {};
}

ServerSession::ServerSession(SessionRules rules, const SocketAddress& client)
    : state_(std::make_unique<State>(std::move(rules), client)) {}

ServerSession::~ServerSession() = default;

void ServerSession::greet(Actions& actions) {
  SessionState& session = begin_call(*state_, actions);
  MAILROOT_ASSERT(session.phase == Phase::connected, "greeted once");
  ask(session, Question::may_connect);
  settle(session, actions);
}

size_t ServerSession::feed(ByteView input, Actions& actions) {
  SessionState& session = begin_call(*state_, actions);
  size_t consumed = 0;
  if (session.phase == Phase::connected && !input.empty()) session.talked_early = true;
  while (consumed < input.size() && can_read(session)) {
    const ByteView rest = input.subspan(consumed);
    const size_t replies_before = actions.reply.size();
    const uint64_t content_before = session.content_bytes;
    const size_t step = takes_content(session) ? feed_content(session, rest, actions)
                                               : feed_command(session, rest, actions);
    record_reply(session, actions, replies_before, content_before);
    if (step == 0) break;  // the batch of pieces is full
    consumed += step;
  }
  if (session.phase == Phase::handshake) consumed = input.size();
  settle(session, actions);
  return consumed;
}

void ServerSession::answer(const Answer& answer, Actions& actions) {
  SessionState& session = begin_call(*state_, actions);
  const Question question = std::exchange(session.question, Question::none);
  const size_t replies_before = actions.reply.size();
  const uint64_t content_bytes = session.content_bytes;
  if (session.phase != Phase::closed) {
    if (answer.accept) {
      accept(session, question, answer, actions);
    } else {
      reject(session, question, answer, actions);
    }
  }
  const bool ends = answer.close_after || answer.reply.starts_with("421");
  if (ends && session.phase != Phase::closed) {
    close_session(session, actions, "closed by policy");
  }
  record_reply(session, actions, replies_before, content_bytes);
  settle(session, actions);
}

void ServerSession::refuse_content(std::string reply) {
  SessionState& session = *state_;
  if (!content_is_streaming()) return;
  session.draft_open = false;
  if (session.refusal != Refusal::none) return;
  session.refusal = Refusal::driver;
  session.refusal_reply = std::move(reply);
}

void ServerSession::tls_started() {
  SessionState& session = *state_;
  MAILROOT_ASSERT(session.question == Question::start_tls, "after STARTTLS only");
  MAILROOT_ASSERT(session.lines.at_line_start(), "nothing read in clear text is left");
  session.question = Question::none;
  session.phase = Phase::greeted;
  session.is_tls = true;
  session.is_extended = false;
  session.client_name.clear();
  session.user.clear();
}

void ServerSession::bind_channel(sasl::ChannelBinding binding, bool has_identity) {
  state_->binding = std::move(binding);
  state_->has_certificate_identity = has_identity;
}

void ServerSession::time_out(Actions& actions) {
  SessionState& session = begin_call(*state_, actions);
  if (session.phase == Phase::closed) return;
  if (session.shutting_down) {  // a message had its time to finish
    say_shutting_down(session, actions);
  } else {
    say_closing(session, actions, "421 4.4.2", "Timeout", "timeout");
  }
  settle(session, actions);
}

void ServerSession::shut_down(Actions& actions) {
  SessionState& session = begin_call(*state_, actions);
  session.shutting_down = true;
  settle(session, actions);
}

void ServerSession::peer_closed(Actions& actions) {
  SessionState& session = begin_call(*state_, actions);
  if (session.phase == Phase::closed) return;
  close_session(session, actions, "connection closed by client");
  settle(session, actions);
}

const Envelope& ServerSession::envelope() const { return state_->envelope; }

Envelope ServerSession::take_envelope() { return std::move(state_->envelope); }

const Recipient& ServerSession::pending_recipient() const { return state_->pending; }

const std::string& ServerSession::requested_queue() const { return state_->requested_queue; }

const sasl::Request& ServerSession::authentication() const { return state_->exchange->request(); }

const std::string& ServerSession::user() const { return state_->user; }

sasl::Mechanism ServerSession::auth_mechanism() const { return state_->auth_mechanism; }

const std::string& ServerSession::client_name() const { return state_->client_name; }

ExtendedProtocol ServerSession::protocol() const {
  const bool is_user = !state_->user.empty();
  if (state_->envelope.smtputf8) {
    if (state_->is_tls) {
      return is_user ? ExtendedProtocol::utf8smtpsa : ExtendedProtocol::utf8smtps;
    }
    return is_user ? ExtendedProtocol::utf8smtpa : ExtendedProtocol::utf8smtp;
  }
  if (state_->is_tls) return is_user ? ExtendedProtocol::esmtpsa : ExtendedProtocol::esmtps;
  if (is_user) return ExtendedProtocol::esmtpa;
  return state_->is_extended ? ExtendedProtocol::esmtp : ExtendedProtocol::smtp;
}

bool ServerSession::in_transaction() const {
  const Phase phase = state_->phase;
  return phase == Phase::mail || phase == Phase::rcpt || phase == Phase::chunks ||
         phase == Phase::chunk || phase == Phase::data || phase == Phase::committing;
}

bool ServerSession::content_is_streaming() const { return is_streaming(*state_); }

uint64_t ServerSession::messages_accepted() const { return state_->messages; }

}  // namespace mailroot::smtp
