// 8-bit content for a next hop without 8BITMIME (RFC 6152 3): the body of a message of one text
// part is re-encoded as quoted-printable (RFC 2045 6.7). Anything else is bounced instead. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "mailroot/base/bytes.h"
#include "mailroot/message/header_scan.h"

namespace mailroot::message {

// One part of type text with Content-Transfer-Encoding 8bit: goes into ContentTraits::downgradable.
// Only MIME messages that say what they are; the header section must be ASCII (not checked here).
bool is_downgradable(const HeaderFacts& facts);

// Streams; one per transmission. Its output goes through smtp::DotStuffer.
class Downgrade {
 public:
  explicit Downgrade(const HeaderFacts& facts);  // is_downgradable(facts)
  // Appends to `out` what takes the place of the piece.
  void add(ByteView piece, std::string& out);
  void finish(std::string& out);

 private:
  void encode(unsigned char byte, std::string& out);
  void put(std::string_view text, std::string& out);
  void flush_blank(bool encoded, std::string& out);

  uint64_t body_at_;     // offset of the first byte of the body
  uint64_t replace_at_;  // Content-Transfer-Encoding field
  uint64_t replace_end_;
  uint64_t offset_ = 0;
  size_t column_ = 0;
  char blank_ = 0;  // a space or tab whose successor is not known yet
  bool after_cr_ = false;
};

}  // namespace mailroot::message
