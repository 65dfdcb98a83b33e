#include "text.h"

#include <charconv>

#include "mailroot/smtp/grammar.h"

namespace mailroot::import {

namespace {

constexpr std::string_view kUtf8Mark = "\xEF\xBB\xBF";

void append_code_point(uint32_t code, std::string& out) {
  const auto put = [&out](uint32_t octet) { out += static_cast<char>(octet); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

std::expected<std::string, std::string> from_utf16(std::string_view octets, bool big_endian) {
  if (octets.size() % 2 != 0) {
    return std::unexpected("is UTF-16 with half a character at its end: it is cut short");
  }
  const auto unit = [&](size_t i) -> uint32_t {
    const auto first = static_cast<unsigned char>(octets[i]);
    const auto second = static_cast<unsigned char>(octets[i + 1]);
    return big_endian ? static_cast<uint32_t>(first << 8 | second)
                      : static_cast<uint32_t>(second << 8 | first);
  };
  std::string out;
  out.reserve(octets.size() / 2 + octets.size() / 16);
  for (size_t i = 0; i < octets.size(); i += 2) {
    uint32_t code = unit(i);
    if (code >= 0xD800 && code < 0xE000) {
      const uint32_t low = i + 2 < octets.size() ? unit(i + 2) : 0;
      if (code >= 0xDC00 || low < 0xDC00 || low >= 0xE000) {
        return std::unexpected("holds octets that are not UTF-16");
      }
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      i += 2;
    }
    append_code_point(code, out);
  }
  return out;
}

// 1 to 4 by the first octet (RFC 3629); 1 for octets that begin nothing.
size_t character_length(unsigned char first) {
  if (first >= 0xF0) return 4;
  if (first >= 0xE0) return 3;
  return first >= 0xC0 ? 2 : 1;
}

// Characters that some reader takes for a line end, or that turn text round or hide it.
bool is_unseen(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  if (character.size() == 2)
    return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
  if (character == kUtf8Mark) return true;
  // U+200B..U+200F, U+2028..U+202E, U+2060..U+206F
  if (character.size() != 3 || !character.starts_with("\xE2")) return false;
  const auto second = static_cast<unsigned char>(character[1]);
  const auto third = static_cast<unsigned char>(character[2]);
  if (second == 0x81) return third >= 0xA0 && third <= 0xAF;
  return second == 0x80 && ((third >= 0x8B && third <= 0x8F) || (third >= 0xA8 && third <= 0xAE));
}

}  // namespace

bool is_wide(std::string_view octets) {
  using namespace std::literals;
  return octets.starts_with("\xFF\xFE"sv) || octets.starts_with("\xFE\xFF"sv) ||
         octets.starts_with("<\0"sv) || octets.starts_with("\0<"sv) ||
         octets.starts_with("\0\0\xFE\xFF"sv);
}

std::expected<Utf8, std::string> to_utf8(std::string_view octets) {
  using namespace std::literals;
  Utf8 out;
  if (octets.starts_with("\xFF\xFE\0\0"sv) || octets.starts_with("\0\0\xFE\xFF"sv)) {
    return std::unexpected("is UTF-32; a metabase is UTF-8 or UTF-16");
  }
  const bool little = octets.starts_with("\xFF\xFE"sv) || octets.starts_with("<\0"sv);
  const bool big = octets.starts_with("\xFE\xFF"sv) || octets.starts_with("\0<"sv);
  if (little || big) {
    const size_t mark = octets.front() == '<' || octets.front() == '\0' ? 0 : 2;
    auto text = from_utf16(octets.substr(mark), big);
    if (!text) return std::unexpected(std::move(text.error()));
    out.owned = std::move(*text);
    out.text = out.owned;
  } else {
    out.text = octets;
    if (out.text.starts_with(kUtf8Mark)) out.text.remove_prefix(kUtf8Mark.size());
    if (!smtp::is_valid_utf8(out.text)) {
      return std::unexpected("holds octets that are neither UTF-8 nor UTF-16");
    }
  }
  if (out.text.contains('\0')) return std::unexpected("holds a NUL character");
  return out;
}

namespace {

// What one_line would give back unchanged: most values are.
bool is_plain_line(std::string_view text) {
  char before = ' ';  // no blank at the start, none behind another, none at the end
  for (const char c : text) {
    if (c < 0x20 || c == 0x7F || (c == ' ' && before == ' ')) return false;
    before = c;
  }
  return text.empty() || before != ' ';
}

}  // namespace

std::string one_line(std::string_view text, size_t most) {
  if (text.size() <= most && is_plain_line(text)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const size_t length = character_length(static_cast<unsigned char>(text.front()));
    std::string_view character = text.substr(0, length);
    if (!smtp::is_valid_utf8(character)) {
      text.remove_prefix(1);
      character = "?";
    } else {
      text.remove_prefix(character.size());
      if (is_unseen(character)) character = " ";
    }
    if (out.size() + character.size() > most) return out + "...";
    // What parts the items of a MULTISZ is one blank here.
    if (character == " " && (out.empty() || out.back() == ' ')) continue;
    out += character;
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::optional<uint32_t> parse_dword(std::string_view text) {
  text = trim(text);
  if (text == "-1") return UINT32_MAX;
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace mailroot::import
