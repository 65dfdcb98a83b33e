#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailroot::bench {

/// "4096", "4K", "100k", "10M", "1G" (powers of 1024) to bytes; nullopt for anything else.
std::optional<uint64_t> parse_size(std::string_view text);

/// All of `text` as a decimal number; nullopt for anything else.
std::optional<uint64_t> parse_number(std::string_view text);

/// ASCII comparison without case, for SMTP verbs and keywords.
bool same_word(std::string_view a, std::string_view b);

/// A JSON string with its quotes; bytes that are not printable ASCII become \u00XX.
std::string json_string(std::string_view text);

/// CRC-32C (Castagnoli), continued from `crc` (0 to begin). Uses the CPU's instruction if it has
/// it.
uint32_t crc32c(uint32_t crc, std::string_view bytes);

}  // namespace mailroot::bench
