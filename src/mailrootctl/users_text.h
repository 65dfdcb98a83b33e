// A users file changed as a text: one line changes, every other octet stays. Errors are sentences.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "mailroot/sasl/users.h"

namespace mailroot::ctl {

// A line more; refused when there is such a user.
std::expected<std::string, std::string> with_user(std::string_view text, const sasl::User& user);
// The user's line anew; refused when there is none.
std::expected<std::string, std::string> with_user_changed(std::string_view text,
                                                          const sasl::User& user);
std::expected<std::string, std::string> without_user(std::string_view text,
                                                     const std::string& name);

// Both verifiers of a password. `random`: 32 octets. Nothing when memory is short.
struct Verifiers {
  std::string hash;
  sasl::ScramKeys keys;
};
std::optional<Verifiers> make_verifiers(std::string_view password, std::string_view random);
// Why this cannot be a password, or "".
std::string_view why_no_password(std::string_view password);

}  // namespace mailroot::ctl
