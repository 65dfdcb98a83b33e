// Transparency (RFC 5321 4.5.2): a line that begins with a period gets another one in front; the
// content ends with CRLF "." CRLF, where the first CRLF is the content's own if it ends in one.
#include "mailroot/smtp/content.h"
#include "text_scan.h"

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
  const size_t first_out = out.size();
  const uint64_t wire_bytes_before = wire_bytes_;
  size_t from = 0;  // not yet put out
  size_t at = 0;    // not yet looked at
  Before before = {.cr = after_cr_, .crlf = line_start_};
  while (at < piece.size()) {
    const size_t event = at + find_event(piece.subspan(at), before, true);
    if (event == piece.size()) break;
    const bool is_dot = piece[event] == std::byte{'.'};
    const bool after_cr = event == at ? before.cr : piece[event - 1] == std::byte{'\r'};
    if (!is_dot || after_cr) {  // a broken pair
      out.resize(first_out);
      wire_bytes_ = wire_bytes_before;
      return false;
    }
    put(piece.subspan(from, event - from), out);
    put(as_bytes(kDot), out);
    from = event;
    at = event + 1;
    before = {};
  }
  put(piece.subspan(from), out);
  if (!piece.empty()) {
    after_cr_ = piece.back() == std::byte{'\r'};
    line_start_ = piece.back() == std::byte{'\n'};
  }
  return true;
}

bool DotStuffer::finish(std::vector<ByteView>& out) {
  if (after_cr_) return false;
  put(as_bytes(line_start_ ? kEnd : kEndAfterOpenLine), out);
  return true;
}

}  // namespace mailroot::smtp
