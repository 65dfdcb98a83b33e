// One message: MAIL, RCPT and DATA or BDAT go out as far ahead of their replies as the server
// allows; the outcomes come out together at the end.
#include <algorithm>
#include <utility>

#include "client_limits.h"
#include "client_state.h"
#include "mailroot/base/assert.h"

namespace mailroot::smtp {

void ClientSession::State::start_transaction(ClientActions& actions) {
  pending = false;
  phase = ClientPhase::transaction;
  ++transactions;
  recipients_sent = recipients_answered = 0;
  mail_sent = mail_accepted = full = content_command_sent = false;
  content = ContentState::none;
  if (!check_transaction()) {
    if (message_outcome) settle_rest(*message_outcome);
    --transactions;
    phase = ClientPhase::ready;
    emit_outcomes(actions);
    actions.ready = true;
    return;
  }
  // Those that cannot be sent here step behind those that can; beyond the limit of this
  // transaction stand the ones for another.
  std::ranges::sort(recipients, {},
                    [](const auto& r) { return std::pair(r.outcome.has_value(), r.index); });
  const auto sendable = static_cast<size_t>(
      std::ranges::count_if(recipients, [](const auto& r) { return !r.outcome.has_value(); }));
  size_t limit = rules.recipients_max;
  if (offers.recipients_max > 0) limit = std::min<size_t>(limit, offers.recipients_max);
  recipients_in = std::min(sendable, limit);
  pump(actions);
}

size_t ClientSession::State::accepted_count() const {
  return static_cast<size_t>(std::ranges::count_if(recipients, &ClientRecipient::accepted));
}

bool ClientSession::State::all_recipients_answered() const {
  return recipients_answered == recipients_sent && (full || recipients_sent == recipients_in);
}

// Sends what may go out now. Without PIPELINING that is one command at a time.
void ClientSession::State::pump(ClientActions& actions) {
  const bool pipelined = offers.pipelining && rules.use_pipelining;
  if (!pipelined) {
    if (awaited.empty()) send_next(actions);
    return;
  }
  // Refill at half: one write for many commands instead of one for each reply.
  if (awaited.size() > kCommandsInFlightMax / 2) return;
  while (awaited.size() < kCommandsInFlightMax && send_next(actions)) {
  }
}

bool ClientSession::State::send_next(ClientActions& actions) {
  if (reset_due && !mail_sent) {
    reset_due = false;
    send("RSET", Awaited::rset, actions);
    return true;
  }
  if (!mail_sent) {
    mail_sent = true;
    send(mail_command(), Awaited::mail, actions);
    return true;
  }
  if (message_outcome) return false;
  if (recipients_sent < recipients_in && !full) {
    const uint32_t index = recipients[recipients_sent++].index;
    send(rcpt_command(transaction.envelope->recipients[index]), Awaited::rcpt, actions);
    return true;
  }
  if (content_command_sent || !may_send_content_command()) return false;
  send_content_command(actions);
  return false;  // the last of a pipelined group (RFC 2920 3.1)
}

bool ClientSession::State::may_send_content_command() const {
  if (all_recipients_answered()) return accepted_count() > 0;
  if (form != ContentForm::bdat) return true;
  return transaction.size_bytes <= rules.eager_content_max;
}

void ClientSession::State::send_content_command(ClientActions& actions) {
  content_command_sent = true;
  if (form != ContentForm::bdat) {
    send("DATA", Awaited::data, actions);
    return;
  }
  send("BDAT " + std::to_string(transaction.size_bytes) + " LAST", Awaited::bdat, actions);
  content = ContentState::asked_for;
  actions.content = ContentForm::bdat;
}

void ClientSession::State::take_transaction_reply(Awaited front, const Reply& reply,
                                                  ClientActions& actions) {
  if (front == Awaited::bdat && content == ContentState::asked_for) {
    take_reply_in_content(reply, actions);
    return;
  }
  awaited.pop_front();
  switch (front) {
    case Awaited::rset:
      if (!reply.is_positive()) {
        fail_protocol("RSET was refused", actions);
        return;
      }
      break;
    case Awaited::mail:
      take_mail(reply);
      break;
    case Awaited::rcpt:
      take_rcpt(reply);
      break;
    case Awaited::data:
      take_data(reply, actions);
      break;
    default:
      take_end(front, reply);
      break;
  }
  if (phase != ClientPhase::transaction) return;
  pump(actions);
  finish_if_over(actions);
}

void ClientSession::State::take_mail(const Reply& reply) {
  mail_accepted = reply.is_positive();
  if (!mail_accepted) message_outcome = outcome_of_reply(reply, Stage::mail, OutcomeScope::message);
}

void ClientSession::State::take_rcpt(const Reply& reply) {
  ClientRecipient& recipient = recipients[recipients_answered++];
  if (!mail_accepted) return;  // the refusal of MAIL says why
  if (reply.is_positive()) {
    recipient.accepted = true;
    return;
  }
  recipient.outcome = outcome_of_reply(reply, Stage::recipient, OutcomeScope::recipient);
  if (!says_too_many_recipients(reply)) return;
  if (accepted_count() > 0) {
    full = true;
    recipient.outcome->disposition = Disposition::not_tried;
  } else if (reply.is_permanent()) {
    // RFC 5321 4.5.3.1.10: a 552 of this kind is temporary.
    recipient.outcome->disposition = Disposition::deferred;
    recipient.outcome->enhanced_code = "4.5.3";
  }
}

void ClientSession::State::take_data(const Reply& reply, ClientActions& actions) {
  if (reply.is_positive()) {
    fail_protocol("DATA was answered as if the content had been sent", actions);
    return;
  }
  if (reply.first_digit() == 3) {
    if (accepted_count() > 0) {
      content = ContentState::asked_for;
      actions.content = form;
      return;
    }
    // RFC 2920 3.1: DATA was pipelined and taken although no recipient was.
    actions.send += ".\r\n";
    awaited.push_back(Awaited::empty_end);
    return;
  }
  reset_due = mail_accepted;
  if (!message_outcome)
    message_outcome = outcome_of_reply(reply, Stage::data, OutcomeScope::message);
  if (accepted_count() == 0 && mail_accepted) message_outcome.reset();  // RCPT replies say why
}

// The final reply. 2yz after the whole content is the only way to `delivered`.
void ClientSession::State::take_end(Awaited front, const Reply& reply) {
  if (front == Awaited::empty_end) {
    reset_due = !reply.is_positive();
    return;
  }
  const bool failed_before = message_outcome.has_value();  // a pipelined BDAT after a refused MAIL
  if (!reply.is_positive() && mail_accepted) reset_due = true;
  if (failed_before || accepted_count() == 0) return;
  MAILROOT_ASSERT(content == ContentState::sent, "a final reply is awaited after the content only");
  DeliveryOutcome outcome = outcome_of_reply(reply, Stage::content, OutcomeScope::message);
  outcome.peer_takes_dsn = outcome.disposition == Disposition::delivered && offers.dsn;
  settle_accepted(outcome);
}

// The server speaks while content is on its way. A refusal is believed, but the rest of the
// content cannot be taken back: the connection ends here. Anything else is nonsense.
void ClientSession::State::take_reply_in_content(const Reply& reply, ClientActions& actions) {
  if (reply.is_positive() || reply.first_digit() == 3) {
    fail_protocol("a positive reply in the middle of the content", actions);
    return;
  }
  const DeliveryOutcome outcome = outcome_of_reply(reply, Stage::content, OutcomeScope::message);
  const std::string detail = summary(outcome);
  if (!message_outcome) settle_accepted(outcome);
  settle_rest(message_outcome ? *message_outcome : outcome);
  emit_outcomes(actions);
  close(CloseReason::content_rejected, detail, actions);
}

void ClientSession::State::finish_if_over(ClientActions& actions) {
  if (!awaited.empty() || content == ContentState::asked_for) return;
  if (!message_outcome && !content_command_sent) {
    MAILROOT_ASSERT(all_recipients_answered() && accepted_count() == 0,
                    "a transaction ends early only when nobody was accepted");
    reset_due = true;
  }
  if (message_outcome && mail_accepted) reset_due = true;
  if (message_outcome) settle_rest(*message_outcome);
  // What is left did not fit into this transaction.
  settle_rest(local_outcome(Disposition::not_tried, Stage::local, OutcomeScope::recipient, "4.5.3",
                            "left for another transaction"));
  phase = ClientPhase::ready;
  content = ContentState::none;
  emit_outcomes(actions);
  actions.ready = true;
}

void ClientSession::State::settle_accepted(const DeliveryOutcome& outcome) {
  for (ClientRecipient& recipient : recipients)
    if (recipient.accepted && !recipient.outcome) recipient.outcome = outcome;
}

void ClientSession::State::settle_rest(const DeliveryOutcome& outcome) {
  for (ClientRecipient& recipient : recipients)
    if (!recipient.outcome) recipient.outcome = outcome;
}

void ClientSession::State::emit_outcomes(ClientActions& actions) {
  std::ranges::sort(recipients, {}, &ClientRecipient::index);
  for (ClientRecipient& recipient : recipients) {
    MAILROOT_ASSERT(recipient.outcome.has_value(), "every recipient has an outcome");
    recipient.outcome->recipient = recipient.index;
    recipient.outcome->remote_host = remote_host;
    if (recipient.outcome->disposition == Disposition::delivered) ++delivered;
    actions.outcomes.push_back(std::move(*recipient.outcome));
  }
  recipients.clear();
  message_outcome.reset();
  pending = false;
  transaction.envelope = nullptr;
}

}  // namespace mailroot::smtp
