// Reads what an SMTP server says (RFC 5321 4.2): bytes in, one reply at a time out. Pure; one per
// outbound connection. Memory is bounded whatever the peer sends.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mailroot/base/bytes.h"

namespace mailroot::smtp {

// Bytes of one reply line that are kept; RFC 5321 4.5.3.1.5 promises 512. The rest of a longer
// line is skipped, not an error: some hosts put whole URLs and tickets into one line.
inline constexpr size_t kReplyLineKeptBytes = 2048;
inline constexpr size_t kReplyTextKeptBytes = 16 * 1024;  // of all lines of one reply
inline constexpr size_t kReplyLineBytesMax = 64 * 1024;   // then the reply is malformed
inline constexpr size_t kReplyBytesMax = 256 * 1024;      // of one reply, all lines
inline constexpr size_t kReplyLinesMax = 1024;            // of one reply

struct Reply {
  uint16_t code = 0;     // 200..599
  std::string enhanced;  // "5.1.1" of RFC 2034, only if its class agrees with the code; else empty
  // The text of all lines, without codes, joined by '\n'. Control characters are replaced by '?':
  // it can be logged and put into a DSN as it stands. Bytes above 0x7F are kept.
  std::string text;

  unsigned first_digit() const { return code / 100U; }
  bool is_positive() const { return first_digit() == 2; }
  bool is_transient() const { return first_digit() == 4; }
  bool is_permanent() const { return first_digit() == 5; }
};

// Takes "5.1.1" off the front of `text` if it is an enhanced status code (RFC 3463 2) of the class
// of `code`; returns it, or "" leaving text as it was.
std::string_view take_enhanced_code(uint16_t code, std::string_view& text);

enum class ReplyStatus : uint8_t {
  incomplete,  // all input was consumed, more is needed
  complete,    // reply() is valid until the next feed()
  malformed,   // error() says how; the connection is of no further use
};

class ReplyParser {
 public:
  // Consumes up to the end of one reply and returns the count consumed. After `malformed` it
  // consumes nothing more. A line may end in a bare LF (such servers exist and their replies carry
  // no content, so nothing can be smuggled by it); a CR inside a line, a NUL, a line without a
  // reply code or continuation lines of another code are malformed.
  size_t feed(ByteView input, ReplyStatus& status);

  const Reply& reply() const { return reply_; }
  std::string_view error() const { return error_; }  // static storage
  // True if bytes of an unfinished reply have been read.
  bool in_reply() const { return !done_ && reply_bytes_ > 0; }
  void reset();

 private:
  bool end_line(bool& last);
  bool refuse(std::string_view why);
  void add_text(std::string_view text);

  Reply reply_;
  std::string line_;  // the line being read, at most kReplyLineKeptBytes
  size_t line_bytes_ = 0;
  size_t reply_bytes_ = 0;
  size_t lines_ = 0;
  bool done_ = false;
  bool carriage_return_ = false;
  std::string_view error_;
};

}  // namespace mailroot::smtp
