// The client's side of SASL (RFC 4422): what we say to a next hop that wants a login. Pure: octets
// in, octets out; base64 and the AUTH command are the session's (smtp). One object per exchange.
//
//   initial_response --> [respond]* --> may_succeed?        respond may refuse: then say "*"
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/sasl/secret.h"

namespace mailroot::sasl {

enum class ClientMechanism : uint8_t {
  plain,          // RFC 4616
  login,          // draft-murchison-sasl-login: user name and password, each when asked
  cram_md5,       // RFC 2195
  scram_sha_256,  // RFC 5802, RFC 7677
  xoauth2,        // Google, Microsoft: a bearer token
  oauthbearer,    // RFC 7628: the same, standardised
};
std::string_view to_string(ClientMechanism mechanism);  // as in EHLO: "SCRAM-SHA-256"

// The secret itself goes over the wire: never without encryption.
bool reveals_secret(ClientMechanism mechanism);

// Who logs in where. Outlives the exchange.
struct ClientLogin {
  std::string username;
  Secret secret;      // the password, or the bearer token of an OAuth mechanism
  std::string nonce;  // SCRAM: printable ASCII without comma, of at least 18 random octets
  std::string host;   // OAUTHBEARER (RFC 7628 3.1); may be empty
  uint16_t port = 0;  // likewise; 0: not told
};

class ClientExchange {
 public:
  virtual ~ClientExchange() = default;
  // What may stand behind the AUTH command. Nothing: the server speaks first.
  virtual std::optional<std::string> initial_response() = 0;
  // The answer to a challenge (both without base64), or why the exchange is given up.
  virtual std::expected<std::string, std::string> respond(std::string_view challenge) = 0;
  // A positive reply now: empty when it is to be believed. SCRAM: the server must have proved
  // that it knows the password too (RFC 5802 5).
  virtual std::string doubt_of_success() const { return {}; }
  // What the server told in a challenge about its refusal (RFC 7628 3.2.2: "invalid_token"), at
  // most kServerErrorMax printable octets; else empty.
  virtual std::string server_error() const { return {}; }
};

inline constexpr size_t kChallengeBytesMax = 12 * 1024;  // decoded; RFC 4954 4: 12288 a line
inline constexpr size_t kServerErrorMax = 300;
// A hostile server could ask for 2^32; this many take the shard about 30 ms.
inline constexpr uint32_t kClientIterationsMax = 100'000;

// `login` must outlive it.
std::unique_ptr<ClientExchange> start_client(ClientMechanism mechanism, const ClientLogin& login);

// Why this login cannot be made by this mechanism (a NUL in the password), else empty.
std::string wrong_with(ClientMechanism mechanism, const ClientLogin& login);

// The first of `wanted` that the server offers; `offered` is upper case, separated by blanks.
// Without `may_reveal` those that reveal the secret are passed over. Nothing: none in common.
std::optional<ClientMechanism> choose_mechanism(std::span<const ClientMechanism> wanted,
                                                std::string_view offered, bool may_reveal);

}  // namespace mailroot::sasl
