// From a domain to the hosts that take its mail (RFC 5321 5.1, RFC 7505), over any RecordSource.
#include "mailroot/dns/resolver.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "limits.h"
#include "record_source.h"

namespace mailroot::dns {

namespace {

using reactor::task;
using reactor::Wait;
using MailHostsResult = std::expected<MailHosts, ResolveFailure>;

bool is_transient(Failure failure) {
  return failure == Failure::timed_out || failure == Failure::server_failure ||
         failure == Failure::bogus || failure == Failure::cancelled;
}

std::string sentence(Failure failure, const std::string& name) {
  switch (failure) {
    case Failure::no_such_domain:
      return "domain " + name + " does not exist";
    case Failure::null_mx:
      return "domain " + name + " does not accept mail (null MX)";
    case Failure::no_addresses:
      return "no mail host with an address found for " + name;
    case Failure::alias_mx:
      return "the MX of " + name + " is an alias (CNAME)";
    case Failure::timed_out:
      return "DNS lookup of " + name + " timed out";
    case Failure::server_failure:
      return "DNS lookup of " + name + " failed";
    case Failure::bogus:
      return "DNSSEC validation of " + name + " failed";
    case Failure::cancelled:
      return "DNS lookup of " + name + " was called off";
  }
  return "DNS lookup failed";
}

std::unexpected<ResolveFailure> failed(Failure failure, const std::string& name) {
  return std::unexpected(ResolveFailure{failure, sentence(failure, name)});
}

// "[192.0.2.1]" or "[IPv6:2001:db8::1]".
std::optional<IpAddress> parse_literal(std::string_view domain) {
  if (domain.size() < 3 || domain.front() != '[' || domain.back() != ']') return std::nullopt;
  std::string_view inner = domain.substr(1, domain.size() - 2);
  constexpr std::string_view kTag = "ipv6:";
  if (inner.size() > kTag.size()) {
    std::string tag(inner.substr(0, kTag.size()));
    for (char& c : tag) c = static_cast<char>(c | 0x20);
    if (tag == kTag) inner.remove_prefix(kTag.size());
  }
  return IpAddress::parse(inner);
}

struct HostLookup {
  std::vector<IpAddress> addresses;
  uint32_t ttl_seconds = UINT32_MAX;
  bool alias = false;
  bool secure = true;
  std::optional<Failure> failure;
};

class ResolverOverSource final : public Resolver {
 public:
  ResolverOverSource(reactor::Reactor& reactor, std::unique_ptr<RecordSource> source)
      : reactor_(reactor), source_(std::move(source)) {}

  task<MailHostsResult> mail_hosts(std::string domain, Wait wait) override;
  task<std::expected<std::vector<IpAddress>, ResolveFailure>> addresses(std::string host,
                                                                        Wait wait) override;
  task<std::expected<std::string, ResolveFailure>> reverse(IpAddress address, Wait wait) override;
  task<MailHostsResult> named_host(std::string host, Wait wait) override;
  task<std::expected<std::vector<TlsaRecord>, ResolveFailure>> tlsa(std::string host, uint16_t port,
                                                                    Wait wait) override;

 private:
  struct Cached {
    MailHostsResult value;
    Instant expires;
  };
  task<MailHostsResult> look_up(std::string domain, Wait wait);
  task<MailHostsResult> from_own_addresses(std::string domain, Security security, Wait wait);
  task<MailHostsResult> from_mx(std::string domain, Answer mx, Wait wait);
  task<HostLookup> look_up_host(std::string host, Wait wait);
  task<void> fill_host(MailHost& host, HostLookup& out, Wait wait);
  task<void> query_family(const std::string& host, RecordType type, HostLookup& out, Wait wait);
  Instant expiry(uint32_t ttl_seconds) const;
  void remember(const std::string& domain, const MailHostsResult& value);

  reactor::Reactor& reactor_;
  std::unique_ptr<RecordSource> source_;
  std::unordered_map<std::string, Cached> cache_;
};

Instant ResolverOverSource::expiry(uint32_t ttl_seconds) const {
  const auto bounded = std::clamp(std::chrono::seconds(ttl_seconds), kTtlMin, kTtlMax);
  return reactor_.now() + bounded;
}

void ResolverOverSource::remember(const std::string& domain, const MailHostsResult& value) {
  if (!value && value.error().failure == Failure::cancelled) return;
  if (cache_.size() >= kCacheEntriesMax) cache_.clear();
  // A failure is kept for the shortest time: long enough to spare the servers, short enough that a
  // mended domain is found at the next retry.
  const Instant expires = value ? value->expires : reactor_.now() + kTtlMin;
  cache_.insert_or_assign(domain, Cached{value, expires});
}

task<MailHostsResult> ResolverOverSource::mail_hosts(std::string domain, Wait wait) {
  if (const auto literal = parse_literal(domain)) {
    MailHosts hosts;
    hosts.hosts.push_back({0, domain, {*literal}, false});
    hosts.expires = reactor_.now() + kTtlMax;
    co_return hosts;
  }
  if (!is_host_name(domain)) co_return failed(Failure::no_such_domain, domain);
  const auto found = cache_.find(domain);
  if (found != cache_.end() && found->second.expires > reactor_.now()) {
    co_return found->second.value;
  }
  auto value = co_await look_up(domain, wait);
  remember(domain, value);
  co_return value;
}

task<MailHostsResult> ResolverOverSource::look_up(std::string domain, Wait wait) {
  auto answer = co_await source_->query(domain, RecordType::mx, wait);
  if (!answer) co_return failed(answer.error(), domain);
  std::erase_if(answer->records,
                [](const Record& record) { return record.type != RecordType::mx; });
  if (answer->records.empty()) {
    auto own = co_await from_own_addresses(domain, answer->security, wait);
    co_return own;
  }
  const bool only_null = std::all_of(answer->records.begin(), answer->records.end(),
                                     [](const Record& record) { return record.target.empty(); });
  if (only_null) co_return failed(Failure::null_mx, domain);
  auto hosts = co_await from_mx(domain, std::move(*answer), wait);
  co_return hosts;
}

task<MailHostsResult> ResolverOverSource::from_own_addresses(std::string domain, Security security,
                                                             Wait wait) {
  HostLookup found = co_await look_up_host(domain, wait);
  if (found.addresses.empty()) {
    co_return failed(found.failure.value_or(Failure::no_addresses), domain);
  }
  MailHosts hosts;
  hosts.security = found.secure ? security : Security::insecure;
  const bool is_secure = hosts.security == Security::secure;
  hosts.hosts.push_back({0, domain, std::move(found.addresses), is_secure});
  hosts.expires = expiry(found.ttl_seconds);
  co_return hosts;
}

task<MailHostsResult> ResolverOverSource::from_mx(std::string domain, Answer mx, Wait wait) {
  MailHosts hosts;
  hosts.from_mx = true;
  hosts.security = mx.security;
  uint32_t ttl_seconds = mx.ttl_seconds;
  std::sort(mx.records.begin(), mx.records.end(), [](const Record& a, const Record& b) {
    return std::tie(a.preference, a.target) < std::tie(b.preference, b.target);
  });
  for (const Record& record : mx.records) {
    if (record.target.empty() || hosts.hosts.size() >= kMailHostsMax) continue;
    hosts.hosts.push_back({record.preference, record.target, {}, false});
  }
  std::vector<HostLookup> lookups(hosts.hosts.size());
  reactor::TaskGroup group;
  for (size_t i = 0; i < lookups.size(); ++i) {
    group.spawn(fill_host(hosts.hosts[i], lookups[i], wait));
  }
  co_await group.join();
  const bool mx_is_secure = mx.security == Security::secure;
  for (size_t i = 0; i < lookups.size(); ++i) {
    hosts.hosts[i].is_secure = mx_is_secure && lookups[i].secure;
  }
  bool alias = false;
  std::optional<Failure> transient;
  for (const HostLookup& lookup : lookups) {
    alias = alias || lookup.alias;
    if (lookup.failure && is_transient(*lookup.failure)) transient = lookup.failure;
    if (!lookup.addresses.empty()) ttl_seconds = std::min(ttl_seconds, lookup.ttl_seconds);
    if (!lookup.secure) hosts.security = Security::insecure;
  }
  std::erase_if(hosts.hosts, [](const MailHost& host) { return host.addresses.empty(); });
  if (hosts.hosts.empty()) {
    co_return failed(transient.value_or(alias ? Failure::alias_mx : Failure::no_addresses), domain);
  }
  hosts.expires = expiry(ttl_seconds);
  co_return hosts;
}

task<void> ResolverOverSource::fill_host(MailHost& host, HostLookup& out, Wait wait) {
  // An MX that names an address, a common mistake, resolves to nothing: not a host name anywhere.
  out = co_await look_up_host(host.name, wait);
  if (!out.alias) host.addresses = out.addresses;
}

task<HostLookup> ResolverOverSource::look_up_host(std::string host, Wait wait) {
  HostLookup out;
  co_await query_family(host, RecordType::aaaa, out, wait);
  co_await query_family(host, RecordType::a, out, wait);
  if (out.addresses.size() > kAddressesPerHostMax) out.addresses.resize(kAddressesPerHostMax);
  co_return out;
}

task<void> ResolverOverSource::query_family(const std::string& host, RecordType type,
                                            HostLookup& out, Wait wait) {
  auto answer = co_await source_->query(host, type, wait);
  if (!answer) {
    // A transient failure of one family matters only when the other gave nothing either.
    if (!out.failure || is_transient(answer.error())) out.failure = answer.error();
    co_return;
  }
  if (answer->security != Security::secure) out.secure = false;
  for (const Record& record : answer->records) {
    if (record.type == RecordType::cname) out.alias = true;
    if (record.type == type && record.address) out.addresses.push_back(*record.address);
  }
  if (!answer->records.empty()) out.ttl_seconds = std::min(out.ttl_seconds, answer->ttl_seconds);
}

task<std::expected<std::vector<IpAddress>, ResolveFailure>> ResolverOverSource::addresses(
    std::string host, Wait wait) {
  if (const auto literal = parse_literal(host)) co_return std::vector<IpAddress>{*literal};
  if (const auto plain = IpAddress::parse(host)) co_return std::vector<IpAddress>{*plain};
  if (!is_host_name(host)) co_return failed(Failure::no_such_domain, host);
  HostLookup found = co_await look_up_host(host, wait);
  if (found.addresses.empty()) {
    co_return failed(found.failure.value_or(Failure::no_addresses), host);
  }
  co_return std::move(found.addresses);
}

task<MailHostsResult> ResolverOverSource::named_host(std::string host, Wait wait) {
  if (!is_host_name(host)) co_return failed(Failure::no_such_domain, host);
  auto hosts = co_await from_own_addresses(host, Security::secure, wait);
  co_return hosts;
}

task<std::expected<std::vector<TlsaRecord>, ResolveFailure>> ResolverOverSource::tlsa(
    std::string host, uint16_t port, Wait wait) {
  const std::string name = "_" + std::to_string(port) + "._tcp." + host;
  auto answer = co_await source_->query(name, RecordType::tlsa, wait);
  std::vector<TlsaRecord> records;
  if (!answer && answer.error() == Failure::no_such_domain) co_return records;
  if (!answer) co_return failed(answer.error(), name);
  if (answer->security != Security::secure) co_return records;
  for (Record& record : answer->records) {
    if (record.tlsa && records.size() < kTlsaRecordsMax) records.push_back(std::move(*record.tlsa));
  }
  co_return records;
}

// "1.2.0.192.in-addr.arpa" (RFC 1035 3.5), nibbles under ip6.arpa (RFC 3596 2.5).
std::string reverse_name(const IpAddress& address) {
  std::string out;
  if (address.family() == IpFamily::v4) {
    for (int i = 3; i >= 0; --i) {
      out += std::to_string(address.bytes()[static_cast<size_t>(i)]) + ".";
    }
    return out + "in-addr.arpa";
  }
  for (int i = 15; i >= 0; --i) {
    const uint8_t byte = address.bytes()[static_cast<size_t>(i)];
    for (const int nibble : {byte & 15, byte >> 4}) {
      out += "0123456789abcdef"[nibble];
      out += '.';
    }
  }
  return out + "ip6.arpa";
}

task<std::expected<std::string, ResolveFailure>> ResolverOverSource::reverse(IpAddress address,
                                                                             Wait wait) {
  const std::string name = reverse_name(address);
  auto answer = co_await source_->query(name, RecordType::ptr, wait);
  if (!answer) co_return failed(answer.error(), name);
  for (const Record& record : answer->records) {
    if (record.type == RecordType::ptr) co_return record.target;
  }
  co_return std::string();
}

}  // namespace

std::unique_ptr<Resolver> make_resolver(reactor::Reactor& reactor,
                                        std::unique_ptr<RecordSource> source) {
  return std::make_unique<ResolverOverSource>(reactor, std::move(source));
}

std::unique_ptr<Resolver> make_fixed_resolver(reactor::Reactor& reactor,
                                              std::vector<FixedAnswer> answers) {
  return make_resolver(reactor, make_fixed_source(std::move(answers), nullptr));
}

result<std::unique_ptr<Resolver>> make_unbound_resolver(reactor::Reactor& reactor,
                                                        const ResolverOptions& options,
                                                        std::vector<FixedAnswer> answers) {
  auto source = make_unbound_source(reactor, options);
  if (!source) return std::unexpected(source.error());
  return make_resolver(reactor, make_fixed_source(std::move(answers), std::move(*source)));
}

}  // namespace mailroot::dns
