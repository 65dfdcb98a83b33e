// The text format of a message with its envelope: Queue, Badmail, Drop and Pickup files. Pure.
//
//   X-Queue-Id: 00000001000000000001
//   X-Queue-Format: 1
//   X-Sender: <ann@example.com>
//   X-Queue-Envelope: ret=full envid=abc body=8bitmime smtputf8 size=1234
//   X-Receiver: <bob@example.org>
//   X-Queue-Options: notify=success,failure orcpt=rfc822;bob@example.org
//   X-Receiver: <eve@example.net>
//   X-Queue-Origin: [192.0.2.7] client.example.com
//   X-Queue-Times: arrived=2026-03-05T09:30:00.123Z basis=... next=... attempts=0000000000 told=0
//   X-Queue-Content: size=00000000000000001234 crc32c=89abcdef traits=------
//   X-Queue-Last: <160 bytes: last reply, padded with blanks>
//   X-Queue-Status: WD
//   X-Queue-Pad: ....
//   X-Queue-End: 00000001000000000001
//   <content, byte for byte>
//
// Lines end in CRLF. The block is envelope and ends with X-Queue-End; nothing below it ever is, so
// a sender's own X-Receiver field cannot become a recipient. The values of Times, Content, Last and
// Status have a fixed width: a change of state overwrites them in place (QueueFileLayout).
// X-Queue-Envelope, X-Queue-Options (of the X-Receiver above it), X-Queue-Origin and X-Queue-Pad
// are left out when they say nothing. ENVID and ORCPT values are xtext (RFC 3461 4).
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/bytes.h"
#include "mailroot/base/queue_id.h"
#include "mailroot/base/time.h"
#include "mailroot/message/limits.h"
#include "mailroot/smtp/content.h"
#include "mailroot/smtp/envelope.h"

namespace mailroot::message {

// One letter per recipient in X-Queue-Status.
enum class RecipientStatus : char {
  waiting = 'W',    // to be tried (again)
  held = 'H',       // waiting for an operator or for ETRN
  delivered = 'D',  // the next hop or Drop has it
  failed = 'F',     // permanently, and the sender is still to be told (or could not be: Badmail)
  bounced = 'B',    // permanently, and the sender has been told or wants no report
};

// Waiting or held: not settled.
bool is_open(RecipientStatus status);
// Sent again when the file is moved to Pickup: all but delivered and bounced. A failed recipient
// is among them, so that a Badmail file can be sent again.
bool is_resendable(RecipientStatus status);

struct QueueFileHeader {
  QueueId id;
  smtp::Envelope envelope;
  std::vector<RecipientStatus> status;  // one per envelope.recipients, same order
  std::string origin;                   // where it came from, printable, may be empty
  WallTime arrived_at;                  // accepted
  WallTime expiry_basis_at;             // delay notification and expiry count from here
  WallTime next_attempt_at;
  uint32_t attempts = 0;
  bool delay_notified = false;  // the sender has been told of the delay
  // Nothing while the content is still being streamed behind the block.
  std::optional<uint64_t> content_size_bytes;
  std::optional<uint32_t> content_crc32c;
  smtp::ContentTraits traits;
  std::string last_reply;  // smtp::summary of the newest deferral; cut to kQueueLastMax

  friend bool operator==(const QueueFileHeader&, const QueueFileHeader&) = default;
};

// Byte offsets from the start of the file, for overwriting in place.
struct QueueFileLayout {
  size_t times_offset = 0;    // encode_times, always the same length
  size_t content_offset = 0;  // encode_content
  size_t last_offset = 0;     // encode_last
  size_t status_offset = 0;   // the first recipient's letter; one byte each
  size_t block_size = 0;      // where the content begins
};

struct EncodedQueueHeader {
  std::string bytes;
  QueueFileLayout layout;
};

// align: 0, or a power of two of at least 64; X-Queue-Pad then makes the block a multiple of it.
// Times are kept to the millisecond, within the years 1970 to 2261.
EncodedQueueHeader encode_queue_header(const QueueFileHeader& header, size_t align);

// The fixed-width values, exactly as long as what they overwrite.
std::string encode_times(const QueueFileHeader& header);
std::string encode_content(const QueueFileHeader& header);
std::string encode_last(const QueueFileHeader& header);
std::string encode_status(const QueueFileHeader& header);

struct ParsedQueueHeader {
  QueueFileHeader header;
  QueueFileLayout layout;
};

enum class QueueParseError : uint8_t {
  incomplete,  // no X-Queue-End yet: read more of the file (if there is more)
  not_ours,    // does not begin with X-Queue-Id
  newer_format,
  damaged,  // a line of the block is missing, repeated, too long or unreadable
  limit,    // more than kQueueRecipientsMax, kQueueHeaderMax or kQueueLineMax
};

struct QueueParseFailure {
  QueueParseError error = QueueParseError::damaged;
  std::string_view detail;  // static storage: the line in question
};

// `prefix`: the first bytes of the file, at least the whole block; more is not looked at.
std::expected<ParsedQueueHeader, QueueParseFailure> parse_queue_header(ByteView prefix);

}  // namespace mailroot::message
