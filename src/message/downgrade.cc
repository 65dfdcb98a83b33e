#include "mailroot/message/downgrade.h"

#include <algorithm>

#include "mailroot/base/assert.h"

namespace mailroot::message {

namespace {

constexpr std::string_view kEncodingField = "Content-Transfer-Encoding: quoted-printable\r\n";
constexpr size_t kColumnsMax = 76;  // RFC 2045 6.7 (5), the "=" of a soft break included

bool is_text(std::string_view content_type) {
  return content_type.starts_with("text/") || content_type.empty();
}

}  // namespace

bool is_downgradable(const HeaderFacts& facts) {
  return facts.complete && facts.has_mime_version && facts.content_types <= 1 &&
         is_text(facts.content_type) && facts.transfer_encodings == 1 &&
         facts.transfer_encoding == "8bit";
}

Downgrade::Downgrade(const HeaderFacts& facts)
    : body_at_(facts.size_bytes + 2),
      replace_at_(facts.transfer_encoding_offset),
      replace_end_(facts.transfer_encoding_offset + facts.transfer_encoding_size) {
  MAILROOT_ASSERT(is_downgradable(facts), "only what can be downgraded");
}

void Downgrade::put(std::string_view text, std::string& out) {
  if (column_ + text.size() > kColumnsMax - 1) {
    out += "=\r\n";
    column_ = 0;
  }
  out += text;
  column_ += text.size();
}

// A blank at the end of a line must be encoded (RFC 2045 6.7 (3)).
void Downgrade::flush_blank(bool encoded, std::string& out) {
  if (blank_ == 0) return;
  if (encoded)
    put(blank_ == ' ' ? "=20" : "=09", out);
  else
    put(std::string_view(&blank_, 1), out);
  blank_ = 0;
}

void Downgrade::encode(unsigned char byte, std::string& out) {
  if (after_cr_) {
    after_cr_ = false;
    if (byte == '\n') {
      flush_blank(true, out);
      out += "\r\n";
      column_ = 0;
      return;
    }
    flush_blank(false, out);
    put("=0D", out);
  }
  if (byte == '\r') {
    after_cr_ = true;
    return;
  }
  flush_blank(false, out);
  if (byte == ' ' || byte == '\t') {
    blank_ = static_cast<char>(byte);
  } else if (byte > 0x20 && byte < 0x7F && byte != '=') {
    const char plain = static_cast<char>(byte);
    put(std::string_view(&plain, 1), out);
  } else {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    const char escaped[] = {'=', kDigits[byte >> 4U], kDigits[byte & 15U]};
    put(std::string_view(escaped, 3), out);
  }
}

void Downgrade::add(ByteView piece, std::string& out) {
  std::string_view text = as_text(piece);
  while (!text.empty() && offset_ < body_at_) {
    const bool inside = offset_ >= replace_at_ && offset_ < replace_end_;
    if (offset_ == replace_at_) out += kEncodingField;
    const uint64_t next = inside ? replace_end_ : offset_ < replace_at_ ? replace_at_ : body_at_;
    const auto length = static_cast<size_t>(std::min<uint64_t>(next - offset_, text.size()));
    if (!inside) out += text.substr(0, length);
    text.remove_prefix(length);
    offset_ += length;
  }
  offset_ += text.size();
  for (const char c : text) encode(static_cast<unsigned char>(c), out);
}

void Downgrade::finish(std::string& out) {
  flush_blank(true, out);
  if (after_cr_) put("=0D", out);
  after_cr_ = false;
}

}  // namespace mailroot::message
