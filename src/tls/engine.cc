#include "mailroot/tls/engine.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "bio.h"
#include "errors.h"
#include "mailroot/base/address.h"
#include "mailroot/base/assert.h"
#include "mailroot/tls/limits.h"
#include "pem.h"
#include "tickets.h"

namespace mailroot::tls {

namespace {

// One of names and addresses is enough; OpenSSL's own check would ask for a name and an address.
bool has_one_of(X509* certificate, const std::vector<std::string>& names) {
  return std::ranges::any_of(names, [certificate](const std::string& name) {
    if (IpAddress::parse(name)) return X509_check_ip_asc(certificate, name.c_str(), 0) == 1;
    return X509_check_host(certificate, name.data(), name.size(),
                           X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1;
  });
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    if (out.size() > kErrorTextMax) return out + ", ...";
    if (!name.starts_with('.')) out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

}  // namespace

Engine::Engine(ServerTls server, config::TlsProfile profile) : server_(std::move(server)) {
  ssl_ = SSL_new(server_.context->get(profile));
  begin();
  SSL_set_accept_state(ssl_);
}

Engine::Engine(std::shared_ptr<const ClientContext> context, const std::string& host,
               const std::vector<std::string>& names)
    : client_context_(std::move(context)) {
  ssl_ = SSL_new(client_context_->get());
  begin();
  SSL_set_connect_state(ssl_);
  if (!host.empty() && !IpAddress::parse(host)) SSL_set_tlsext_host_name(ssl_, host.c_str());
  verifies_ = client_context_->verifies();
  if (!verifies_) return;
  MAILROOT_ASSERT(!names.empty(), "a certificate is verified against a name");
  names_ = names;
}

Engine::Engine(std::shared_ptr<const ClientContext> context, const std::string& host,
               const std::vector<std::string>& names, const std::vector<DaneRecord>& records)
    : client_context_(std::move(context)) {
  MAILROOT_ASSERT(!records.empty(), "without TLSA records there is no DANE");
  ssl_ = SSL_new(client_context_->get());
  begin();
  SSL_set_connect_state(ssl_);
  SSL_set_min_proto_version(ssl_, TLS1_2_VERSION);
  const int enabled = SSL_dane_enable(ssl_, host.c_str());  // and SNI
  MAILROOT_ASSERT(enabled == 1, "the context is made for DANE");
  // RFC 7672 3.1.1: a key that is named itself need not be in date, nor for that name.
  SSL_dane_set_flags(ssl_, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  for (const std::string& name : names) SSL_add1_host(ssl_, name.c_str());
  constexpr uint8_t kTrustAnchor = 2, kEndEntity = 3;
  for (const DaneRecord& record : records) {
    // RFC 7672 3.1.3: the authorities of browsers have no say between mail servers.
    if (record.usage != kTrustAnchor && record.usage != kEndEntity) continue;
    const auto* data = reinterpret_cast<const unsigned char*>(record.data.data());
    const int usable = SSL_dane_tlsa_add(ssl_, record.usage, record.selector, record.matching_type,
                                         data, record.data.size());
    verifies_ = verifies_ || usable > 0;
  }
  SSL_set_verify(ssl_, verifies_ ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  ERR_clear_error();
}

Engine::~Engine() { SSL_free(ssl_); }

void Engine::begin() {
  MAILROOT_ASSERT(ssl_ != nullptr, "memory for a connection of TLS");
  BIO* bio = make_bio(*this);
  SSL_set_bio(ssl_, bio, bio);  // takes the one reference for both directions
  set_engine(ssl_, *this);
}

void Engine::give(ByteView ciphertext) {
  MAILROOT_ASSERT(input_size_ == 0, "what was given before has been read");
  input_ = ciphertext.data();
  input_size_ = ciphertext.size();
}

Progress Engine::failure(int result) {
  const int code = SSL_get_error(ssl_, result);
  if (code == SSL_ERROR_WANT_READ) return Progress::wants_input;
  if (code == SSL_ERROR_ZERO_RETURN) return Progress::ended;
  input_size_ = 0;
  is_open_ = false;
  const long verdict = SSL_get_verify_result(ssl_);
  why_ = take_error("the other end broke the protocol");
  if (verifies_ && verdict != X509_V_OK) {
    why_ = std::string("the certificate is not good: ") + X509_verify_cert_error_string(verdict);
  }
  return Progress::failed;
}

Progress Engine::shake() {
  if (!why_.empty()) return Progress::failed;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) return failure(result);
  X509* shown = SSL_get0_peer_certificate(ssl_);
  if (!names_.empty() && (shown == nullptr || !has_one_of(shown, names_))) {
    why_ = "the certificate is not good: it is for ";
    why_ += shown == nullptr ? "nobody" : joined(names_of(shown));
    why_ += ", not for " + joined(names_);
    return Progress::failed;
  }
  is_open_ = has_opened_ = true;
  return Progress::done;
}

std::expected<size_t, Progress> Engine::read(std::span<std::byte> plain) {
  if (!why_.empty()) return std::unexpected(Progress::failed);
  ERR_clear_error();
  size_t count = 0;
  const int result = SSL_read_ex(ssl_, plain.data(), plain.size(), &count);
  if (result == 1) return count;
  return std::unexpected(failure(result));
}

bool Engine::write(ByteView plain) {
  if (!is_open_) return false;
  ERR_clear_error();
  size_t count = 0;
  const int result = SSL_write_ex(ssl_, plain.data(), plain.size(), &count);
  if (result == 1) return true;
  failure(result);
  if (why_.empty()) why_ = "nothing can be written";
  is_open_ = false;
  return false;
}

void Engine::close() {
  if (!is_open_) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
  is_open_ = false;
}

void Engine::output_sent() {
  if (output_.capacity() > kOutputKeepBytes) {
    output_ = std::string();
  } else {
    output_.clear();
  }
}

std::string_view Engine::version() const { return SSL_get_version(ssl_); }
std::string_view Engine::cipher() const {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_);
  const char* name = cipher == nullptr ? nullptr : SSL_CIPHER_standard_name(cipher);
  return name == nullptr ? std::string_view("unknown") : std::string_view(name);
}
bool Engine::is_resumed() const { return SSL_session_reused(ssl_) == 1; }

std::optional<Engine::PeerIdentity> Engine::peer_identity() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return std::nullopt;
  PeerIdentity identity{subject_of(certificate), fingerprint_of(certificate)};
  if (server_.context == nullptr) return identity;
  const config::TlsAccess& rules = server_.context->settings();
  const auto& fingerprints = rules.client_fingerprints;
  if (std::ranges::find(fingerprints, identity.fingerprint) != fingerprints.end()) return identity;
  const bool is_signed = !rules.client_ca.empty() && SSL_get_verify_result(ssl_) == X509_V_OK;
  if (!is_signed) return std::nullopt;
  if (rules.client_names.empty()) return identity;
  const bool has_name = std::ranges::any_of(rules.client_names, [&](const std::string& name) {
    return name == identity.subject ||
           X509_check_host(certificate, name.data(), name.size(), 0, nullptr) == 1 ||
           X509_check_email(certificate, name.data(), name.size(), 0) == 1;
  });
  if (!has_name) return std::nullopt;
  return identity;
}

std::string Engine::channel_binding() const {
  if (!is_open_ || SSL_version(ssl_) < TLS1_3_VERSION) return {};
  constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
  unsigned char data[32];
  const int done = SSL_export_keying_material(ssl_, data, sizeof data, kLabel.data(), kLabel.size(),
                                              nullptr, 0, 0);
  return done == 1 ? std::string(reinterpret_cast<const char*>(data), sizeof data) : std::string();
}

}  // namespace mailroot::tls
