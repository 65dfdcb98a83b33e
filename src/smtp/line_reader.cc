#include "line_reader.h"

#include <algorithm>
#include <cstring>

#include "mailroot/sasl/scram.h"
#include "mailroot/smtp/grammar.h"
#include "mailroot/smtp/limits.h"

namespace mailroot::smtp {

namespace {

// Short lines leave no memory behind in an idle session.
constexpr size_t kKeptCapacity = 128;
constexpr std::string_view kAuth = "AUTH ";

// The octets up to and with the first CRLF of text, 0 if there is none. `after_cr`: a CR stood
// before the text.
size_t length_to_crlf(std::string_view text, bool after_cr) {
  size_t from = 0;
  while (true) {
    const size_t lf = text.find('\n', from);
    if (lf == text.npos) return 0;
    if (lf == 0 ? after_cr : text[lf - 1] == '\r') return lf + 1;
    from = lf + 1;
  }
}

}  // namespace

void LineReader::forget() { *this = LineReader(); }

void LineReader::wipe() {
  sasl::wipe(partial_);
  partial_ = std::string();
  partial_done_ = false;
  line_ = {};
}

// The first octets of the line tell, which may have come in pieces.
size_t LineReader::limit_of(std::string_view input, Rules rules) {
  std::string start = partial_.substr(0, kAuth.size());
  start += input.substr(0, kAuth.size() - start.size());
  is_auth_ = rules == Rules::long_auth && equals_ignoring_case(start, kAuth);
  return is_auth_ || rules == Rules::response ? kAuthLineMax : kCommandLineMax;
}

LineReader::Event LineReader::read(ByteView input, size_t& consumed, Rules rules) {
  if (skipping_) return skip(input, consumed);
  if (partial_done_) {
    partial_done_ = false;
    partial_.clear();
    if (partial_.capacity() > kKeptCapacity) partial_.shrink_to_fit();
  }
  limit_ = limit_of(as_text(input), rules);
  return partial_.empty() ? read_first(input, consumed) : read_more(input, consumed);
}

LineReader::Event LineReader::read_first(ByteView input, size_t& consumed) {
  const std::string_view text = as_text(input.first(std::min(input.size(), limit_)));
  const size_t length = length_to_crlf(text, false);
  if (length > 0) {
    line_ = text.substr(0, length - 2);
    consumed = length;
    return Event::line;
  }
  consumed = text.size();
  if (text.size() == limit_) return start_skipping(input.first(consumed));
  partial_.assign(text);
  return Event::incomplete;
}

LineReader::Event LineReader::read_more(ByteView input, size_t& consumed) {
  const size_t room = limit_ - partial_.size();
  const std::string_view text = as_text(input.first(std::min(input.size(), room)));
  const size_t length = length_to_crlf(text, partial_.back() == '\r');
  consumed = length > 0 ? length : text.size();
  if (length == 0 && text.size() == room) return start_skipping(input.first(consumed));
  partial_.append(text.substr(0, consumed));
  if (length == 0) return Event::incomplete;
  partial_done_ = true;
  line_ = std::string_view(partial_).substr(0, partial_.size() - 2);
  return Event::line;
}

LineReader::Event LineReader::start_skipping(ByteView seen) {
  skipping_ = true;
  skipped_bytes_ = 0;
  skipped_cr_ = seen.back() == std::byte{'\r'};
  partial_ = std::string();
  return Event::too_long;
}

LineReader::Event LineReader::skip(ByteView input, size_t& consumed) {
  const std::string_view text = as_text(input);
  const size_t length = length_to_crlf(text, skipped_cr_);
  consumed = length > 0 ? length : text.size();
  skipped_bytes_ += consumed;
  if (skipped_bytes_ > kSwallowedMax) return Event::endless;
  if (length > 0) {
    skipping_ = false;
  } else if (!text.empty()) {
    skipped_cr_ = text.back() == '\r';
  }
  return Event::incomplete;
}

}  // namespace mailroot::smtp
