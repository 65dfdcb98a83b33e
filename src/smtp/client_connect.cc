// Greeting, EHLO with its fall back to HELO, STARTTLS: until the session may log in or is ready.
#include "client_state.h"
#include "mailroot/base/assert.h"

namespace mailroot::smtp {

void ClientSession::State::take_greeting(const Reply& reply, ClientActions& actions) {
  awaited.pop_front();
  if (reply.is_positive()) {
    greeting = reply.text;
    say_hello(actions);
    return;
  }
  // RFC 5321 3.1: after a refusal the client says QUIT; nobody waits for its answer.
  fail_connection(CloseReason::greeting_refused,
                  outcome_of_reply(reply, Stage::greeting, OutcomeScope::connection), actions);
  actions.send += "QUIT\r\n";
}

void ClientSession::State::say_hello(ClientActions& actions) {
  phase = ClientPhase::greeted;
  if (rules.hello_only)
    send("HELO " + rules.hello_name, Awaited::helo, actions);
  else
    send("EHLO " + rules.hello_name, Awaited::ehlo, actions);
}

void ClientSession::State::take_hello(const Reply& reply, bool extended, ClientActions& actions) {
  awaited.pop_front();
  if (reply.is_positive()) {
    offers = extended ? parse_offers(reply.text) : ServerOffers{};
    if (tls_active || rules.tls == ClientTls::off) {
      authenticate(actions);
    } else if (offers.start_tls) {
      send("STARTTLS", Awaited::start_tls, actions);
    } else if (rules.tls == ClientTls::opportunistic) {
      authenticate(actions);
    } else {
      fail_connection(
          CloseReason::tls_unavailable,
          local_outcome(Disposition::deferred, Stage::start_tls, OutcomeScope::connection, "4.7.4",
                        "TLS is required, and the server does not offer STARTTLS"),
          actions);
      actions.send += "QUIT\r\n";
    }
    return;
  }
  // RFC 5321 3.2: a server that does not know EHLO may know HELO.
  if (extended && reply.is_permanent()) {
    send("HELO " + rules.hello_name, Awaited::helo, actions);
    return;
  }
  fail_connection(CloseReason::hello_refused,
                  outcome_of_reply(reply, Stage::hello, OutcomeScope::connection), actions);
  actions.send += "QUIT\r\n";
}

void ClientSession::State::take_start_tls(const Reply& reply, ClientActions& actions) {
  awaited.pop_front();
  if (reply.is_positive()) {
    phase = ClientPhase::handshake;
    actions.start_tls = true;
    return;
  }
  if (rules.tls == ClientTls::opportunistic) {
    authenticate(actions);
    return;
  }
  DeliveryOutcome outcome = outcome_of_reply(reply, Stage::start_tls, OutcomeScope::connection);
  outcome.disposition = Disposition::deferred;  // of this host's TLS, not of the message
  fail_connection(CloseReason::tls_unavailable, outcome, actions);
  actions.send += "QUIT\r\n";
}

void ClientSession::State::become_ready(ClientActions& actions) {
  phase = ClientPhase::ready;
  if (pending)
    start_transaction(actions);
  else
    actions.ready = true;
}

void ClientSession::tls_started(ClientActions& actions) {
  State& state = *state_;
  MAILROOT_ASSERT(state.phase == ClientPhase::handshake, "no handshake was asked for");
  actions.start_tls = false;
  state.tls_active = true;
  state.offers = {};
  state.parser.reset();
  state.say_hello(actions);
  state.set_timer(actions);
}

void ClientSession::tls_failed(std::string_view why, ClientActions& actions) {
  MAILROOT_ASSERT(state_->phase == ClientPhase::handshake, "no handshake was asked for");
  state_->fail_connection(
      CloseReason::tls_unavailable,
      local_outcome(Disposition::deferred, Stage::start_tls, OutcomeScope::connection, "4.7.5",
                    "TLS handshake failed: " + std::string(why)),
      actions);
}

}  // namespace mailroot::smtp
