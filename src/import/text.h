// Octets of a file as UTF-8, and text made fit for one line of a report or a YAML file.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace mailroot::import {

// UTF-8 as it is; `owned` holds it when it had to be made from UTF-16.
struct Utf8 {
  std::string owned;
  std::string_view text;
};
// By byte order mark, else by the zero octets beside the first '<'. No NUL, no unpaired surrogate.
// What `text` views lives as long as the value and `octets`.
std::expected<Utf8, std::string> to_utf8(std::string_view octets);

// Begins as UTF-16 or UTF-32 does.
bool is_wide(std::string_view octets);

// Valid UTF-8 without control characters or other line breaks, at most `most` bytes and "...".
std::string one_line(std::string_view text, size_t most);

std::string lower(std::string_view text);                    // ASCII
std::string_view trim(std::string_view text);                // blanks, tabs, line ends
std::optional<uint32_t> parse_dword(std::string_view text);  // decimal; "-1" is 4294967295

}  // namespace mailroot::import
