// dns::Resolver: the hosts of a domain as plain values. Three implementations: libunbound on the
// reactor, a fixed table, the simulator's. One per shard, with its own cache.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "mailroot/base/address.h"
#include "mailroot/base/time.h"
#include "mailroot/reactor/reactor.h"

namespace mailroot::dns {

struct MailHost {
  uint16_t preference = 0;
  std::string name;                  // lower case, no trailing dot
  std::vector<IpAddress> addresses;  // both families, in the order to try
  // DNSSEC vouches for its addresses, and for what led from the domain to it (RFC 7672 2.2).
  bool is_secure = false;
};

enum class Security : uint8_t { insecure, secure };  // DNSSEC; bogus is a failure

struct MailHosts {
  std::vector<MailHost> hosts;  // by preference; equal ones shuffled by the caller's seed
  Security security = Security::insecure;
  Instant expires{};     // TTL bounded to 30 s .. 1 h
  bool from_mx = false;  // false: the domain's own A and AAAA records (RFC 5321 5.1)
};

enum class Failure : uint8_t {
  no_such_domain,  // NXDOMAIN: permanent, 5.1.2
  null_mx,         // RFC 7505: permanent, 5.1.10
  no_addresses,    // the domain exists but nothing takes mail: permanent, 5.4.4
  alias_mx,        // an MX names a CNAME (RFC 5321 5.1); counted as no usable host: 5.4.4
  timed_out,       // transient, 4.4.3
  server_failure,  // SERVFAIL, refused, bogus: transient, 4.4.3 (bogus 4.7.27)
  bogus,
  cancelled,
};

struct ResolveFailure {
  Failure failure;
  std::string text;  // one sentence with the name asked
};

// RFC 6698 2.1, as it stands in DNS.
struct TlsaRecord {
  uint8_t usage = 0, selector = 0, matching_type = 0;
  std::string data;
  friend bool operator==(const TlsaRecord&, const TlsaRecord&) = default;
};

class Resolver {
 public:
  virtual ~Resolver() = default;
  // MX, then A and AAAA; the addresses of each host are filled in. A literal "[192.0.2.1]" or
  // "[IPv6:...]" answers itself.
  virtual reactor::task<std::expected<MailHosts, ResolveFailure>> mail_hosts(
      std::string domain, reactor::Wait wait) = 0;
  // A and AAAA only (smart hosts given by name with MX switched off, tests).
  virtual reactor::task<std::expected<std::vector<IpAddress>, ResolveFailure>> addresses(
      std::string host, reactor::Wait wait) = 0;
  // As addresses(), as a mail host whose is_secure says what DNSSEC says.
  virtual reactor::task<std::expected<MailHosts, ResolveFailure>> named_host(
      std::string host, reactor::Wait wait) = 0;
  // TLSA records of host and port (RFC 7672 2.2.2). Empty: there are none, or DNSSEC does not vouch
  // for them. A failure other than `cancelled` means that the host must not be used.
  virtual reactor::task<std::expected<std::vector<TlsaRecord>, ResolveFailure>> tlsa(
      std::string host, uint16_t port, reactor::Wait wait) = 0;
  // PTR name for annotations; empty when there is none.
  virtual reactor::task<std::expected<std::string, ResolveFailure>> reverse(IpAddress address,
                                                                            reactor::Wait wait) = 0;
};

struct ResolverOptions {
  std::vector<SocketAddress> servers;  // empty: the system's resolv.conf
  std::string trust_anchor_file;       // DNSSEC begins here; empty: nothing is validated
  uint64_t cache_bytes = 8 * 1024 * 1024;
};

// Fixed answers come before DNS: "example.com" -> "mx1.example" lines of the `dns.hosts` setting,
// or addresses. Value forms: "192.0.2.1", "mx:10 mail.example", "null-mx", "nxdomain", "servfail".
struct FixedAnswer {
  std::string name;
  std::vector<std::string> values;
};

std::unique_ptr<Resolver> make_fixed_resolver(reactor::Reactor& reactor,
                                              std::vector<FixedAnswer> answers);
// Fixed answers first, libunbound for the rest.
result<std::unique_ptr<Resolver>> make_unbound_resolver(reactor::Reactor& reactor,
                                                        const ResolverOptions& options,
                                                        std::vector<FixedAnswer> answers);

}  // namespace mailroot::dns
