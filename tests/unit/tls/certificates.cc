#include "certificates.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace mailroot::tls::test {

namespace {

void need(bool good) {
  if (!good) throw std::runtime_error("OpenSSL refuses to make a test's certificate");
}

struct OpenFile {
  OpenFile(const std::string& path, const char* mode) : file(std::fopen(path.c_str(), mode)) {
    need(file != nullptr);
  }
  ~OpenFile() { std::fclose(file); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  std::FILE* file;
};

void add_extension(X509* certificate, X509* issuer, int which, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, which, value.c_str());
  need(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

Workshop::Workshop() {
  char name[] = "/tmp/mailroot-tls-XXXXXX";
  need(::mkdtemp(name) != nullptr);
  path_ = name;
}

Workshop::~Workshop() { std::filesystem::remove_all(path_); }

Files Workshop::make(const std::string& stem, const Wanted& wanted, const Files* issuer) {
  const Files files{path_ + "/" + stem + ".pem", path_ + "/" + stem + ".key"};
  EVP_PKEY* key = wanted.kind == KeyKind::rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
  need(key != nullptr);
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  static long serial = 1;
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  constexpr long kDay = 24 * 60 * 60;
  X509_gmtime_adj(X509_getm_notBefore(certificate), wanted.valid_from_days * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate), wanted.valid_until_days * kDay);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(stem.c_str()), -1, -1, 0);
  X509* signer = certificate;
  EVP_PKEY* signing_key = key;
  if (issuer != nullptr) {
    const OpenFile certificate_file(issuer->certificate, "r");
    signer = PEM_read_X509(certificate_file.file, nullptr, nullptr, nullptr);
    const OpenFile key_file(issuer->key, "r");
    signing_key = PEM_read_PrivateKey(key_file.file, nullptr, nullptr, nullptr);
    need(signer != nullptr && signing_key != nullptr);
  }
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  add_extension(certificate, signer, NID_basic_constraints,
                wanted.is_authority ? "critical,CA:TRUE" : "CA:FALSE");
  std::string names;
  for (const std::string& name : wanted.names) names += (names.empty() ? "DNS:" : ",DNS:") + name;
  if (!names.empty()) add_extension(certificate, signer, NID_subject_alt_name, names);
  need(X509_sign(certificate, signing_key, EVP_sha256()) > 0);
  const OpenFile out(files.certificate, "w");
  PEM_write_X509(out.file, certificate);
  const OpenFile key_out(files.key, "w");
  PEM_write_PrivateKey(key_out.file, key, nullptr, nullptr, 0, nullptr, nullptr);
  if (issuer != nullptr) {
    X509_free(signer);
    EVP_PKEY_free(signing_key);
  }
  X509_free(certificate);
  EVP_PKEY_free(key);
  return files;
}

std::string Workshop::encrypted_key(const Files& files, const std::string& stem) {
  const OpenFile in(files.key, "r");
  EVP_PKEY* key = PEM_read_PrivateKey(in.file, nullptr, nullptr, nullptr);
  need(key != nullptr);
  std::string path = path_ + "/" + stem + ".key";
  const OpenFile out(path, "w");
  char passphrase[] = "secret";
  PEM_write_PKCS8PrivateKey(out.file, key, EVP_aes_128_cbc(), passphrase, 6, nullptr, nullptr);
  EVP_PKEY_free(key);
  return path;
}

std::string Workshop::write(const std::string& name, const std::string& text) {
  std::string path = path_ + "/" + name;
  std::ofstream(path) << text;
  return path;
}

}  // namespace mailroot::tls::test
