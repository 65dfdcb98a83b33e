#include "mailroot/smtp/content.h"

#include <algorithm>
#include <cstring>

#include "content_bytes.h"
#include "text_scan.h"

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

// Bytes of the piece up to and with the empty line; all of them if it does not come.
size_t ContentScan::header_bytes(std::string_view text) {
  size_t at = 0;
  while (in_header_ && at < text.size()) {
    const size_t end = text.find('\n', at);
    const std::string_view line = text.substr(at, end - at);
    if (line.find_first_not_of('\r') != std::string_view::npos) line_is_empty_ = false;
    if (end == std::string_view::npos) return text.size();
    at = end + 1;
    in_header_ = !line_is_empty_;
    line_is_empty_ = true;
  }
  return at;
}

// No line is long if each window of one line's greatest length holds a line end: looking for the
// last one in it skips almost everything.
void ContentScan::check_line_lengths(std::string_view text) {
  while (!traits_.long_line) {
    const size_t window = kLineMax + 2 - line_bytes_;
    const std::string_view head = text.substr(0, window);
    const void* last = memrchr(head.data(), '\n', head.size());
    if (last == nullptr) {
      line_bytes_ += head.size();
      traits_.long_line = head.size() == window;
      return;
    }
    text.remove_prefix(static_cast<size_t>(static_cast<const char*>(last) - text.data()) + 1);
    line_bytes_ = 0;
  }
}

void ContentScan::add(ByteView piece) {
  if (piece.empty()) return;
  const std::string_view text = as_text(piece);
  const size_t header = in_header_ ? header_bytes(text) : 0;
  const ByteClasses in_header = classify(piece.first(header));
  const ByteClasses in_body = classify(piece.subspan(header));
  traits_.nul |= in_header.nul || in_body.nul;
  traits_.eight_bit_header |= in_header.eight_bit;
  traits_.eight_bit_body |= in_body.eight_bit;
  check_line_lengths(text);
  if (!traits_.bare_line_end)
    traits_.bare_line_end = find_event(piece, {.cr = after_cr_}, false) != piece.size();
  after_cr_ = text.back() == '\r';
}

ContentTraits ContentScan::traits() const {
  ContentTraits traits = traits_;
  if (after_cr_) traits.bare_line_end = true;
  if (line_bytes_ > kLineMax + (after_cr_ ? 1 : 0)) traits.long_line = true;
  return traits;
}

}  // namespace mailroot::smtp
