// Cuts command lines out of the byte stream (RFC 5321 2.3.8: only CRLF ends a line).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mailroot/base/bytes.h"

namespace mailroot::smtp {

// Never holds more octets than the limit of the line; a line that arrives whole is not copied. The
// events are the same however the stream is cut into inputs.
class LineReader {
 public:
  enum class Event : uint8_t {
    incomplete,  // all of the input is consumed, no line yet
    line,        // line() is valid until the next call
    too_long,    // the line under way has passed the limit; told once, the rest is skipped
    endless,     // ... and its rest has passed kSwallowedMax
  };

  // Which limit holds for the line under way; the same for all of it.
  enum class Rules : uint8_t {
    commands,   // kCommandLineMax
    long_auth,  // the same, but kAuthLineMax for one that begins with "AUTH "
    response,   // kAuthLineMax
  };

  Event read(ByteView input, size_t& consumed, Rules rules);
  // Without its CRLF; a bare CR or LF may be inside.
  std::string_view line() const { return line_; }
  // No octet of the next line has been read.
  bool at_line_start() const { return !skipping_ && (partial_.empty() || partial_done_); }
  // At too_long: the line begins with "AUTH ".
  bool is_auth() const { return is_auth_; }
  // The line held a secret: overwrites what is kept of it.
  void wipe();
  void forget();

 private:
  Event read_first(ByteView input, size_t& consumed);
  Event read_more(ByteView input, size_t& consumed);
  Event skip(ByteView input, size_t& consumed);
  Event start_skipping(ByteView seen);
  size_t limit_of(std::string_view input, Rules rules);

  std::string partial_;
  std::string_view line_;
  uint64_t skipped_bytes_ = 0;
  size_t limit_ = 0;  // of the line under way
  bool is_auth_ = false;
  bool partial_done_ = false;  // partial_ holds the line handed out by the last call
  bool skipping_ = false;
  bool skipped_cr_ = false;  // the last octet skipped
};

}  // namespace mailroot::smtp
