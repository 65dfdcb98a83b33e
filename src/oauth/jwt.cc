#include "mailroot/oauth/jwt.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "mailroot/base/base64.h"
#include "mailroot/sasl/scram.h"

namespace mailroot::oauth {

namespace {

template <auto Function>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Function(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;

constexpr int kKeyBitsMin = 2048;

std::unexpected<std::string> why(const char* text) {
  ERR_clear_error();
  return std::unexpected<std::string>(text);
}

// Never asks a terminal for a passphrase.
int no_passphrase(char*, int, int, void*) { return 0; }

Bio reader(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string header_and_claims(const Assertion& assertion) {
  nlohmann::json header = {{"typ", "JWT"},
                           {"alg", assertion.algorithm == Algorithm::ps256 ? "PS256" : "RS256"}};
  if (!assertion.key_id.empty()) header["kid"] = assertion.key_id;
  if (!assertion.thumbprint.empty()) header["x5t#S256"] = assertion.thumbprint;
  nlohmann::json claims = {{"iss", assertion.issuer},     {"sub", assertion.subject},
                           {"aud", assertion.audience},   {"iat", assertion.not_before},
                           {"nbf", assertion.not_before}, {"exp", assertion.expires}};
  if (!assertion.scope.empty()) claims["scope"] = assertion.scope;
  if (!assertion.id.empty()) claims["jti"] = assertion.id;
  // What is no UTF-8 in a configured name is replaced, not thrown about.
  const auto text = [](const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  return encode_base64_url(text(header)) + '.' + encode_base64_url(text(claims));
}

}  // namespace

std::expected<std::string, std::string> sign_assertion(const Assertion& assertion,
                                                       std::string_view key_pem) {
  const Bio bio = reader(key_pem);
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key) return why("is no private key in PEM without a passphrase");
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    return why("is no RSA key, and token endpoints take RSA only");
  }
  if (EVP_PKEY_get_bits(key.get()) < kKeyBitsMin)
    return why("is an RSA key of less than 2048 bits");
  const std::string input = header_and_claims(assertion);
  const Context context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // owned by the context
  if (EVP_DigestSignInit(context.get(), &options, EVP_sha256(), nullptr, key.get()) != 1) {
    return why("cannot sign");
  }
  if (assertion.algorithm == Algorithm::ps256) {
    // RFC 7518 3.5: the salt is as long as the hash.
    if (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) != 1) {
      return why("cannot sign by PS256");
    }
  }
  const auto* octets = reinterpret_cast<const unsigned char*>(input.data());
  size_t size = 0;
  if (EVP_DigestSign(context.get(), nullptr, &size, octets, input.size()) != 1) {
    return why("cannot sign");
  }
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     octets, input.size()) != 1) {
    return why("cannot sign");
  }
  signature.resize(size);
  return input + '.' + encode_base64_url(signature);
}

std::expected<std::string, std::string> thumbprint_of(std::string_view certificate_pem) {
  const Bio bio = reader(certificate_pem);
  const Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
  if (!certificate) return why("is no certificate in PEM");
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  if (size <= 0) return why("is no certificate in PEM");
  const std::string_view octets(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  const sasl::Digest digest = sasl::sha256(octets);
  OPENSSL_free(der);
  return encode_base64_url(sasl::as_text(digest));
}

}  // namespace mailroot::oauth
