// Reply       = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
// Reply-code  = %x32-35 %x30-35 %x30-39                                      (RFC 5321 4.2)
// The second digit is taken up to 9: such servers exist, and only the first decides (4.2.1).
#include "mailroot/smtp/reply_parser.h"

#include <algorithm>
#include <cstring>

#include "mailroot/base/assert.h"

namespace mailroot::smtp {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Nothing for anything but a code of 200..599 at the front. 1yz does not exist in SMTP.
uint16_t read_code(std::string_view line) {
  if (line.size() < 3 || !std::all_of(line.begin(), line.begin() + 3, is_digit)) return 0;
  if (line[0] < '2' || line[0] > '5') return 0;
  return static_cast<uint16_t>((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
}

size_t digits_at(std::string_view text, size_t at) {
  size_t count = 0;
  while (at + count < text.size() && is_digit(text[at + count])) ++count;
  return count;
}

}  // namespace

std::string_view take_enhanced_code(uint16_t code, std::string_view& text) {
  if (text.size() < 5 || text[0] != static_cast<char>('0' + code / 100) || text[1] != '.')
    return {};
  const size_t subject = digits_at(text, 2);
  if (subject < 1 || subject > 3 || 2 + subject >= text.size() || text[2 + subject] != '.')
    return {};
  const size_t detail = digits_at(text, 3 + subject);
  if (detail < 1 || detail > 3) return {};
  const size_t length = 3 + subject + detail;
  if (length < text.size() && text[length] != ' ') return {};
  const std::string_view taken = text.substr(0, length);
  text.remove_prefix(std::min(text.size(), length + 1));
  return taken;
}

void ReplyParser::reset() {
  reply_.code = 0;
  reply_.enhanced.clear();
  reply_.text.clear();
  line_.clear();
  line_bytes_ = reply_bytes_ = lines_ = 0;
  done_ = carriage_return_ = false;
  error_ = {};
}

bool ReplyParser::refuse(std::string_view why) {
  error_ = why;
  return false;
}

void ReplyParser::add_text(std::string_view text) {
  if (lines_ > 0 && reply_.text.size() < kReplyTextKeptBytes) reply_.text += '\n';
  const size_t room = kReplyTextKeptBytes - std::min(kReplyTextKeptBytes, reply_.text.size());
  for (const char c : text.substr(0, room)) {
    const auto byte = static_cast<unsigned char>(c);
    reply_.text += (byte < 0x20 || byte == 0x7F) ? '?' : c;
  }
}

// One whole line stands in line_. False if the reply is malformed.
bool ReplyParser::end_line(bool& last) {
  std::string_view line = line_;
  const uint16_t code = read_code(line);
  if (code == 0) return refuse("a line without a reply code");
  if (lines_ > 0 && code != reply_.code) return refuse("continuation lines with different codes");
  line.remove_prefix(3);
  if (!line.empty() && line[0] != ' ' && line[0] != '-')
    return refuse("a reply code not followed by a space or hyphen");
  last = line.empty() || line[0] == ' ';
  if (!line.empty()) line.remove_prefix(1);

  reply_.code = code;
  const std::string_view enhanced = take_enhanced_code(code, line);
  if (!enhanced.empty()) reply_.enhanced = enhanced;
  add_text(line);
  if (++lines_ > kReplyLinesMax) return refuse("a reply of too many lines");
  line_.clear();
  line_bytes_ = 0;
  return true;
}

size_t ReplyParser::feed(ByteView input, ReplyStatus& status) {
  if (done_) reset();
  const std::string_view text = as_text(input);
  size_t used = 0;
  while (used < text.size() && error_.empty()) {
    const char c = text[used++];
    ++reply_bytes_;
    if (reply_bytes_ > kReplyBytesMax) {
      refuse("an endless reply");
    } else if (c == '\n') {
      carriage_return_ = false;
      if (end_line(done_) && done_) {
        status = ReplyStatus::complete;
        return used;
      }
    } else if (carriage_return_) {
      refuse("a carriage return inside a reply line");
    } else if (c == '\0') {
      refuse("a NUL inside a reply");
    } else if (++line_bytes_ > kReplyLineBytesMax) {
      refuse("an endless reply line");
    } else if (c == '\r') {
      carriage_return_ = true;
    } else if (line_.size() < kReplyLineKeptBytes) {
      line_ += c;
    }
  }
  status = error_.empty() ? ReplyStatus::incomplete : ReplyStatus::malformed;
  return used;
}

}  // namespace mailroot::smtp
