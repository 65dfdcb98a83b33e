#include <cstring>

#include "mailroot/message/pickup.h"

namespace mailroot::message {

namespace {

constexpr std::string_view kCarriageReturn = "\r";
constexpr std::string_view kLineFeed = "\n";
constexpr std::string_view kLineEnd = "\r\n";

}  // namespace

void PickupContent::put(ByteView view, std::vector<ByteView>& out) {
  if (view.empty()) return;
  out.push_back(view);
  size_bytes_ += view.size();
}

void PickupContent::add(ByteView piece, std::vector<ByteView>& out) {
  const std::string_view text = as_text(piece);
  size_t from = 0;  // not yet put out
  size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (after_cr_ && c != '\n') {  // a bare CR ended a line
      put(as_bytes(text.substr(from, at - from)), out);
      put(as_bytes(kLineFeed), out);
      from = at;
      line_start_ = true;
    }
    if (line_start_ && stuffed_ && c == '.') {
      put(as_bytes(text.substr(from, at - from)), out);
      from = at + 1;
      line_start_ = after_cr_ = false;
      ++at;
      continue;
    }
    if (c == '\n') {
      if (!after_cr_) {
        put(as_bytes(text.substr(from, at - from)), out);
        put(as_bytes(kCarriageReturn), out);
        from = at;
      }
      line_start_ = true;
      after_cr_ = false;
      ++at;
      continue;
    }
    after_cr_ = c == '\r';
    line_start_ = false;
    // On to the next line end.
    ++at;
    if (!after_cr_)
      while (at < text.size() && text[at] != '\n' && text[at] != '\r') ++at;
  }
  put(as_bytes(text.substr(from)), out);
}

void PickupContent::finish(std::vector<ByteView>& out) {
  if (after_cr_)
    put(as_bytes(kLineFeed), out);
  else if (!line_start_)
    put(as_bytes(kLineEnd), out);
  after_cr_ = false;
  line_start_ = true;
}

void DotStuffingProbe::add(ByteView piece) {
  for (const char c : as_text(piece)) {
    if (at_ == At::line_start && c == '.') {
      ++dotted_;
      at_ = At::after_dot;
      continue;
    }
    if (at_ == At::after_dot && c == '.') ++doubled_;
    at_ = c == '\n' ? At::line_start : At::inside;
  }
}

}  // namespace mailroot::message
