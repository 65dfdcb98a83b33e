#include "pem.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "errors.h"
#include "mailroot/config/secret_file.h"
#include "mailroot/config/small_file.h"
#include "mailroot/tls/limits.h"

namespace mailroot::tls {

namespace {

using Source = std::unique_ptr<BIO, Free<BIO_free_all>>;

std::unexpected<std::string> wrong(const std::string& file, std::string_view what) {
  return std::unexpected(fmt::format("{}: {}", file, what));
}

Source source_of(std::string_view text) {
  return Source(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// A service has nobody to ask for a passphrase.
int no_passphrase(char*, int, int, void*) { return 0; }

std::expected<std::vector<Certificate>, std::string> read_certificates(const std::string& file,
                                                                       size_t most) {
  const auto text = config::read_small_file(file, kPemFileMax);
  if (!text) return wrong(file, text.error());
  const Source source = source_of(*text);
  std::vector<Certificate> found;
  while (found.size() < most) {
    Certificate next(PEM_read_bio_X509(source.get(), nullptr, no_passphrase, nullptr));
    if (next == nullptr) break;
    found.push_back(std::move(next));
  }
  const unsigned long code = ERR_peek_last_error();
  const bool is_end = ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  const std::string error = take_error("is no certificate");
  if (!is_end && code != 0) return wrong(file, "holds a damaged certificate: " + error);
  if (found.empty()) return wrong(file, "holds no certificate in PEM form (BEGIN CERTIFICATE)");
  return found;
}

std::expected<PrivateKey, std::string> read_key(const std::string& file) {
  const auto text = config::read_secret_file(file);  // wipes what it has read
  if (!text) return wrong(file, text.error());
  const bool is_encrypted = text->reveal().contains("ENCRYPTED");
  const Source source = source_of(text->reveal());
  PrivateKey key(PEM_read_bio_PrivateKey(source.get(), nullptr, no_passphrase, nullptr));
  const std::string error = take_error("is no key");
  if (key != nullptr) return key;
  if (is_encrypted) {
    return wrong(file,
                 "is protected by a passphrase; store it without one (openssl pkey -in ... "
                 "-out ...) and keep it readable by the service alone");
  }
  return wrong(file, "holds no private key in PEM form: " + error);
}

std::string text_of(const ASN1_STRING* string) {
  std::string out(reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
                  static_cast<size_t>(ASN1_STRING_length(string)));
  for (char& c : out) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet >= 0x7f) c = '?';
  }
  return out;
}

std::vector<std::string> alternative_names(X509* certificate, int type) {
  std::vector<std::string> out;
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  if (names == nullptr) return out;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == type) out.push_back(text_of(name->d.ia5));
  }
  GENERAL_NAMES_free(names);
  return out;
}

std::string common_name(X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

}  // namespace

std::expected<Identity, std::string> load_identity(const std::string& certificate_file,
                                                   const std::string& key_file) {
  auto chain = read_certificates(certificate_file, kChainMax);
  if (!chain) return std::unexpected(std::move(chain.error()));
  auto key = read_key(key_file);
  if (!key) return std::unexpected(std::move(key.error()));
  if (X509_check_private_key(chain->front().get(), key->get()) != 1) {
    take_error("");
    return wrong(key_file, fmt::format("is not the key of the first certificate in {} ({})",
                                       certificate_file, subject_of(chain->front().get())));
  }
  return Identity{std::move(*chain), std::move(*key)};
}

std::expected<void, std::string> load_authorities(SSL_CTX* context, const std::string& file) {
  constexpr size_t kAuthoritiesMax = 10'000;
  auto found = read_certificates(file, kAuthoritiesMax);
  if (!found) return std::unexpected(std::move(found.error()));
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (const Certificate& authority : *found) {
    if (X509_STORE_add_cert(store, authority.get()) != 1) {
      return wrong(file, take_error("cannot be used"));
    }
  }
  return {};
}

std::expected<void, std::string> use_identity(SSL_CTX* context, const Identity& identity) {
  bool good = SSL_CTX_use_certificate(context, identity.chain.front().get()) == 1 &&
              SSL_CTX_use_PrivateKey(context, identity.key.get()) == 1;
  for (size_t i = 1; good && i < identity.chain.size(); ++i) {
    X509* next = identity.chain[i].get();
    good = SSL_CTX_add1_chain_cert(context, next) == 1;
  }
  if (!good) return std::unexpected("cannot be used: " + take_error("OpenSSL refuses it"));
  return {};
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names = alternative_names(certificate, GEN_DNS);
  if (names.empty()) names.push_back(common_name(certificate));
  return names;
}

WallTime expiry_of(X509* certificate) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return WallTime{};
  const std::chrono::year_month_day day{std::chrono::year(parts.tm_year + 1900),
                                        std::chrono::month(static_cast<unsigned>(parts.tm_mon) + 1),
                                        std::chrono::day(static_cast<unsigned>(parts.tm_mday))};
  // Beyond what nanoseconds of 64 bits can say.
  if (day.year() > std::chrono::year(2261)) return WallTime::max();
  return WallTime(std::chrono::sys_days(day).time_since_epoch() +
                  std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
                  std::chrono::seconds(parts.tm_sec));
}

std::string subject_of(X509* certificate) {
  for (const int type : {GEN_DNS, GEN_EMAIL}) {
    std::vector<std::string> names = alternative_names(certificate, type);
    if (!names.empty()) return names.front();
  }
  return common_name(certificate);
}

std::string fingerprint_of(X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1) return {};
  std::string out;
  for (unsigned int i = 0; i < size; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

}  // namespace mailroot::tls
