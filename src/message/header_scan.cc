#include "mailroot/message/header_scan.h"

#include <algorithm>
#include <cstring>

#include "mailroot/smtp/grammar.h"

namespace mailroot::message {

namespace {

// field-name ":" ; blanks before the colon are obsolete syntax (RFC 5322 4.5) and tolerated.
std::string_view field_name(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {};
  const size_t end = line.substr(0, colon).find_last_not_of(" \t");
  return line.substr(0, end == std::string_view::npos ? 0 : end + 1);
}

}  // namespace

void HeaderScan::keep_value(std::string_view text) {
  std::string& value = kept_ == Kept::content_type ? facts_.content_type : facts_.transfer_encoding;
  for (const char c : text) {
    if (value.size() == kHeaderValueKept) return;
    const bool upper = c >= 'A' && c <= 'Z';
    value += upper ? static_cast<char>(c + ('a' - 'A')) : c == '\t' ? ' ' : c;
  }
}

void HeaderScan::begin_field() {
  const std::string_view name = field_name(line_);
  if (name.empty()) return;
  const auto is = [&](std::string_view wanted) { return smtp::equals_ignoring_case(name, wanted); };
  if (is("Received")) ++facts_.received;
  if (is("Date")) facts_.has_date = true;
  if (is("From")) facts_.has_from = true;
  if (is("Message-ID")) facts_.has_message_id = true;
  if (is("MIME-Version")) facts_.has_mime_version = true;
  if (is("Content-Type") && ++facts_.content_types == 1) kept_ = Kept::content_type;
  if (is("Content-Transfer-Encoding") && ++facts_.transfer_encodings == 1) {
    kept_ = Kept::transfer_encoding;
    facts_.transfer_encoding_offset = line_offset_;
  }
  if (kept_ != Kept::nothing) keep_value(std::string_view(line_).substr(line_.find(':') + 1));
}

void HeaderScan::end_field() {
  if (kept_ == Kept::transfer_encoding)
    facts_.transfer_encoding_size = line_offset_ - facts_.transfer_encoding_offset;
  if (kept_ == Kept::nothing) return;
  std::string& value = kept_ == Kept::content_type ? facts_.content_type : facts_.transfer_encoding;
  const size_t first = value.find_first_not_of(' ');
  value.erase(0, std::min(first, value.size()));
  value.erase(value.find_last_not_of(' ') + 1);
  kept_ = Kept::nothing;
}

void HeaderScan::add_to_line(std::string_view part) {
  const size_t room = kHeaderValueKept + kHeaderNameKept - line_.size();
  line_ += part.substr(0, room);
  line_bytes_ += part.size();
}

void HeaderScan::end_line() {
  if (!line_.empty() && line_.back() == '\r' && line_.size() == line_bytes_) line_.pop_back();
  if (line_.empty()) {
    end_field();
    facts_.complete = over_ = true;
    facts_.size_bytes = line_offset_;
    return;
  }
  if (line_[0] == ' ' || line_[0] == '\t') {
    if (kept_ != Kept::nothing) keep_value(line_);
  } else {
    end_field();
    begin_field();
  }
  line_.clear();
  line_bytes_ = 0;
  line_offset_ = offset_;
}

bool HeaderScan::add(ByteView piece) {
  std::string_view text = as_text(piece);
  while (!text.empty() && !over_) {
    const size_t room = kHeaderSectionMax - offset_;
    if (room == 0) {
      facts_.too_large = over_ = true;
      break;
    }
    const std::string_view window = text.substr(0, room);
    const void* found = std::memchr(window.data(), '\n', window.size());
    const size_t length =
        found == nullptr ? window.size()
                         : static_cast<size_t>(static_cast<const char*>(found) - window.data());
    add_to_line(window.substr(0, length));
    offset_ += length;
    text.remove_prefix(length);
    if (found == nullptr) continue;
    ++offset_;
    text.remove_prefix(1);
    end_line();
  }
  return !over_;
}

const HeaderFacts& HeaderScan::finish() {
  if (!facts_.complete) {
    // The content ended, or was given up, inside the header section.
    if (!facts_.too_large && !line_.empty()) end_line();
    if (!facts_.complete) {
      line_offset_ = offset_;
      end_field();
      facts_.size_bytes = offset_;
    }
    over_ = true;
  }
  return facts_;
}

}  // namespace mailroot::message
