#include "message_text.h"

#include <fmt/format.h>

#include <utility>

namespace mailroot::ctl {

std::optional<std::string> bytes_of_characters(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto first = static_cast<unsigned char>(text[i]);
    if (first < 0x80) {
      out += text[i];
      continue;
    }
    const bool has_second = (first == 0xC2 || first == 0xC3) && i + 1 < text.size();
    const auto second = has_second ? static_cast<unsigned char>(text[++i]) : 0;
    if ((second & 0xC0) != 0x80) return std::nullopt;
    out += static_cast<char>((first & 3) << 6 | (second & 0x3F));
  }
  return out;
}

std::string TerminalText::add(std::string_view bytes) {
  std::string out;
  for (const char character : bytes) {
    const auto byte = static_cast<unsigned char>(character);
    if (std::exchange(has_cr_, false) && byte != '\n') out += "\\x0d";
    if (byte == '\r') {
      has_cr_ = true;
    } else if (byte == '\n' || byte == '\t' || (byte >= 0x20 && byte < 0x7F)) {
      out += character;
    } else {
      out += fmt::format("\\x{:02x}", byte);
    }
  }
  return out;
}

std::string TerminalText::finish() { return std::exchange(has_cr_, false) ? "\\x0d" : ""; }

}  // namespace mailroot::ctl
