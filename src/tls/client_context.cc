// What connections to next hops are made from.
#include <openssl/ssl.h>

#include "errors.h"
#include "mailroot/base/assert.h"
#include "mailroot/tls/context.h"
#include "mailroot/tls/limits.h"
#include "pem.h"

namespace mailroot::tls {

namespace {

using config::OutboundTls;
using config::Security;

// Where the alternative is clear text any cipher is better than none.
constexpr const char* kAnyCipher = "ALL:!eNULL:!PSK:!SRP:@SECLEVEL=0";
constexpr const char* kGoodCiphers = "HIGH:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=1";

std::expected<void, std::string> trust(SSL_CTX* context, const Security& security) {
  if (!security.ca.empty()) {
    auto loaded = load_authorities(context, security.ca);
    if (!loaded) return std::unexpected("ca: " + loaded.error());
    return {};
  }
  if (SSL_CTX_set_default_verify_paths(context) != 1) {
    return std::unexpected("the system's certificates cannot be used: " + take_error("none"));
  }
  return {};
}

}  // namespace

ClientContext::~ClientContext() { SSL_CTX_free(context_); }

std::expected<std::shared_ptr<const ClientContext>, std::string> ClientContext::make(
    const Security& security) {
  std::shared_ptr<ClientContext> made(new ClientContext());
  made->context_ = SSL_CTX_new(TLS_client_method());
  SSL_CTX* context = made->context_;
  MAILROOT_ASSERT(context != nullptr, "memory for a context of TLS");
  made->verifies_ = security.tls == OutboundTls::verified;
  const bool is_dane = security.tls == OutboundTls::dane;
  // With TLSA records a connection raises what it asks for.
  const bool is_opportunistic = security.tls == OutboundTls::opportunistic || is_dane;
  SSL_CTX_set_min_proto_version(context, is_opportunistic ? TLS1_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context, 0);
  const int listed = SSL_CTX_set_cipher_list(context, is_opportunistic ? kAnyCipher : kGoodCiphers);
  MAILROOT_ASSERT(listed == 1, "the list of ciphers is one");
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(context, made->verifies_ ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_verify_depth(context, kChainMax);
  if (is_dane && SSL_CTX_dane_enable(context) != 1) {
    return std::unexpected("DANE cannot be used: " + take_error("OpenSSL refuses"));
  }
  if (made->verifies_) {
    auto trusted = trust(context, security);
    if (!trusted) return std::unexpected(std::move(trusted.error()));
  }
  if (!security.certificate.empty()) {
    auto identity = load_identity(security.certificate, security.key);
    if (!identity) return std::unexpected(identity.error());
    auto used = use_identity(context, *identity);
    if (!used) return std::unexpected("certificate: " + used.error());
  }
  return made;
}

}  // namespace mailroot::tls
