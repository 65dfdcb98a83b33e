// The arithmetic and the words of SCRAM-SHA-256 (RFC 5802, RFC 7677) that both sides share. Pure;
// any thread. No normalisation of names and passwords beyond check_name(): what is not ASCII is
// taken as it comes (see src/sasl/README.md).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailroot::sasl {

inline constexpr size_t kDigestBytes = 32;  // SHA-256
using Digest = std::array<unsigned char, kDigestBytes>;

inline std::string_view as_text(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Digest sha256(std::string_view octets);
Digest hmac_sha256(std::string_view key, std::string_view octets);
// In constant time for texts of one length.
bool equals_secretly(std::string_view a, std::string_view b);
// Overwrites and empties it.
void wipe(std::string& secret);

// What a server keeps of a password: enough to check a proof, not enough to make one.
struct ScramKeys {
  uint32_t iterations = 0;
  std::string salt;  // octets
  Digest stored_key{};
  Digest server_key{};
};

// SaltedPassword = Hi(password, salt, i). Costs about a third of a microsecond an iteration.
Digest salted_password(std::string_view password, std::string_view salt, uint32_t iterations);
ScramKeys make_scram_keys(std::string_view password, std::string salt, uint32_t iterations);
// "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>", as PostgreSQL and others write it.
std::string to_string(const ScramKeys& keys);
std::optional<ScramKeys> parse_scram_keys(std::string_view text);

// AuthMessage = client-first-message-bare "," server-first-message ","
// client-final-message-without-proof
std::string auth_message(std::string_view client_first_bare, std::string_view server_first,
                         std::string_view client_final_without_proof);
// ClientProof = ClientKey XOR HMAC(StoredKey, AuthMessage)
Digest client_proof(const Digest& salted, std::string_view auth_message);
// ServerSignature = HMAC(ServerKey, AuthMessage)
Digest server_signature(const Digest& server_key, std::string_view auth_message);
Digest server_key_of(const Digest& salted);
bool proves(const ScramKeys& keys, std::string_view auth_message, std::string_view proof);

// saslname: "," and "=" as "=2C" and "=3D". Nothing when it holds another "=".
std::string encode_name(std::string_view name);
std::optional<std::string> decode_name(std::string_view text);
// Not empty, no control characters, UTF-8 or not: what may be a user's name or a password here.
bool check_name(std::string_view name);

// "r=...", "s=...": takes the attribute at the front of `rest` when it has this letter, and the
// comma behind it. Nothing, and `rest` as it was, when it is another one.
std::optional<std::string_view> take_attribute(std::string_view& rest, char letter);

}  // namespace mailroot::sasl
