// What a relay has to know of a header section (RFC 5322 2.2) without keeping it: hops, which
// fields are there, where it ends. Pure; given the content in any number of pieces.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mailroot/base/bytes.h"
#include "mailroot/message/limits.h"

namespace mailroot::message {

struct HeaderFacts {
  bool complete = false;   // the empty line was seen; else all the content so far is header
  bool too_large = false;  // kHeaderSectionMax was reached: what follows was not looked at
  uint32_t received = 0;   // Received fields: hops (RFC 5321 6.3)
  bool has_date = false;
  bool has_from = false;
  bool has_message_id = false;
  bool has_mime_version = false;
  uint64_t size_bytes = 0;  // of the header section, the empty line not counted

  // For Downgrade. Values are cut to kHeaderValueKept, unfolded, in lower case.
  uint32_t content_types = 0;
  std::string content_type;
  uint32_t transfer_encodings = 0;
  std::string transfer_encoding;
  uint64_t transfer_encoding_offset = 0;  // of the whole field
  uint64_t transfer_encoding_size = 0;
};

class HeaderScan {
 public:
  // False once the header section is over: there is no need to give more.
  bool add(ByteView piece);
  // Call when the content is over (or add() said false).
  const HeaderFacts& finish();
  // Hops so far, to refuse a loop while content still arrives.
  uint32_t received() const { return facts_.received; }

 private:
  enum class Kept : uint8_t { nothing, content_type, transfer_encoding };

  void add_to_line(std::string_view part);
  void end_line();
  void begin_field();
  void end_field();
  void keep_value(std::string_view text);

  HeaderFacts facts_;
  std::string line_;         // the first bytes of the line being read
  uint64_t line_bytes_ = 0;  // of it, without CR LF
  uint64_t line_offset_ = 0;
  uint64_t offset_ = 0;  // bytes seen
  Kept kept_ = Kept::nothing;
  bool over_ = false;
};

}  // namespace mailroot::message
