// All that one virtual server needs of TLS, in both directions.
#include <algorithm>
#include <set>

#include "mailroot/config/small_file.h"
#include "mailroot/tls/context.h"

namespace mailroot::tls {

namespace {

using config::OutboundTls;
using config::Security;

// Every one that a message of this server can meet, each once.
std::vector<Security> securities_of(const config::VirtualServer& server) {
  std::vector<Security> found = {config::security_for(server, nullptr)};
  for (const config::Domain& domain : server.domains) {
    if (domain.security == Security{}) continue;
    Security security = config::security_for(server, &domain);
    if (std::ranges::find(found, security) == found.end()) found.push_back(std::move(security));
  }
  return found;
}

}  // namespace

std::expected<std::shared_ptr<const ClientContexts>, std::string> ClientContexts::make(
    const config::VirtualServer& server) {
  auto made = std::make_shared<ClientContexts>();
  for (Security& security : securities_of(server)) {
    if (security.tls == OutboundTls::off) continue;
    auto context = ClientContext::make(security);
    if (!context) return std::unexpected(std::move(context.error()));
    made->contexts_.emplace_back(std::move(security), std::move(*context));
  }
  return made;
}

std::shared_ptr<const ClientContext> ClientContexts::find(const Security& security) const {
  for (const auto& [of, context] : contexts_) {
    if (of == security) return context;
  }
  return nullptr;
}

std::string files_stamp(const config::VirtualServer& server) {
  const config::TlsAccess& access = server.access.tls;
  std::set<std::string> files = {access.certificate, access.key, access.client_ca};
  for (const config::CertificatePair& pair : access.additional) {
    files.insert(pair.certificate);
    files.insert(pair.key);
  }
  for (const Security& security : securities_of(server)) {
    files.insert(security.ca);
    files.insert(security.certificate);
    files.insert(security.key);
  }
  std::string stamp;
  for (const std::string& file : files) {
    if (!file.empty()) stamp += file + "=" + config::file_stamp(file) + ";";
  }
  return stamp;
}

void check_certificates(config::CheckResult& result, WallTime now) {
  if (result.snapshot == nullptr) return;
  for (const auto& server : result.snapshot->servers) {
    const config::TlsAccess& access = server->access.tls;
    if (!access.certificate.empty()) {
      auto made = ServerContext::make(access, server->fqdn, now, result.warnings);
      if (!made) result.findings.push_back({server->id, server->place, "access.tls", made.error()});
    }
    auto outbound = ClientContexts::make(*server);
    if (outbound) continue;
    result.findings.push_back({server->id, server->place, "delivery.security", outbound.error()});
  }
  if (result.exit_code == 0 && !result.findings.empty()) result.exit_code = 2;
}

}  // namespace mailroot::tls
