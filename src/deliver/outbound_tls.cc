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

const config::Security& security_of(const config::VirtualServer& settings,
                                    const route::NextHop& hop) {
  return hop.own_security ? *hop.own_security : settings.delivery.security;
}

}  // namespace

bool wants_dane(const config::VirtualServer& settings, const route::NextHop& hop,
                const Target& target) {
  return target.is_secure && security_of(settings, hop).tls == config::OutboundTls::dane;
}

OutboundTls tls_for(const config::VirtualServer& settings, const route::NextHop& hop,
                    const Target& target, bool is_broken, const tls::ClientContexts* contexts,
                    const std::vector<dns::TlsaRecord>& records) {
  OutboundTls out;
  const config::Security& security = security_of(settings, hop);
  if (security.tls == config::OutboundTls::off) return out;
  if (contexts != nullptr) out.context = contexts->find(security);
  const bool is_dane = security.tls == config::OutboundTls::dane;
  const bool is_opportunistic =
      security.tls == config::OutboundTls::opportunistic || (is_dane && records.empty());
  out.is_implicit = is_implicit(security, target.address.port);
  out.may_fall_back = is_opportunistic && !out.is_implicit;
  if (out.may_fall_back && (is_broken || out.context == nullptr)) return {};
  out.mode = is_opportunistic ? smtp::ClientTls::opportunistic : smtp::ClientTls::required;
  out.names = names_for(security, hop, target);
  if (!is_dane) return out;
  for (const dns::TlsaRecord& record : records) {
    out.dane.push_back({record.usage, record.selector, record.matching_type, record.data});
  }
  return out;
}

}  // namespace mailroot::deliver
