// Signed assertions, held against OpenSSL's own verification.
#include "mailroot/oauth/jwt.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "files.h"
#include "mailroot/base/base64.h"

namespace mailroot::oauth {

namespace {

EVP_PKEY* rsa_key() {
  static EVP_PKEY* const key = EVP_RSA_gen(2048);
  return key;
}

Assertion example(Algorithm algorithm) {
  Assertion assertion;
  assertion.algorithm = algorithm;
  assertion.thumbprint = "thumb";
  assertion.key_id = "kid-1";
  assertion.issuer = "client";
  assertion.subject = "user@example.com";
  assertion.audience = "https://login.example.com/token";
  assertion.scope = "a b";
  assertion.id = "id-1";
  assertion.not_before = 1000;
  assertion.expires = 1600;
  return assertion;
}

bool verifies(const std::string& token, Algorithm algorithm) {
  const size_t dot = token.rfind('.');
  const std::string input = token.substr(0, dot);
  const auto signature = decode_base64_url(token.substr(dot + 1));
  REQUIRE(signature.has_value());
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  EVP_PKEY_CTX* options = nullptr;
  EVP_DigestVerifyInit(context, &options, EVP_sha256(), nullptr, rsa_key());
  if (algorithm == Algorithm::ps256) {
    EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
  }
  const int good = EVP_DigestVerify(
      context, reinterpret_cast<const unsigned char*>(signature->data()), signature->size(),
      reinterpret_cast<const unsigned char*>(input.data()), input.size());
  EVP_MD_CTX_free(context);
  return good == 1;
}

}  // namespace

TEST_CASE("an assertion holds what it should, and its signature is good") {
  for (const Algorithm algorithm : {Algorithm::rs256, Algorithm::ps256}) {
    const auto token = sign_assertion(example(algorithm), key_text(rsa_key()));
    REQUIRE(token.has_value());
    CHECK(verifies(*token, algorithm));
    CHECK_FALSE(
        verifies(*token, algorithm == Algorithm::rs256 ? Algorithm::ps256 : Algorithm::rs256));
    const size_t first = token->find('.');
    const size_t second = token->rfind('.');
    const auto header = nlohmann::json::parse(*decode_base64_url(token->substr(0, first)));
    CHECK(header == nlohmann::json{{"typ", "JWT"},
                                   {"alg", algorithm == Algorithm::rs256 ? "RS256" : "PS256"},
                                   {"kid", "kid-1"},
                                   {"x5t#S256", "thumb"}});
    const auto claims =
        nlohmann::json::parse(*decode_base64_url(token->substr(first + 1, second - first - 1)));
    CHECK(claims == nlohmann::json{{"iss", "client"},
                                   {"sub", "user@example.com"},
                                   {"aud", "https://login.example.com/token"},
                                   {"scope", "a b"},
                                   {"jti", "id-1"},
                                   {"iat", 1000},
                                   {"nbf", 1000},
                                   {"exp", 1600}});
  }
}

TEST_CASE("keys that cannot sign say why") {
  const auto why = [](const std::string& pem) {
    const auto token = sign_assertion(example(Algorithm::ps256), pem);
    REQUIRE_FALSE(token.has_value());
    return token.error();
  };
  CHECK(why("") == "is no private key in PEM without a passphrase");
  CHECK(why("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n") ==
        "is no private key in PEM without a passphrase");
  EVP_PKEY* const curve = EVP_EC_gen("P-256");
  CHECK(why(key_text(curve)) == "is no RSA key, and token endpoints take RSA only");
  EVP_PKEY_free(curve);
  EVP_PKEY* const small = EVP_RSA_gen(1024);
  CHECK(why(key_text(small)) == "is an RSA key of less than 2048 bits");
  EVP_PKEY_free(small);
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, rsa_key(), EVP_aes_128_cbc(), nullptr, 0, nullptr,
                           const_cast<char*>("secret"));
  CHECK(why(text_of_bio(bio)) == "is no private key in PEM without a passphrase");
}

TEST_CASE("the thumbprint is that of the certificate") {
  const std::string pem = certificate_text(rsa_key());
  const auto thumbprint = thumbprint_of(pem);
  REQUIRE(thumbprint.has_value());
  CHECK(decode_base64_url(*thumbprint)->size() == 32);
  CHECK(*thumbprint == *thumbprint_of(pem + pem));
  CHECK(thumbprint_of("nothing").error() == "is no certificate in PEM");
}

}  // namespace mailroot::oauth
