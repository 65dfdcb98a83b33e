// smtp::ServerSession: one inbound SMTP session as a pure state machine (RFC 5321, 1870, 2034,
// 2920, 3030, 3207, 3461, 4954, 6152, 6531, 9422). Bytes and answers in, actions out: no socket, no
// clock, no virtual call. One per connection, on its shard; the driver in receive/ owns it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/address.h"
#include "mailroot/base/bytes.h"
#include "mailroot/sasl/server.h"
#include "mailroot/smtp/envelope.h"

namespace mailroot::smtp {

// What this listener is and allows; copied from the configuration when the session starts. Policy
// that may change during a session (who may relay) is asked anew by questions.
struct SessionRules {
  std::string fqdn;                       // banner and EHLO
  std::string banner;                     // text after "220 <fqdn> "; may be empty
  std::string default_domain;             // stamps bare addresses
  uint64_t size_limit_bytes = 50 * kMiB;  // 0 = unlimited; advertised by SIZE
  uint64_t session_size_limit_bytes = 0;  // sum of bodies in one session; 0 = unlimited
  uint32_t recipients_max = 1000;         // then 452 4.5.3
  uint32_t transactions_max = 0;  // MAIL per session, then 421 (RFC 9422 MAILMAX); 0 = unlimited
  uint32_t errors_max = 20;       // 5yz replies since the last message, then 421; 0 = unlimited
  uint32_t junk_max = 100;  // NOOP, RSET, HELP... since the last message, then 421; 0 likewise
  uint32_t hop_limit = 30;  // checked by the driver on content, kept here for reply
  bool normalise_bare_line_feed = false;  // false: 5yz on bare CR or LF in data
  bool offer_start_tls = false;
  bool require_tls = false;    // no mail before STARTTLS: 530 5.7.0 (RFC 3207 4)
  bool begins_in_tls = false;  // implicit TLS: the driver has shaken hands before greet()
  bool offer_etrn = false;
  sasl::Mechanisms auth_mechanisms;      // empty: no AUTH; -PLUS and EXTERNAL need bind_channel()
  bool auth_needs_tls = true;            // neither offered nor taken in clear
  bool requires_authentication = false;  // 530 to MAIL and ETRN of who has not
  bool record_exchanges = false;         // Actions::exchanges, for a protocol log
  // EHLO keywords not offered (and their parameters then refused): upper case, space separated set.
  std::string disabled_keywords;
};

// The RFC 5321 4.5.3.2 timer that should run now; the driver maps it to seconds.
enum class TimerName : uint8_t { command, data_initiation, data_block, data_termination };

// What the session cannot know by itself. At most one is open; input waits while it is.
enum class Question : uint8_t {
  none,
  may_connect,    // asked by greet(): answer accept, or reject with a 421/554 reply
  may_mail,       // reverse-path known (session.envelope()); disk space, limits, sender policy
  may_relay,      // the newest recipient, session.pending_recipient()
  begin_content,  // 354 (or the first BDAT) is due: the driver opens its draft now. When rejected,
                  // DATA ends the transaction; a BDAT chunk is swallowed first
  commit,         // content is complete: make it durable
  send_kept,      // ETRN for requested_queue()
  authenticate,   // the request of authentication(); with accept Answer::user and Answer::verdict
  start_tls,  // 220 is in the reply; no answer(): the driver sends it, drops whatever it has read,
              // shakes hands and calls tls_started(), or closes
};

// The driver's answer. For accept the session words its own reply, except commit, where queue_id
// goes into "250 2.6.0 X Queued mail for delivery". For reject, `reply` is the whole reply line,
// "451 4.3.0 text", without CRLF: 4yz or 5yz (asserted); what could end the line is replaced, what
// is too long is cut, and 421 closes.
struct Answer {
  bool accept = true;
  std::string reply = {};
  std::string queue_id = {};
  bool close_after = false;  // send the reply, then end the session
  // Of authenticate: who it is when that is not the name in the request, and the keys of SCRAM.
  std::string user = {};
  sasl::Verdict verdict = {};
};

// One command and the final reply to it; for DATA the reply to the content, not the 354.
struct Exchange {
  std::string command;         // the line as it came, without its end; AUTH without its response
  std::string reply;           // first line, without its end
  uint32_t reply_bytes = 0;    // of all lines
  uint64_t content_bytes = 0;  // DATA, BDAT: as decoded
};

// What the driver does after each call, in this order: append `content` to its draft, drop the
// draft if `content_abandoned`, send `reply`, look at the question, then close. Replies and
// pieces add up until the driver clears them, together by clear() or each when it is done with;
// everything else is said anew by each call, and `close` stays.
struct Actions {
  std::string reply;  // wire bytes to send, complete lines
  // Decoded content pieces to append; views into the input given to feed() or static storage, valid
  // until the next call; several because dot-stuffing splits. Every line end in them is CRLF,
  // unless the envelope's body is BINARYMIME.
  std::vector<ByteView> content;
  bool content_abandoned = false;  // drop the draft: the transaction ended without commit
  Question question = Question::none;
  TimerName timer = TimerName::command;
  bool close = false;             // after the reply is sent
  std::string_view close_reason;  // static storage; for the log
  // With SessionRules::record_exchanges: what was answered since the driver cleared them.
  std::vector<Exchange> exchanges;

  void clear();  // keeps capacities
};

enum class ExtendedProtocol : uint8_t {
  smtp,
  esmtp,
  esmtps,
  esmtpa,
  esmtpsa,
  utf8smtp,
  utf8smtps,
  utf8smtpa,
  utf8smtpsa,
};

class ServerSession {
 public:
  ServerSession(SessionRules rules, const SocketAddress& client);
  ~ServerSession();
  ServerSession(const ServerSession&) = delete;
  ServerSession& operator=(const ServerSession&) = delete;

  // Once, first: opens may_connect; the answer yields the 220 banner or the refusal. Octets fed
  // before that answer are not consumed, but make an accepted client one that talks too early: 554
  // and close. A driver that does not want this feeds nothing until then.
  void greet(Actions& actions);
  // Consumes as much as it can and returns that count. Stops early at a question or at close; the
  // driver keeps the rest and feeds it again after answer(). An incomplete command line is kept
  // inside (up to the line limit). While a question is open it consumes nothing. While content
  // flows it may return after one batch of pieces: call again until nothing is consumed.
  size_t feed(ByteView input, Actions& actions);
  void answer(const Answer& answer, Actions& actions);
  // The content of this transaction will not be kept (memory, disk, hop limit): the driver has
  // dropped its draft, the rest of the content is swallowed, then `reply` (as in Answer) is sent
  // instead of a commit question. Nothing happens if no content is streaming; with commit already
  // open, answer that with a rejection.
  void refuse_content(std::string reply);
  void tls_started();  // forgets everything learned (RFC 3207 4.2)
  // After TLS has started: what SCRAM-SHA-256-PLUS ties itself to, and whether the client showed a
  // certificate: EXTERNAL may stand for it, and it is as good as AUTH to who must authenticate.
  void bind_channel(sasl::ChannelBinding binding, bool has_identity);
  void time_out(Actions& actions);  // 421 4.4.2 and close
  // 421 4.3.2 and close, at a safe point: a message that is arriving is finished first.
  void shut_down(Actions& actions);
  // With commit open, time_out and peer_closed do not take the message back: the draft is the
  // driver's until it answers; that answer is then said to nobody.
  void peer_closed(Actions& actions);

  // Valid while a transaction is open; recipients are only those accepted so far.
  const Envelope& envelope() const;
  Envelope take_envelope();                     // at Question::commit, before answer()
  const Recipient& pending_recipient() const;   // at Question::may_relay
  const std::string& requested_queue() const;   // at Question::send_kept: "example.com", "@it.test"
  const sasl::Request& authentication() const;  // at Question::authenticate
  const std::string& user() const;              // who has authenticated; empty: nobody
  sasl::Mechanism auth_mechanism() const;       // by which, if somebody has
  const std::string& client_name() const;       // argument of EHLO or HELO; empty before
  ExtendedProtocol protocol() const;            // for the Received field's WITH clause
  bool in_transaction() const;
  bool content_is_streaming() const;  // between begin_content and commit
  uint64_t messages_accepted() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mailroot::smtp
