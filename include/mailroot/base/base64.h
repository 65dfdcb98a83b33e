// Base64 (RFC 4648 4), strict: what does not re-encode to the same text is not taken. Pure; any
// thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailroot {

// One line, padded.
std::string encode_base64(std::string_view octets);
// Nothing when `text` has other characters, a wrong length, wrong padding, or bits left over that
// are not zero. "" is "".
std::optional<std::string> decode_base64(std::string_view text);
// The alphabet for URLs and JSON web tokens, without padding (RFC 4648 5, RFC 7515 2).
std::string encode_base64_url(std::string_view octets);
std::optional<std::string> decode_base64_url(std::string_view text);

}  // namespace mailroot
