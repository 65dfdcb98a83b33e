// What became of one recipient in one attempt: made by ClientSession (or by deliver itself for a
// failed connection, a local drop, DNS), kept by the spool, turned into a DSN by message/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mailroot::smtp {

enum class Disposition : uint8_t {
  delivered,  // 2yz to the end of the content: the next hop has taken responsibility
  deferred,   // 4yz, or the connection failed: try again
  failed,     // 5yz, or it can never be sent to this next hop: report it
  not_tried,  // the transaction was full (RCPTMAX, 452 4.5.3): try in another transaction, at once
};

// How far the reason of the outcome reaches. connection: the same would happen to any message on
// this host now, so try the next host before believing it. message: any recipient of this message.
enum class OutcomeScope : uint8_t { recipient, message, connection };

// Where in the dialogue it was decided; for the log and for words in a DSN.
enum class Stage : uint8_t {
  resolve,
  connect,
  greeting,
  hello,
  start_tls,
  authenticate,
  mail,
  recipient,
  data,
  content,
  local,  // decided here, without asking the peer
};

std::string_view to_string(Disposition disposition);
std::string_view to_string(Stage stage);

struct DeliveryOutcome {
  uint32_t recipient = 0;  // index into Envelope::recipients
  Disposition disposition = Disposition::deferred;
  OutcomeScope scope = OutcomeScope::recipient;
  Stage stage = Stage::local;
  uint16_t reply_code = 0;    // as received; 0 when there was no reply (I/O, timeout, our decision)
  std::string enhanced_code;  // RFC 3463, always set: the peer's, else one of our own by stage
  std::string text;           // reply text or our reason; printable, at most kOutcomeTextMax bytes
  std::string remote_host;    // as given to ClientSession: "mx1.example.net [192.0.2.1]:25"
  bool peer_takes_dsn = false;  // delivered, and NOTIFY was handed on (RFC 3461 5.2.2)

  friend bool operator==(const DeliveryOutcome&, const DeliveryOutcome&) = default;
};

inline constexpr size_t kOutcomeTextMax = 1024;

// "550 5.1.1 text", "timed out waiting for ..." : one line for logs and X-Queue-Last.
std::string summary(const DeliveryOutcome& outcome);

}  // namespace mailroot::smtp
