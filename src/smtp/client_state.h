// The inside of ClientSession. What was sent and not yet answered stands in `awaited`, in order:
// sending appends to it, each reply takes its front. That is the whole of pipelining.
//
//  connecting --220--> greeted --250 EHLO--> ready <----outcomes----+
//      |                  | STARTTLS          | begin               |
//      |                  | AUTH: login       v                     |
//      |                  v              in transaction ------------+
//      |             handshake                |
//      v any failure      v                   v            quit -> quitting
//      +------------------+----- closed ------+----------------------+
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/smtp/client_session.h"
#include "mailroot/smtp/reply_parser.h"

namespace mailroot::smtp {

enum class ClientPhase : uint8_t {
  connecting,  // not started, or waiting for the greeting
  greeted,     // EHLO, HELO, STARTTLS or AUTH is out
  handshake,   // the driver runs TLS
  ready,       // between transactions
  transaction,
  quitting,
  closed,
};

enum class Awaited : uint8_t {
  greeting,
  ehlo,
  helo,
  start_tls,
  auth,         // to AUTH or to a response: 334 or the verdict
  auth_cancel,  // to "*": any verdict
  rset,
  mail,
  rcpt,
  data,       // 354
  bdat,       // final reply to BDAT LAST
  end,        // final reply to the end of data
  empty_end,  // ... of the lone "." after a DATA that should have been refused
  quit,
};

// A recipient of the open transaction. Settled when it has an outcome.
struct ClientRecipient {
  uint32_t index = 0;  // into the envelope
  bool accepted = false;
  std::optional<DeliveryOutcome> outcome;
};

enum class ContentState : uint8_t { none, asked_for, sent };

struct ClientSession::State {
  State(ClientRules rules_in, std::string remote_host_in);

  // client_session.cc: replies and ends
  void take_input(ByteView input, ClientActions& actions);
  void take_reply(const Reply& reply, ClientActions& actions);
  void set_timer(ClientActions& actions) const;
  void send(std::string_view line, Awaited reply, ClientActions& actions);
  void close(CloseReason reason, std::string_view detail, ClientActions& actions);
  // Closes, and gives every unsettled recipient `outcome` with scope connection.
  void fail_connection(CloseReason reason, DeliveryOutcome outcome, ClientActions& actions);
  void fail_protocol(std::string_view why, ClientActions& actions);
  std::string_view waiting_for() const;
  Stage stage() const;

  // client_connect.cc: until ready
  void take_greeting(const Reply& reply, ClientActions& actions);
  void take_hello(const Reply& reply, bool extended, ClientActions& actions);
  void take_start_tls(const Reply& reply, ClientActions& actions);
  void say_hello(ClientActions& actions);
  void become_ready(ClientActions& actions);

  // client_authentication.cc
  void authenticate(ClientActions& actions);
  void start_exchange(sasl::ClientMechanism chosen, ClientActions& actions);
  void take_auth(const Reply& reply, bool cancelled, ClientActions& actions);
  void answer_challenge(const Reply& reply, ClientActions& actions);
  void give_up_exchange(std::string why, ClientActions& actions);
  void send_hidden(std::string_view open, std::string_view secret, ClientActions& actions);
  void fail_login(DeliveryOutcome outcome, ClientActions& actions);

  // client_transaction.cc
  void start_transaction(ClientActions& actions);
  void pump(ClientActions& actions);
  bool send_next(ClientActions& actions);
  bool may_send_content_command() const;
  void send_content_command(ClientActions& actions);
  void take_transaction_reply(Awaited awaited, const Reply& reply, ClientActions& actions);
  void take_mail(const Reply& reply);
  void take_rcpt(const Reply& reply);
  void take_data(const Reply& reply, ClientActions& actions);
  void take_end(Awaited awaited, const Reply& reply);
  void take_reply_in_content(const Reply& reply, ClientActions& actions);
  void finish_if_over(ClientActions& actions);
  void settle_accepted(const DeliveryOutcome& outcome);
  void settle_rest(const DeliveryOutcome& outcome);
  void emit_outcomes(ClientActions& actions);
  size_t accepted_count() const;
  bool all_recipients_answered() const;

  // client_preflight.cc: can this host take it at all?
  bool check_transaction();
  std::string mail_command() const;
  std::string rcpt_command(const Recipient& recipient) const;

  ClientRules rules;
  std::string remote_host;
  ClientPhase phase = ClientPhase::connecting;
  bool started = false;
  bool tls_active = false;
  ReplyParser parser;
  std::deque<Awaited> awaited;
  ServerOffers offers;
  std::string greeting;
  std::vector<sasl::ClientMechanism> mechanisms_left;  // to be tried if the server lacks the first
  sasl::ClientMechanism mechanism = sasl::ClientMechanism::plain;
  std::unique_ptr<sasl::ClientExchange> exchange;  // while AUTH is under way
  uint32_t challenges = 0;
  std::string given_up;  // why "*" was sent
  uint32_t transactions = 0;
  uint64_t delivered = 0;
  bool reset_due = false;  // the server still holds a dead transaction: RSET before the next MAIL

  // The open transaction, valid in phase transaction, or waiting for ready (`pending`).
  bool pending = false;
  Transaction transaction;
  std::vector<ClientRecipient> recipients;
  size_t recipients_in = 0;    // how many of them this transaction may carry
  size_t recipients_sent = 0;  // RCPT is out; replies come in the same order
  size_t recipients_answered = 0;
  bool mail_sent = false;
  bool mail_accepted = false;
  std::optional<DeliveryOutcome> message_outcome;  // MAIL, DATA or the content was refused
  bool full = false;                               // 452 4.5.3: no further RCPT
  bool content_command_sent = false;
  ContentState content = ContentState::none;
  ContentForm form = ContentForm::data;
  bool binary = false;  // BODY=BINARYMIME
  bool utf8 = false;    // SMTPUTF8
};

// client_outcome.cc
DeliveryOutcome outcome_of_reply(const Reply& reply, Stage stage, OutcomeScope scope);
DeliveryOutcome local_outcome(Disposition disposition, Stage stage, OutcomeScope scope,
                              std::string_view enhanced_code, std::string_view text);
bool says_too_many_recipients(const Reply& reply);

}  // namespace mailroot::smtp
