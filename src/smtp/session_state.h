// What a ServerSession knows. The verbs (verb_*.cc), the content flow and the session's front all
// work on this one struct; every change of `phase` is an assignment to that field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "chunk_decoder.h"
#include "data_decoder.h"
#include "line_reader.h"
#include "mailroot/smtp/envelope.h"
#include "mailroot/smtp/server_session.h"

namespace mailroot::smtp {

// connected -220-> greeted -EHLO-> ready -MAIL-> mail -RCPT-> rcpt -DATA-> data --CRLF.CRLF--+
//                     ^              ^            |            |                             v
//   handshake --------+              +---RSET-----+------------+                        committing
//       ^                            |                         |                           ^ |
//       +--STARTTLS-- greeted,ready  |             rcpt -BDAT-> chunk <-BDAT- chunks       | |
//                                    |                            |  --not LAST-> ^        | |
//                                    |                            +------ LAST ------------+ |
//                                    +------------------ 250, 4yz, 5yz ----------------------+
// ready -AUTH-> authenticating -235, 4yz, 5yz-> ready
// EHLO and HELO lead from any phase of commands to ready; QUIT, 421 and errors lead to closed.
enum class Phase : uint8_t {
  connected,       // may_connect is open; the client has to wait for the banner
  greeted,         // banner sent, the client has not said its name (or TLS has just started)
  ready,           // name known, no transaction
  mail,            // a reverse-path is accepted, no recipient
  rcpt,            // at least one recipient is accepted
  chunks,          // at least one BDAT chunk is accepted, the LAST one is not yet announced
  data,            // octets are the content of DATA
  chunk,           // octets are the payload of one BDAT, kept or swallowed
  committing,      // the content is complete, commit is open
  authenticating,  // 334 is sent; the next line is the client's response
  handshake,       // 220 to STARTTLS is sent; octets are not ours until tls_started()
  closed,          // the last reply is written; nothing is read any more
};

constexpr uint16_t bit(Phase phase) { return static_cast<uint16_t>(1u << static_cast<int>(phase)); }

enum class Extension : uint8_t {
  pipelining,
  size,
  eight_bit_mime,
  smtputf8,
  enhanced_status_codes,
  dsn,
  chunking,
  binary_mime,
  vrfy,
  help,
  limits,
  start_tls,
  etrn,
  auth,
};

// Why the content under way will not be kept.
enum class Refusal : uint8_t { none, driver, message_size, session_size, bare_line_end };

struct Chunk {
  bool is_last = false;
  bool is_kept = false;              // false: swallowed to stay in step, then `reply`
  Phase phase_after = Phase::ready;  // of a swallowed chunk
  std::string_view reply;            // of a swallowed chunk; static storage
};

struct SessionState {
  SessionState(SessionRules rules, const SocketAddress& client);

  bool offers(Extension extension) const {
    return ((extensions >> static_cast<int>(extension)) & 1) != 0;
  }

  SessionRules rules;
  std::string client_literal;  // "[192.0.2.1]"
  uint16_t extensions = 0;     // bit per Extension

  Phase phase = Phase::connected;
  Question question = Question::none;
  bool is_extended = false;  // EHLO, not HELO
  bool is_tls;
  bool talked_early = false;   // octets came before the banner
  bool shutting_down = false;  // 421 at the next safe point
  LineReader lines;
  std::string client_name;
  std::string requested_queue;  // of ETRN

  // Authentication.
  std::optional<sasl::ServerExchange> exchange;  // under way
  sasl::ChannelBinding binding;
  bool has_certificate_identity = false;
  std::string auth_refusal;   // the driver's, while the mechanism tells the client
  std::string user_accepted;  // by the driver, while the mechanism has not ended
  std::string user;
  sasl::Mechanism auth_mechanism = sasl::Mechanism::plain;
  bool saw_auth = false;  // lines that are no commands may be secrets sent at the wrong moment

  // The transaction.
  Envelope envelope;
  Recipient pending;
  bool tried_recipient = false;      // some RCPT was refused or accepted
  uint32_t overflow_recipients = 0;  // RCPTs answered 452 for their number

  // Its content.
  bool is_chunked = false;  // by BDAT
  bool draft_open = false;  // begin_content was accepted, the draft is neither kept nor dropped
  bool content_started = false;
  DataDecoder data_decoder;
  ChunkDecoder chunk_decoder{false};
  Chunk chunk;
  uint64_t content_bytes = 0;    // decoded
  uint64_t swallowed_bytes = 0;  // since the refusal
  Refusal refusal = Refusal::none;
  std::string refusal_reply;  // of the driver

  // The command whose reply is due, for Actions::exchanges.
  std::string recorded_command;
  bool is_recording = false;

  // The whole session.
  uint64_t session_bytes = 0;
  uint64_t messages = 0;
  uint32_t transactions = 0;
  uint32_t errors = 0;  // since the last message
  uint32_t junk = 0;    // since the last message
};

// Opens a question: no input is read until it is answered.
void ask(SessionState& session, Question question);
// Ends the transaction, if any, with its draft, and goes back to `ready` (or stays before it).
void end_transaction(SessionState& session, Actions& actions);
// Drops the open draft, if any.
void abandon_content(SessionState& session, Actions& actions);
// After this the session reads and says nothing more. `reason` is static.
void close_session(SessionState& session, Actions& actions, std::string_view reason);

}  // namespace mailroot::smtp
