// smtp::ClientSession: one outbound SMTP connection as a pure state machine (RFC 5321, 1870, 2034,
// 2920, 3030, 3207, 3461, 6152, 6531, 9422). Bytes in, actions out: no socket, no clock. One per
// connection, on its shard; its driver is the courier of deliver/.
//
// A driver in short:
//
//   session.start(actions); session.begin(first message, actions);
//   loop, with `now` = the actions so far, taken and cleared:
//     send now.send, and right behind it, in the same gather write if it can, the content as
//       now.content says (DotStuffer, or the plain bytes); then session.content_sent(actions)
//     take now.outcomes (one for each recipient given to begin(), all of them together)
//     if now.start_tls: shake hands; session.tls_started(actions); go on with the new actions
//     if now.close: close the connection, done
//     if now.ready: session.begin(next message, actions) if session.ready() and there is one,
//       else session.quit(actions); go on with the new actions
//     receive with the timeout of actions.timer -> feed, peer_closed or time_out
//
// After a failed send the driver still
// reads what has arrived (a host may say 552 and close) before it calls peer_closed. While a large
// content is being sent it may feed() what arrives, and must stop if actions.close is then set.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/bytes.h"
#include "mailroot/base/time.h"
#include "mailroot/sasl/client.h"
#include "mailroot/smtp/content.h"
#include "mailroot/smtp/delivery_outcome.h"
#include "mailroot/smtp/envelope.h"

namespace mailroot::smtp {

enum class ClientTls : uint8_t { off, opportunistic, required };

// How to log in (RFC 4954), after EHLO and after TLS where there is any.
struct ClientAuthentication {
  std::vector<sasl::ClientMechanism> mechanisms;  // the first one offered is used; at least one
  sasl::ClientLogin login;
  bool allow_clear = false;  // mechanisms that reveal the secret also without TLS
};

// Copied from the configuration when the connection opens.
struct ClientRules {
  std::string hello_name;          // our FQDN, or an address literal
  bool hello_only = false;         // HELO instead of EHLO ("Send HELO instead of EHLO")
  bool use_pipelining = true;      // where offered
  bool use_chunking = true;        // BDAT instead of DATA where offered
  ClientTls tls = ClientTls::off;  // STARTTLS by this session; off also inside TLS
  bool already_tls = false;        // implicit TLS: the connection began encrypted
  std::shared_ptr<const ClientAuthentication> authentication;  // null: no login
  uint32_t recipients_max = 100;           // a transaction; the server's RCPTMAX may be lower
  uint32_t transactions_max = 0;           // a connection (0 = no limit of ours)
  uint64_t eager_content_max = 64 * kKiB;  // BDAT content up to this goes out behind MAIL and RCPT
};

// What the last EHLO offered (RFC 5321 4.1.1.1).
struct ServerOffers {
  bool esmtp = false;  // false: HELO was used
  bool pipelining = false;
  bool eight_bit_mime = false;
  bool smtputf8 = false;
  bool chunking = false;
  bool binary_mime = false;
  bool dsn = false;
  bool enhanced_status_codes = false;
  bool start_tls = false;
  bool size = false;
  uint64_t size_limit_bytes = 0;  // 0 = not told
  uint32_t recipients_max = 0;    // RFC 9422 RCPTMAX; 0 = not told
  uint32_t transactions_max = 0;  // RFC 9422 MAILMAX; 0 = not told
  std::string authentication;     // mechanisms of AUTH, space separated, upper case
};

// Parses the text of a positive reply to EHLO (Reply::text).
ServerOffers parse_offers(std::string_view reply_text);

// The timer that runs while nothing is heard (RFC 5321 4.5.3.2).
enum class ClientTimer : uint8_t {
  greeting,          // 4.5.3.2.1
  hello,             // EHLO, HELO, STARTTLS, AUTH
  mail,              // 4.5.3.2.2
  recipient,         // 4.5.3.2.3
  data_initiation,   // 4.5.3.2.4
  data_block,        // 4.5.3.2.5: each write while content is sent
  data_termination,  // 4.5.3.2.6
  reset,
  idle,  // ready: how long an unused connection is kept, the driver's choice
  quit,  // short: nobody waits for it
};

// The RFC's minimum (quit, idle: ours). A driver may cap it by configuration.
Duration default_timeout(ClientTimer timer);

// One message for some recipients. The envelope must stay until the outcomes are out.
struct Transaction {
  const Envelope* envelope = nullptr;
  std::vector<uint32_t> recipients;  // indexes into envelope->recipients, each once, at least one
  uint64_t size_bytes = 0;           // of the content that will be sent (trace field included)
  ContentTraits content;
};

enum class CloseReason : uint8_t {
  none,
  done,              // after QUIT
  greeting_refused,  // the greeting was 4yz or 5yz: try the next host
  hello_refused,     // EHLO and HELO were: try the next host
  tls_unavailable,   // required, not offered or refused: try the next host
  login_failed,      // not offered, refused, or the exchange was given up
  service_closing,   // 421 at any time
  peer_closed,
  timed_out,
  protocol_error,    // not SMTP, or a reply nobody asked for
  content_rejected,  // a negative reply in the middle of DATA: the only way out is to close
  content_lost,      // content_failed(): the rest must never be sent
};
std::string_view to_string(CloseReason reason);

// Octets of ClientActions::send that no log may show.
struct HiddenRange {
  size_t begin = 0;
  size_t size = 0;
};

struct ClientActions {
  std::string send;                         // wire bytes: whole command lines
  std::vector<HiddenRange> hidden;          // secrets in `send`, ascending
  ContentForm content = ContentForm::none;  // then send the content in this form
  bool start_tls = false;                   // then shake hands; input left over is dropped
  std::vector<DeliveryOutcome> outcomes;
  bool ready = false;  // between transactions: begin() if session.ready(), else quit()
  ClientTimer timer = ClientTimer::greeting;
  bool close = false;  // when `send` is out
  CloseReason close_reason = CloseReason::none;
  std::string close_detail;  // words for the log

  void clear();  // keeps capacities; timer stays
};

class ClientSession {
 public:
  // remote_host is repeated in every outcome.
  ClientSession(ClientRules rules, std::string remote_host);
  ~ClientSession();
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  // Once, first: the connection is open. A transaction may begin() already now: it starts when the
  // session is ready, and a refused greeting then gives its outcomes.
  void start(ClientActions& actions);
  // Takes all of the input.
  void feed(ByteView input, ClientActions& actions);
  // Only when no transaction is open. May settle everything at once, without a byte (content too
  // large, 8-bit or SMTPUTF8 not offered): outcomes and `ready` are then set.
  void begin(const Transaction& transaction, ClientActions& actions);
  // All content has been handed to the kernel.
  void content_sent(ClientActions& actions);
  // The content cannot be read to its end, or DotStuffer refused it: closes; deferred, or failed
  // if `permanent`.
  void content_failed(std::string_view why, bool permanent, ClientActions& actions);
  void tls_started(ClientActions& actions);  // forgets all offers (RFC 3207 4.2), EHLO again
  void tls_failed(std::string_view why, ClientActions& actions);
  void quit(ClientActions& actions);  // only when no transaction is open
  void time_out(ClientActions& actions);
  void peer_closed(std::string_view why, ClientActions& actions);  // end of stream, reset, ...

  bool ready() const;           // between transactions, and another one is allowed
  bool in_transaction() const;  // begin() was called and the outcomes are not out
  bool is_closed() const;
  const ServerOffers& offers() const;
  const std::string& greeting() const;    // text of the 220 line; empty before
  uint32_t transactions() const;          // begun
  uint64_t recipients_delivered() const;  // so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mailroot::smtp
