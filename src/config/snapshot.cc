#include "mailroot/config/snapshot.h"

#include <fmt/format.h>

namespace mailroot::config {

std::string Place::to_string() const {
  if (line == 0) return file;
  return fmt::format("{}:{}:{}", file, line, column);
}

std::string Binding::to_string() const {
  if (!address) return fmt::format("all-unassigned:{}", port);
  return SocketAddress{*address, port}.to_string();
}

std::string SmartHost::to_string() const {
  if (!preset.empty()) return preset;
  std::string out = is_literal ? "[" + host + "]" : host;
  if (port) out += fmt::format(":{}", *port);
  return out;
}

sasl::Mechanisms usual_mechanisms() {
  using sasl::Mechanism;
  sasl::Mechanisms mechanisms;
  for (const Mechanism mechanism : {Mechanism::plain, Mechanism::login, Mechanism::scram_sha_256,
                                    Mechanism::scram_sha_256_plus}) {
    mechanisms.add(mechanism);
  }
  return mechanisms;
}

const Binding* find_binding(const VirtualServer& server, const SocketAddress& local) {
  const Binding* wildcard = nullptr;
  for (const Binding& binding : server.bindings) {
    if (binding.port != local.port) continue;
    if (binding.address == local.ip) return &binding;
    if (!binding.address) wildcard = &binding;
  }
  return wildcard;
}

Security security_for(const VirtualServer& server, const Domain* domain) {
  Security security = server.delivery.security;
  if (domain == nullptr) return security;
  if (domain->security.tls != OutboundTls::inherit) security.tls = domain->security.tls;
  if (!domain->security.ca.empty()) security.ca = domain->security.ca;
  return security;
}

}  // namespace mailroot::config
