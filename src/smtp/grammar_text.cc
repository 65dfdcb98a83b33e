// xtext (RFC 3461 4), UTF-8 (RFC 3629), ESMTP parameters (RFC 5321 4.1.2).
#include <algorithm>
#include <cstring>

#include "grammar_internal.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::smtp {

namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

bool is_xchar(unsigned char c) { return c > 0x20 && c < 0x7f && c != '+' && c != '='; }

int upper_hex_value(char c) {
  const size_t value = kHexDigits.find(c);
  return value == kHexDigits.npos ? -1 : static_cast<int>(value);
}

// The length of the UTF-8 sequence at the start of text and its code point; 0 when malformed.
size_t utf8_sequence(std::string_view text, char32_t& code_point) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) {
    code_point = lead;
    return 1;
  }
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  char32_t value = lead & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
    value = (value << 6) | (at(i) & 0x3f);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[length] || value > 0x10ffff) return 0;
  if (value >= 0xd800 && value <= 0xdfff) return 0;
  code_point = value;
  return length;
}

}  // namespace

std::string xtext_encode(std::string_view text) {
  std::string encoded;
  encoded.reserve(text.size());
  for (unsigned char c : text) {
    if (is_xchar(c)) {
      encoded += static_cast<char>(c);
    } else {
      encoded += '+';
      encoded += kHexDigits[c >> 4];
      encoded += kHexDigits[c & 15];
    }
  }
  return encoded;
}

// xtext = *( xchar / "+" 2 upper case hex digits )
std::optional<std::string> xtext_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '+') {
      if (!is_xchar(static_cast<unsigned char>(text[i]))) return std::nullopt;
      decoded += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = upper_hex_value(text[i + 1]);
    const int low = upper_hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

bool is_ascii(std::string_view text) {
  uint64_t high_bits = 0;
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    high_bits |= word;
  }
  for (; i < text.size(); ++i) high_bits |= static_cast<unsigned char>(text[i]);
  return (high_bits & 0x8080808080808080u) == 0;
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    char32_t code_point;
    const size_t length = utf8_sequence(text, code_point);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool has_forbidden_character(std::string_view text) {
  while (!text.empty()) {
    char32_t code_point = 0;
    const size_t length = utf8_sequence(text, code_point);
    if (length == 0) return true;
    switch (code_point) {
      case 0x2028:  // line separator
      case 0x2029:  // paragraph separator
      case 0x3002:  // ideographic full stop
      case 0xfe52:  // small full stop
      case 0xfe6b:  // small commercial at
      case 0xff0e:  // full-width full stop
      case 0xff20:  // full-width commercial at
      case 0xff61:  // half-width ideographic full stop
        return true;
      default:
        if (code_point >= 0x7f && code_point < 0xa0) return true;
    }
    text.remove_prefix(length);
  }
  return false;
}

bool is_printable_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c >= 0x20 && c < 0x7f; });
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, to_lower, to_lower);
}

bool ParameterReader::fail() {
  malformed_ = true;
  rest_ = {};
  return false;
}

// esmtp-keyword = ( ALPHA / DIGIT ) *( ALPHA / DIGIT / "-" )
// esmtp-value   = 1*( %d33-60 / %d62-126 / UTF8-non-ascii )
bool ParameterReader::next(Parameter& parameter) {
  if (rest_.empty()) return false;
  if (rest_.front() != ' ') return fail();
  const size_t start = rest_.find_first_not_of(' ');
  if (start == rest_.npos) {  // RFC 5321 4.1.1: trailing white space is tolerated
    rest_ = {};
    return false;
  }
  rest_.remove_prefix(start);
  size_t i = 0;
  while (i < rest_.size() && (is_alpha(rest_[i]) || is_digit(rest_[i]) || rest_[i] == '-')) ++i;
  if (i == 0 || rest_.front() == '-') return fail();
  parameter.keyword = rest_.substr(0, i);
  parameter.value = {};
  parameter.has_value = i < rest_.size() && rest_[i] == '=';
  if (parameter.has_value) {
    const size_t value = ++i;
    for (; i < rest_.size() && rest_[i] != ' '; ++i) {
      const auto c = static_cast<unsigned char>(rest_[i]);
      if (c < 0x21 || c == '=' || c == 0x7f || (c >= 0x80 && !non_ascii_)) return fail();
    }
    if (i == value) return fail();
    parameter.value = rest_.substr(value, i - value);
  }
  rest_.remove_prefix(i);
  return true;
}

}  // namespace mailroot::smtp
