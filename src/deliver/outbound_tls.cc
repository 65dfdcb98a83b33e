#include "outbound_tls.h"

namespace mailroot::deliver {

namespace {

// The names that configuration or envelope gave: what DNS made of them anybody on the way could
// have invented, unless DNSSEC vouches for it. A mail host below the domain counts as its own.
std::vector<std::string> names_for(const config::Security& security, const route::NextHop& hop,
                                   const Target& target) {
  const bool is_smart = target.list > 0 && target.list <= hop.smart_hosts.size();
  const std::string& wanted = is_smart ? hop.smart_hosts[target.list - 1].host : hop.domain;
  std::vector<std::string> names = {wanted};
  if (!IpAddress::parse(wanted)) names.push_back("." + wanted);
  names.insert(names.end(), security.names.begin(), security.names.end());
  return names;
}

bool is_implicit(const config::Security& security, uint16_t port) {
  constexpr uint16_t kSubmissions = 465;
  switch (security.handshake) {
    case config::OutboundHandshake::automatic:
      return port == kSubmissions;
    case config::OutboundHandshake::start_tls:
      return false;
    case config::OutboundHandshake::implicit:
      return true;
  }
  return false;
}

}  // namespace

OutboundTls tls_for(const config::VirtualServer& settings, const route::NextHop& hop,
                    const Target& target, bool is_broken, const tls::ClientContexts* contexts) {
  OutboundTls out;
  const config::Security& security =
      hop.own_security ? *hop.own_security : settings.delivery.security;
  if (security.tls == config::OutboundTls::off) return out;
  if (contexts != nullptr) out.context = contexts->find(security);
  const bool is_opportunistic = security.tls == config::OutboundTls::opportunistic;
  out.is_implicit = is_implicit(security, target.address.port);
  out.may_fall_back = is_opportunistic && !out.is_implicit;
  if (out.may_fall_back && (is_broken || out.context == nullptr)) return {};
  out.mode = is_opportunistic ? smtp::ClientTls::opportunistic : smtp::ClientTls::required;
  out.names = names_for(security, hop, target);
  return out;
}

}  // namespace mailroot::deliver
