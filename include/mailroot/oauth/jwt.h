// JSON web tokens that we sign (RFC 7515, RFC 7523): RS256 and PS256 by a private key of RSA. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace mailroot::oauth {

enum class Algorithm : uint8_t {
  rs256,  // RSASSA-PKCS1-v1_5: Google
  ps256,  // RSASSA-PSS: what Microsoft recommends for certificates
};

struct Assertion {
  Algorithm algorithm = Algorithm::rs256;
  std::string key_id;      // "kid"; may be empty
  std::string thumbprint;  // "x5t#S256"; may be empty
  std::string issuer;
  std::string subject;
  std::string audience;
  std::string scope;                    // may be empty
  std::string id;                       // "jti"; may be empty
  int64_t not_before = 0, expires = 0;  // seconds since 1970
};

// The compact form, or why the key cannot sign. `key_pem` has no passphrase.
std::expected<std::string, std::string> sign_assertion(const Assertion& assertion,
                                                       std::string_view key_pem);

// base64url of the SHA-256 of the first certificate (RFC 7515 4.1.8), or why there is none.
std::expected<std::string, std::string> thumbprint_of(std::string_view certificate_pem);

}  // namespace mailroot::oauth
