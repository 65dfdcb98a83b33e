#include "mailroot/route/next_hop.h"

#include <fmt/format.h>

namespace mailroot::route {

namespace {

std::string list_of(const std::vector<config::SmartHost>& hosts) {
  std::string out;
  for (const auto& host : hosts) out += (out.empty() ? "" : ";") + host.to_string();
  return out;
}

std::string_view to_string(config::OutboundTls tls) {
  switch (tls) {
    case config::OutboundTls::inherit:
      return "inherit";
    case config::OutboundTls::off:
      return "off";
    case config::OutboundTls::opportunistic:
      return "opportunistic";
    case config::OutboundTls::required:
      return "required";
    case config::OutboundTls::dane:
      return "dane";
    case config::OutboundTls::verified:
      return "verified";
  }
  return "";
}

std::string with_port(const std::string& domain, uint16_t port) {
  return port == 25 ? domain : fmt::format("{}:{}", domain, port);
}

}  // namespace

std::string NextHop::key() const {
  std::string out = on_request ? "etrn:" + domain + ";" : "";
  switch (kind) {
    case HopKind::drop:
      return "drop";
    case HopKind::smart_hosts:
      out += "smart:" + list_of(smart_hosts);
      break;
    case HopKind::mail_hosts:
      out += "mx:" + with_port(domain, port);
      break;
    case HopKind::direct_first:
      out += "direct:" + with_port(domain, port) + ";smart:" + list_of(smart_hosts);
      break;
  }
  if (own_security) out += fmt::format(";tls={}", to_string(own_security->tls));
  if (own_security && !own_security->ca.empty()) out += ";ca=" + own_security->ca;
  if (login == HopLogin::domain) out += ";login:" + login_domain;
  if (is_anonymous) out += ";anonymous";
  return hello_only ? out + ";helo" : out;
}

}  // namespace mailroot::route
