// Character classes shared by the grammar's files.
#pragma once

#include <string_view>

namespace mailroot::smtp {

constexpr bool is_alpha(unsigned char c) {
  return static_cast<unsigned char>((c | 0x20) - 'a') < 26;
}
constexpr bool is_digit(unsigned char c) { return static_cast<unsigned char>(c - '0') < 10; }
constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
constexpr char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c & ~0x20) : c; }

// In valid UTF-8: C1 controls, line and paragraph separators, and the look-alikes of "." and "@"
// that other software folds into them; two parsers would see two addresses.
bool has_forbidden_character(std::string_view text);

}  // namespace mailroot::smtp
