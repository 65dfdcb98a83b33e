// The contexts of the listeners of one virtual server.
#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <set>

#include "errors.h"
#include "mailroot/base/assert.h"
#include "mailroot/tls/context.h"
#include "mailroot/tls/limits.h"
#include "pem.h"
#include "tickets.h"

namespace mailroot::tls {

namespace {

using config::ClientCertificate;
using config::TlsAccess;
using config::TlsProfile;
using config::TlsVersion;

// A TLS 1.2 client may be a Windows of 2012, which knows CBC only; TLS 1.3 has its own list.
constexpr const char* kStandardCiphers =
    "HIGH:!aNULL:!eNULL:!PSK:!SRP:!CAMELLIA:!ARIA:!DSS:@SECLEVEL=1";
constexpr const char* kLegacyCiphers = "ALL:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0";

// Whom to believe is asked after the handshake (peer_identity): a printer whose certificate is of
// no use is still a client like any other.
int go_on_anyway(int, X509_STORE_CTX*) { return 1; }

std::vector<std::string> sorted_names(X509* certificate) {
  std::vector<std::string> names = names_of(certificate);
  std::ranges::sort(names);
  return names;
}

std::expected<Context, std::string> make_context(const TlsAccess& settings, TlsProfile profile) {
  Context context(SSL_CTX_new(TLS_server_method()));
  MAILROOT_ASSERT(context != nullptr, "memory for a context of TLS");
  const bool legacy = profile == TlsProfile::legacy;
  const int standard_minimum =
      settings.minimum == TlsVersion::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
  SSL_CTX_set_min_proto_version(context.get(), legacy ? TLS1_VERSION : standard_minimum);
  SSL_CTX_set_max_proto_version(context.get(), 0);
  const int listed =
      SSL_CTX_set_cipher_list(context.get(), legacy ? kLegacyCiphers : kStandardCiphers);
  MAILROOT_ASSERT(listed == 1, "the list of ciphers is one");
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_dh_auto(context.get(), 1);
  const unsigned char realm[] = "mailroot";
  SSL_CTX_set_session_id_context(context.get(), realm, sizeof realm - 1);
  use_tickets(context.get());
  if (settings.client_certificate == ClientCertificate::off) return context;
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, go_on_anyway);
  SSL_CTX_set_verify_depth(context.get(), kChainMax);
  if (settings.client_ca.empty()) return context;
  auto trusted = load_authorities(context.get(), settings.client_ca);
  if (!trusted) return std::unexpected("client_ca: " + trusted.error());
  SSL_CTX_set_client_CA_list(context.get(), SSL_load_client_CA_file(settings.client_ca.c_str()));
  take_error("");
  return context;
}

}  // namespace

// One context for each profile; certificates with the same names, one for each type of key.
struct ServerContext::Group {
  std::vector<std::string> names;
  std::set<int> key_types;
  Context standard, legacy;

  bool matches(const char* wanted) const {
    X509* certificate = SSL_CTX_get0_certificate(standard.get());
    return X509_check_host(certificate, wanted, 0, 0, nullptr) == 1;
  }
};

ServerContext::ServerContext() = default;
ServerContext::~ServerContext() = default;

std::expected<std::shared_ptr<const ServerContext>, std::string> ServerContext::make(
    const TlsAccess& settings, std::string_view fqdn, WallTime now,
    std::vector<std::string>& warnings) {
  std::shared_ptr<ServerContext> made(new ServerContext());
  made->settings_ = settings;
  made->first_expiry_ = WallTime::max();
  std::vector<config::CertificatePair> pairs = {{settings.certificate, settings.key, {}}};
  pairs.insert(pairs.end(), settings.additional.begin(), settings.additional.end());
  bool has_our_name = false;
  std::string names_seen;
  for (const config::CertificatePair& pair : pairs) {
    auto identity = load_identity(pair.certificate, pair.key);
    if (!identity) return std::unexpected(identity.error());
    X509* own = identity->chain.front().get();
    const std::vector<std::string> names = sorted_names(own);
    const int key_type = EVP_PKEY_get_base_id(identity->key.get());
    auto group = std::ranges::find_if(made->groups_, [&](const Group& candidate) {
      return candidate.names == names && !candidate.key_types.contains(key_type);
    });
    if (group == made->groups_.end()) {
      auto standard = make_context(settings, TlsProfile::standard);
      auto legacy = make_context(settings, TlsProfile::legacy);
      if (!standard || !legacy) return std::unexpected((!standard ? standard : legacy).error());
      made->groups_.push_back({names, {}, std::move(*standard), std::move(*legacy)});
      group = std::prev(made->groups_.end());
    }
    group->key_types.insert(key_type);
    for (SSL_CTX* context : {group->standard.get(), group->legacy.get()}) {
      auto used = use_identity(context, *identity);
      if (!used) return std::unexpected(fmt::format("{}: {}", pair.certificate, used.error()));
    }
    const WallTime expiry = expiry_of(own);
    made->first_expiry_ = std::min(made->first_expiry_, expiry);
    if (expiry <= now) {
      warnings.push_back(fmt::format("{}: the certificate of {} has expired; clients may refuse it",
                                     pair.certificate, subject_of(own)));
    } else if (expiry - now < kExpirySoon) {
      warnings.push_back(fmt::format("{}: the certificate of {} expires in {} days",
                                     pair.certificate, subject_of(own),
                                     (expiry - now) / std::chrono::hours(24)));
    }
    has_our_name = has_our_name || X509_check_host(own, fqdn.data(), fqdn.size(), 0, nullptr) == 1;
    for (const std::string& name : names) names_seen += (names_seen.empty() ? "" : ", ") + name;
  }
  if (!has_our_name) {
    warnings.push_back(
        fmt::format("{}: the certificate is for {}, and this server is called {}; "
                    "clients that check names will refuse it",
                    settings.certificate, names_seen, fqdn));
  }
  for (Group& group : made->groups_) {
    for (SSL_CTX* context : {group.standard.get(), group.legacy.get()}) {
      SSL_CTX_set_tlsext_servername_callback(context, choose_by_name);
      SSL_CTX_set_tlsext_servername_arg(context, made.get());
    }
  }
  return made;
}

SSL_CTX* ServerContext::get(TlsProfile profile) const {
  const Group& first = groups_.front();
  return profile == TlsProfile::legacy ? first.legacy.get() : first.standard.get();
}

// A name nobody has is no reason to refuse: mail clients often do not know what they connect to.
int ServerContext::choose_by_name(SSL* ssl, int*, void* self) {
  const char* wanted = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (wanted == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const auto* context = static_cast<const ServerContext*>(self);
  const bool is_legacy = SSL_get_SSL_CTX(ssl) == context->get(TlsProfile::legacy);
  for (const Group& group : context->groups_) {
    if (!group.matches(wanted)) continue;
    SSL_set_SSL_CTX(ssl, is_legacy ? group.legacy.get() : group.standard.get());
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

}  // namespace mailroot::tls
