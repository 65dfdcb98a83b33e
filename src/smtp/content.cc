#include "mailroot/smtp/content.h"

#include <cstring>

#include "content_bytes.h"

namespace mailroot::smtp {

namespace {

constexpr size_t kLineMax = 998;  // RFC 5321 4.5.3.1.6, without CRLF

}  // namespace

ContentTraits ContentTraits::assume(BodyType body) {
  ContentTraits traits;
  traits.eight_bit_body = body != BodyType::seven_bit;
  traits.bare_line_end = traits.nul = body == BodyType::binary_mime;
  return traits;
}

void ContentScan::end_line() {
  if (!after_cr_) traits_.bare_line_end = true;
  const size_t length = line_bytes_ - (after_cr_ ? 1 : 0);
  if (length > kLineMax) traits_.long_line = true;
  if (length == 0) in_header_ = false;
  line_bytes_ = 0;
  after_cr_ = false;
}

// The bytes of a line between two line feeds, without the line feed.
void ContentScan::add_line_part(std::string_view part) {
  if (part.empty()) return;
  if (after_cr_) traits_.bare_line_end = true;
  if (std::memchr(part.data(), '\r', part.size() - 1) != nullptr) traits_.bare_line_end = true;
  after_cr_ = part.back() == '\r';
  line_bytes_ += part.size();
  const ByteClasses found = classify(as_bytes(part));
  if (found.nul) traits_.nul = true;
  if (found.eight_bit) (in_header_ ? traits_.eight_bit_header : traits_.eight_bit_body) = true;
}

void ContentScan::add(ByteView piece) {
  std::string_view text = as_text(piece);
  while (!text.empty()) {
    const void* found = std::memchr(text.data(), '\n', text.size());
    if (found == nullptr) {
      add_line_part(text);
      return;
    }
    const auto length = static_cast<size_t>(static_cast<const char*>(found) - text.data());
    add_line_part(text.substr(0, length));
    end_line();
    text.remove_prefix(length + 1);
  }
}

ContentTraits ContentScan::traits() const {
  ContentTraits traits = traits_;
  if (after_cr_) traits.bare_line_end = true;
  if (line_bytes_ > kLineMax) traits.long_line = true;
  return traits;
}

}  // namespace mailroot::smtp
