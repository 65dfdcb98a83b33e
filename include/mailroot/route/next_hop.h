// NextHop: where mail for one recipient goes from here. A plain value; its key names the
// destination queue, so equal keys share connections, limits and retries (architecture 9).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mailroot/config/snapshot.h"

namespace mailroot::route {

enum class HopKind : uint8_t {
  drop,         // a local domain: into the Drop directory
  smart_hosts,  // the list in order of preference
  mail_hosts,   // `domain` by MX, A and AAAA; a literal answers itself
  direct_first  // as mail_hosts; if that host cannot be found or reached, the smart hosts
};

// Whose login its hosts get. server: delivery.security, the smart hosts only. domain: that of the
// entry of domains named login_domain, all of its hosts.
enum class HopLogin : uint8_t { none, server, domain };

struct NextHop {
  HopKind kind = HopKind::drop;
  std::string domain;                          // mail_hosts, direct_first
  uint16_t port = 25;                          // for `domain`
  std::vector<config::SmartHost> smart_hosts;  // ports filled in
  bool hello_only = false;                     // HELO instead of EHLO
  // What its entry of domains says beside delivery.security; nothing: that holds.
  std::optional<config::Security> own_security;
  HopLogin login = HopLogin::none;
  std::string login_domain;
  bool is_anonymous = false;  // may be a host that others log in at: not the same destination
  bool on_request = false;    // kept until `domain`, which is then always set, asks by ETRN

  // "drop", "smart:[1.2.3.4]:25;relay.example:587", "mx:example.com",
  // "direct:example.com;smart:..." A port other than 25 is appended to the domain; HELO-only ends
  // in ";helo". TLS of its own is named: ";tls=required;ca=/path". A login of the domain's own is
  // ";login:example.com"; smart hosts of a domain without one, beside a login for
  // delivery.smart_host, are ";anonymous". What is kept until asked for begins with
  // "etrn:example.com;". Stable: it appears in logs and in the control protocol.
  std::string key() const;
  friend bool operator==(const NextHop&, const NextHop&) = default;
};

}  // namespace mailroot::route
