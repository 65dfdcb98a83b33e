// The public face, replies and ends. See client_state.h for the drawing.
#include "mailroot/smtp/client_session.h"

#include <utility>

#include "client_state.h"
#include "mailroot/base/assert.h"
#include "mailroot/sasl/scram.h"

namespace mailroot::smtp {

void ClientActions::clear() {
  if (!hidden.empty()) sasl::wipe(send);
  send.clear();
  hidden.clear();
  content = ContentForm::none;
  start_tls = false;
  outcomes.clear();
  ready = false;
  close = false;
  close_reason = CloseReason::none;
  close_detail.clear();
}

ClientSession::State::State(ClientRules rules_in, std::string remote_host_in)
    : rules(std::move(rules_in)), remote_host(std::move(remote_host_in)) {
  tls_active = rules.already_tls;
  MAILROOT_ASSERT(rules.recipients_max > 0, "a transaction carries at least one recipient");
  MAILROOT_ASSERT(!rules.hello_name.empty(), "EHLO needs a name");
}

void ClientSession::State::send(std::string_view line, Awaited reply, ClientActions& actions) {
  actions.send += line;
  actions.send += "\r\n";
  awaited.push_back(reply);
}

void ClientSession::State::close(CloseReason reason, std::string_view detail,
                                 ClientActions& actions) {
  phase = ClientPhase::closed;
  awaited.clear();
  content = ContentState::none;
  actions.content = ContentForm::none;
  actions.start_tls = false;
  actions.ready = false;
  actions.close = true;
  actions.close_reason = reason;
  actions.close_detail = detail;
}

void ClientSession::State::fail_connection(CloseReason reason, DeliveryOutcome outcome,
                                           ClientActions& actions) {
  outcome.scope = OutcomeScope::connection;
  const std::string detail = summary(outcome);
  if (phase == ClientPhase::transaction || pending) {
    // What the peer said about the message itself weighs more than how the connection ended.
    settle_rest(message_outcome ? *message_outcome : outcome);
    emit_outcomes(actions);
  }
  close(reason, detail, actions);
}

void ClientSession::State::fail_protocol(std::string_view why, ClientActions& actions) {
  fail_connection(CloseReason::protocol_error,
                  local_outcome(Disposition::deferred, stage(), OutcomeScope::connection, "4.5.0",
                                "the server does not keep to SMTP: " + std::string(why)),
                  actions);
}

namespace {

// 220 opens a session or TLS and nothing else, 221 closes, 354 asks for content, 211 and 214 answer
// what we never say. Any other reply may stand anywhere: its first digit decides (RFC 5321 4.2.1).
// Catches a server whose replies are one off before it can be believed.
bool fits(uint16_t code, Awaited awaited) {
  const bool opens = awaited == Awaited::greeting || awaited == Awaited::start_tls;
  if (code / 100 == 2 && opens) return code == 220;
  if (code == 334) return awaited == Awaited::auth || awaited == Awaited::auth_cancel;
  if (code / 100 == 3) return awaited == Awaited::data;
  return code != 220 && code != 221 && code != 211 && code != 214;
}

}  // namespace

std::string_view ClientSession::State::waiting_for() const {
  if (phase == ClientPhase::handshake) return "the TLS handshake";
  if (content == ContentState::asked_for && awaited.empty()) return "room to send the content";
  if (awaited.empty()) return phase == ClientPhase::connecting ? "the greeting" : "nothing";
  switch (awaited.front()) {
    case Awaited::greeting:
      return "the greeting";
    case Awaited::ehlo:
      return "the reply to EHLO";
    case Awaited::helo:
      return "the reply to HELO";
    case Awaited::start_tls:
      return "the reply to STARTTLS";
    case Awaited::auth:
    case Awaited::auth_cancel:
      return "the reply to AUTH";
    case Awaited::rset:
      return "the reply to RSET";
    case Awaited::mail:
      return "the reply to MAIL";
    case Awaited::rcpt:
      return "the reply to RCPT";
    case Awaited::data:
      return "the reply to DATA";
    case Awaited::bdat:
      return "the reply to BDAT";
    case Awaited::end:
    case Awaited::empty_end:
      return "the reply to the end of the content";
    case Awaited::quit:
      return "the reply to QUIT";
  }
  return "nothing";
}

Stage ClientSession::State::stage() const {
  if (phase == ClientPhase::connecting) return Stage::greeting;
  if (phase == ClientPhase::greeted) {
    if (awaited.empty()) return Stage::hello;
    const Awaited front = awaited.front();
    if (front == Awaited::auth || front == Awaited::auth_cancel) return Stage::authenticate;
    return front == Awaited::start_tls ? Stage::start_tls : Stage::hello;
  }
  if (phase == ClientPhase::handshake) return Stage::start_tls;
  if (awaited.empty()) return content == ContentState::none ? Stage::mail : Stage::content;
  switch (awaited.front()) {
    case Awaited::rcpt:
      return Stage::recipient;
    case Awaited::data:
      return Stage::data;
    case Awaited::bdat:
    case Awaited::end:
    case Awaited::empty_end:
      return Stage::content;
    default:
      return Stage::mail;
  }
}

void ClientSession::State::set_timer(ClientActions& actions) const {
  if (content == ContentState::asked_for) {
    actions.timer = ClientTimer::data_block;
  } else if (awaited.empty()) {
    actions.timer = phase == ClientPhase::handshake ? ClientTimer::hello : ClientTimer::idle;
  } else {
    switch (awaited.front()) {
      case Awaited::greeting:
        actions.timer = ClientTimer::greeting;
        break;
      case Awaited::ehlo:
      case Awaited::helo:
      case Awaited::start_tls:
      case Awaited::auth:
      case Awaited::auth_cancel:
        actions.timer = ClientTimer::hello;
        break;
      case Awaited::rset:
        actions.timer = ClientTimer::reset;
        break;
      case Awaited::mail:
        actions.timer = ClientTimer::mail;
        break;
      case Awaited::rcpt:
        actions.timer = ClientTimer::recipient;
        break;
      case Awaited::data:
        actions.timer = ClientTimer::data_initiation;
        break;
      case Awaited::bdat:
      case Awaited::end:
      case Awaited::empty_end:
        actions.timer = ClientTimer::data_termination;
        break;
      case Awaited::quit:
        actions.timer = ClientTimer::quit;
        break;
    }
  }
}

void ClientSession::State::take_input(ByteView input, ClientActions& actions) {
  while (!input.empty() && phase != ClientPhase::closed) {
    // In clear before the handshake is not from the peer we are about to trust (RFC 3207 5).
    if (phase == ClientPhase::handshake) return;
    ReplyStatus status = ReplyStatus::incomplete;
    input = input.subspan(parser.feed(input, status));
    if (status == ReplyStatus::malformed) fail_protocol(parser.error(), actions);
    if (status == ReplyStatus::complete) take_reply(parser.reply(), actions);
  }
}

void ClientSession::State::take_reply(const Reply& reply, ClientActions& actions) {
  if (phase == ClientPhase::quitting) {
    close(CloseReason::done, "", actions);
    return;
  }
  if (reply.code == 421 && phase != ClientPhase::connecting) {
    const bool mid_content = content == ContentState::asked_for && awaited.empty();
    fail_connection(mid_content ? CloseReason::content_rejected : CloseReason::service_closing,
                    outcome_of_reply(reply, stage(), OutcomeScope::connection), actions);
    return;
  }
  if (awaited.empty()) {
    if (content == ContentState::asked_for)
      take_reply_in_content(reply, actions);
    else
      fail_protocol("a reply nobody asked for", actions);
    return;
  }
  const Awaited front = awaited.front();
  if (!fits(reply.code, front)) {
    fail_protocol("a reply to another command: " + std::to_string(reply.code), actions);
    return;
  }
  if (front == Awaited::greeting) {
    take_greeting(reply, actions);
  } else if (front == Awaited::ehlo || front == Awaited::helo) {
    take_hello(reply, front == Awaited::ehlo, actions);
  } else if (front == Awaited::start_tls) {
    take_start_tls(reply, actions);
  } else if (front == Awaited::auth || front == Awaited::auth_cancel) {
    take_auth(reply, front == Awaited::auth_cancel, actions);
  } else {
    take_transaction_reply(front, reply, actions);
  }
}

ClientSession::ClientSession(ClientRules rules, std::string remote_host)
    : state_(std::make_unique<State>(std::move(rules), std::move(remote_host))) {}
ClientSession::~ClientSession() = default;

void ClientSession::start(ClientActions& actions) {
  MAILROOT_ASSERT(!state_->started, "a session starts once");
  state_->started = true;
  state_->awaited.push_back(Awaited::greeting);
  state_->set_timer(actions);
}

void ClientSession::feed(ByteView input, ClientActions& actions) {
  MAILROOT_ASSERT(state_->started, "start() comes first");
  state_->take_input(input, actions);
  state_->set_timer(actions);
}

void ClientSession::begin(const Transaction& transaction, ClientActions& actions) {
  State& state = *state_;
  MAILROOT_ASSERT(!in_transaction(), "one transaction at a time");
  MAILROOT_ASSERT(transaction.envelope != nullptr, "a transaction has an envelope");
  MAILROOT_ASSERT(!transaction.recipients.empty(), "a transaction has recipients");
  MAILROOT_ASSERT(state.phase != ClientPhase::closed && state.phase != ClientPhase::quitting,
                  "no transaction after the end");
  state.transaction = transaction;
  state.recipients.clear();
  for (const uint32_t index : transaction.recipients) {
    MAILROOT_ASSERT(index < transaction.envelope->recipients.size(), "a recipient of the envelope");
    state.recipients.push_back({.index = index, .accepted = false, .outcome = std::nullopt});
  }
  state.message_outcome.reset();
  state.pending = true;
  actions.ready = false;
  if (state.phase == ClientPhase::ready) state.start_transaction(actions);
  state.set_timer(actions);
}

void ClientSession::content_sent(ClientActions& actions) {
  State& state = *state_;
  if (state.phase == ClientPhase::closed) return;
  MAILROOT_ASSERT(state.content == ContentState::asked_for, "no content was asked for");
  state.content = ContentState::sent;
  actions.content = ContentForm::none;
  if (state.form != ContentForm::bdat) state.awaited.push_back(Awaited::end);
  state.set_timer(actions);
}

void ClientSession::content_failed(std::string_view why, bool permanent, ClientActions& actions) {
  if (state_->phase == ClientPhase::closed) return;
  MAILROOT_ASSERT(state_->content == ContentState::asked_for, "no content was asked for");
  state_->settle_rest(local_outcome(permanent ? Disposition::failed : Disposition::deferred,
                                    Stage::local, OutcomeScope::message,
                                    permanent ? "5.6.0" : "4.3.0", why));
  state_->emit_outcomes(actions);
  state_->close(CloseReason::content_lost, why, actions);
}

void ClientSession::quit(ClientActions& actions) {
  State& state = *state_;
  MAILROOT_ASSERT(!in_transaction(), "the transaction is not over");
  if (state.phase == ClientPhase::closed) return;
  actions.ready = false;
  if (state.phase != ClientPhase::ready) {
    state.close(CloseReason::done, "", actions);
    return;
  }
  state.phase = ClientPhase::quitting;
  state.send("QUIT", Awaited::quit, actions);
  state.set_timer(actions);
}

void ClientSession::time_out(ClientActions& actions) {
  State& state = *state_;
  if (state.phase == ClientPhase::closed) return;
  if (state.phase == ClientPhase::quitting) {
    state.close(CloseReason::done, "", actions);
    return;
  }
  state.fail_connection(
      CloseReason::timed_out,
      local_outcome(Disposition::deferred, state.stage(), OutcomeScope::connection, "4.4.2",
                    "timed out waiting for " + std::string(state.waiting_for())),
      actions);
}

void ClientSession::peer_closed(std::string_view why, ClientActions& actions) {
  State& state = *state_;
  if (state.phase == ClientPhase::closed) return;
  if (state.phase == ClientPhase::quitting) {
    state.close(CloseReason::done, "", actions);
    return;
  }
  std::string text(why.empty() ? std::string_view("connection closed") : why);
  text += " while waiting for " + std::string(state.waiting_for());
  state.fail_connection(
      CloseReason::peer_closed,
      local_outcome(Disposition::deferred, state.stage(), OutcomeScope::connection, "4.4.2", text),
      actions);
}

bool ClientSession::ready() const {
  const State& state = *state_;
  if (state.phase != ClientPhase::ready) return false;
  const auto below = [&](uint32_t limit) { return limit == 0 || state.transactions < limit; };
  return below(state.rules.transactions_max) && below(state.offers.transactions_max);
}

bool ClientSession::in_transaction() const {
  return state_->pending || state_->phase == ClientPhase::transaction;
}

bool ClientSession::is_closed() const { return state_->phase == ClientPhase::closed; }
const ServerOffers& ClientSession::offers() const { return state_->offers; }
const std::string& ClientSession::greeting() const { return state_->greeting; }
uint32_t ClientSession::transactions() const { return state_->transactions; }
uint64_t ClientSession::recipients_delivered() const { return state_->delivered; }

}  // namespace mailroot::smtp
