// Passwords and their hashes by crypt(3) of libxcrypt. Slow on purpose: yescrypt takes some 30 ms
// of CPU and 16 MiB for that time. Any thread, never a shard's.
#pragma once

#include <string>
#include <string_view>

namespace mailroot::sasl {

// "" when it is a whole hash of a method that crypt(3) has and that starts with "$", else why not,
// without the text itself: it may be somebody's password.
std::string_view why_no_hash(std::string_view text);
// Compares in constant time. False for a password with a NUL, and when memory is short.
bool matches_hash(std::string_view password, const std::string& hash);
// A new yescrypt hash; `random`: at least 16 octets. "" when memory is short.
std::string make_hash(std::string_view password, std::string_view random);

}  // namespace mailroot::sasl
