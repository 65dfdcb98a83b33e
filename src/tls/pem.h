// Certificates and keys out of PEM files, with sentences for what is wrong.
#pragma once

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/time.h"

namespace mailroot::tls {

template <auto kFree>
struct Free {
  void operator()(auto* object) const { kFree(object); }
};
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;

struct Identity {
  std::vector<Certificate> chain;  // the own one first; not empty
  PrivateKey key;
};

// Both files, checked against each other.
std::expected<Identity, std::string> load_identity(const std::string& certificate_file,
                                                   const std::string& key_file);
// All certificates of the file are trusted.
std::expected<void, std::string> load_authorities(SSL_CTX* context, const std::string& file);
// The identity becomes one of the context's.
std::expected<void, std::string> use_identity(SSL_CTX* context, const Identity& identity);

// DNS names of the certificate, else its common name.
std::vector<std::string> names_of(X509* certificate);
WallTime expiry_of(X509* certificate);
// The first DNS name or mail address, else the common name; printable.
std::string subject_of(X509* certificate);
std::string fingerprint_of(X509* certificate);  // SHA-256, lower case hexadecimal

}  // namespace mailroot::tls
