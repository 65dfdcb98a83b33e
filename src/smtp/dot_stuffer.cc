// Transparency (RFC 5321 4.5.2): a line that begins with a period gets another one in front; the
// content ends with CRLF "." CRLF, where the first CRLF is the content's own if it ends in one.
#include <cstring>

#include "mailroot/smtp/content.h"

namespace mailroot::smtp {

namespace {

constexpr std::string_view kDot = ".";
constexpr std::string_view kEnd = ".\r\n";
constexpr std::string_view kEndAfterOpenLine = "\r\n.\r\n";

}  // namespace

void DotStuffer::put(ByteView view, std::vector<ByteView>& out) {
  if (view.empty()) return;
  out.push_back(view);
  wire_bytes_ += view.size();
}

bool DotStuffer::add(ByteView piece, std::vector<ByteView>& out) {
  const std::string_view text = as_text(piece);
  const size_t first_out = out.size();
  size_t from = 0;  // not yet put out
  size_t at = 0;
  while (at < text.size()) {
    if (line_start_ && text[at] == '.') {
      put(as_bytes(text.substr(from, at - from)), out);
      put(as_bytes(kDot), out);
      from = at;
    }
    line_start_ = false;
    const void* found = std::memchr(text.data() + at, '\n', text.size() - at);
    const size_t end = found == nullptr
                           ? text.size()
                           : static_cast<size_t>(static_cast<const char*>(found) - text.data());
    const std::string_view line = text.substr(at, end - at);
    if (!check_line_part(line, found != nullptr)) {
      out.resize(first_out);
      return false;
    }
    line_start_ = found != nullptr;
    at = end + (line_start_ ? 1 : 0);
  }
  put(as_bytes(text.substr(from)), out);
  return true;
}

// `line` is what stands before a line feed (`ended`) or before the border of the piece.
bool DotStuffer::check_line_part(std::string_view line, bool ended) {
  if (!line.empty()) {
    if (after_cr_) return false;
    if (std::memchr(line.data(), '\r', line.size() - 1) != nullptr) return false;
    after_cr_ = line.back() == '\r';
  }
  if (!ended) return true;
  if (!after_cr_) return false;
  after_cr_ = false;
  return true;
}

bool DotStuffer::finish(std::vector<ByteView>& out) {
  if (after_cr_) return false;
  put(as_bytes(line_start_ ? kEnd : kEndAfterOpenLine), out);
  return true;
}

}  // namespace mailroot::smtp
