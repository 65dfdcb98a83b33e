#include "mailroot/sasl/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <charconv>

#include "mailroot/base/assert.h"
#include "mailroot/base/base64.h"
#include "mailroot/sasl/limits.h"

namespace mailroot::sasl {

namespace {

constexpr std::string_view kScheme = "SCRAM-SHA-256$";

const unsigned char* octets_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Digest exclusive_or(const Digest& a, std::string_view b) {
  Digest out;
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<unsigned char>(a[i] ^ static_cast<unsigned char>(b[i]));
  }
  return out;
}

std::optional<Digest> decode_digest(std::string_view text) {
  const auto octets = decode_base64(text);
  if (!octets || octets->size() != kDigestBytes) return std::nullopt;
  Digest digest;
  std::copy_n(octets_of(*octets), digest.size(), digest.begin());
  return digest;
}

// What stands before `mark`, which is taken too.
std::optional<std::string_view> take_until(std::string_view& text, char mark) {
  const size_t at = text.find(mark);
  if (at == text.npos) return std::nullopt;
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(at + 1);
  return head;
}

}  // namespace

Digest sha256(std::string_view octets) {
  Digest out;
  SHA256(octets_of(octets), octets.size(), out.data());
  return out;
}

Digest hmac_sha256(std::string_view key, std::string_view octets) {
  Digest out;
  unsigned int size = 0;
  const unsigned char* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                   octets_of(octets), octets.size(), out.data(), &size);
  MAILROOT_ASSERT(made != nullptr && size == out.size(), "HMAC-SHA-256 works");
  return out;
}

bool equals_secretly(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

Digest salted_password(std::string_view password, std::string_view salt, uint32_t iterations) {
  Digest out;
  const int made =
      PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), octets_of(salt),
                        static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                        static_cast<int>(out.size()), out.data());
  MAILROOT_ASSERT(made == 1, "PBKDF2 works");
  return out;
}

Digest server_key_of(const Digest& salted) { return hmac_sha256(as_text(salted), "Server Key"); }

ScramKeys make_scram_keys(std::string_view password, std::string salt, uint32_t iterations) {
  ScramKeys keys;
  Digest salted = salted_password(password, salt, iterations);
  Digest client_key = hmac_sha256(as_text(salted), "Client Key");
  keys.iterations = iterations;
  keys.salt = std::move(salt);
  keys.stored_key = sha256(as_text(client_key));
  keys.server_key = server_key_of(salted);
  OPENSSL_cleanse(salted.data(), salted.size());
  OPENSSL_cleanse(client_key.data(), client_key.size());
  return keys;
}

std::string to_string(const ScramKeys& keys) {
  return std::string(kScheme) + std::to_string(keys.iterations) + ':' + encode_base64(keys.salt) +
         '$' + encode_base64(as_text(keys.stored_key)) + ':' +
         encode_base64(as_text(keys.server_key));
}

std::optional<ScramKeys> parse_scram_keys(std::string_view text) {
  if (!text.starts_with(kScheme)) return std::nullopt;
  text.remove_prefix(kScheme.size());
  const auto count = take_until(text, ':');
  const auto salt_text = take_until(text, '$');
  const auto stored_text = take_until(text, ':');
  if (!count || !salt_text || !stored_text) return std::nullopt;
  ScramKeys keys;
  const auto parsed =
      std::from_chars(count->data(), count->data() + count->size(), keys.iterations);
  if (parsed.ec != std::errc() || parsed.ptr != count->data() + count->size()) return std::nullopt;
  if (keys.iterations < kScramIterationsMin || keys.iterations > kScramIterationsMax) {
    return std::nullopt;
  }
  auto salt = decode_base64(*salt_text);
  const auto stored = decode_digest(*stored_text);
  const auto server = decode_digest(text);
  if (!salt || salt->empty() || salt->size() > kSaltMax || !stored || !server) return std::nullopt;
  keys.salt = std::move(*salt);
  keys.stored_key = *stored;
  keys.server_key = *server;
  return keys;
}

std::string auth_message(std::string_view client_first_bare, std::string_view server_first,
                         std::string_view client_final_without_proof) {
  std::string out(client_first_bare);
  out += ',';
  out += server_first;
  out += ',';
  out += client_final_without_proof;
  return out;
}

Digest client_proof(const Digest& salted, std::string_view auth_message) {
  Digest client_key = hmac_sha256(as_text(salted), "Client Key");
  const Digest stored_key = sha256(as_text(client_key));
  const Digest signature = hmac_sha256(as_text(stored_key), auth_message);
  const Digest proof = exclusive_or(client_key, as_text(signature));
  OPENSSL_cleanse(client_key.data(), client_key.size());
  return proof;
}

Digest server_signature(const Digest& server_key, std::string_view auth_message) {
  return hmac_sha256(as_text(server_key), auth_message);
}

bool proves(const ScramKeys& keys, std::string_view auth_message, std::string_view proof) {
  if (proof.size() != kDigestBytes) return false;
  const Digest signature = hmac_sha256(as_text(keys.stored_key), auth_message);
  Digest client_key = exclusive_or(signature, proof);
  const Digest stored = sha256(as_text(client_key));
  OPENSSL_cleanse(client_key.data(), client_key.size());
  return equals_secretly(as_text(stored), as_text(keys.stored_key));
}

std::string encode_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == ',') {
      out += "=2C";
    } else if (c == '=') {
      out += "=3D";
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<std::string> decode_name(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.starts_with("=2C")) {
      out += ',';
      text.remove_prefix(3);
    } else if (text.starts_with("=3D")) {
      out += '=';
      text.remove_prefix(3);
    } else if (text.front() == '=' || text.front() == ',') {
      return std::nullopt;
    } else {
      out += text.front();
      text.remove_prefix(1);
    }
  }
  return out;
}

bool check_name(std::string_view name) {
  return !name.empty() && std::ranges::none_of(name, [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7f;
  });
}

std::optional<std::string_view> take_attribute(std::string_view& rest, char letter) {
  if (rest.size() < 2 || rest[0] != letter || rest[1] != '=') return std::nullopt;
  const std::string_view value = rest.substr(2, rest.find(',') - 2);
  rest.remove_prefix(std::min(rest.size(), 2 + value.size() + 1));
  return value;
}

}  // namespace mailroot::sasl
