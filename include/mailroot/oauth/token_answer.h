// What token endpoints answer (RFC 6749 5, RFC 8628 3.2): parsed within limits, whatever comes.
// Pure.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>

#include "mailroot/http/client.h"
#include "mailroot/sasl/secret.h"

namespace mailroot::oauth {

struct TokenAnswer {
  sasl::Secret access_token;
  std::chrono::seconds lifetime{};
  sasl::Secret refresh_token;  // empty: the old one stays
};

// Why there is no token.
struct Refusal {
  std::string text;       // a sentence: what the endpoint says, then what to do about it, if known
  std::string error;      // of RFC 6749 5.2 ("invalid_grant"), or empty
  bool is_final = false;  // the same request cannot succeed: somebody has to change something
  std::optional<std::chrono::seconds> retry_after;
};

std::expected<TokenAnswer, Refusal> read_token_answer(const http::Answer& answer);

// An http failure in the same words.
Refusal refusal_of(const http::Failure& failure);

// The answer of a device authorization endpoint (RFC 8628 3.2).
struct DeviceAnswer {
  sasl::Secret device_code;
  std::string user_code;
  std::string verification_url;
  std::chrono::seconds interval{5};
  std::chrono::seconds lifetime{900};
};
std::expected<DeviceAnswer, Refusal> read_device_answer(const http::Answer& answer);

// What to do about an endpoint's error, in a sentence; empty: not known.
std::string_view remedy_of(std::string_view error, std::string_view description);

}  // namespace mailroot::oauth
