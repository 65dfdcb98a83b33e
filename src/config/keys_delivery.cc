// The keys of a virtual server file: delivery.
#include "keys_login.h"
#include "kinds.h"

namespace mailroot::config {

namespace {

using VS = VirtualServer;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kLongest = hours(24 * 365);

template <class T>
auto in(T Delivery::* member) {
  return at(&VS::delivery, member);
}

Value<VS> retry_intervals() {
  const auto parse = [](const std::string& text) -> std::optional<Duration> {
    const auto value = parse_duration(text);
    if (!value || *value < seconds(1) || *value > kLongest) return std::nullopt;
    return value;
  };
  return list_of(in(&Delivery::retry_intervals),
                 fmt::format("durations, each 1s to {}", print_duration(kLongest)), 1,
                 kRetryIntervalsMax, parse, print_duration);
}

Value<VS> masquerade_domain() {
  const auto parse = [](const Node& node) -> std::optional<std::string> {
    if (node.text.empty()) return std::string();
    return parse_host_name(node.text);
  };
  return scalar(in(&Delivery::masquerade_domain), "domain name, or \"\"", parse,
                [](const std::string& value) { return quote(value); });
}

template <class T>
auto in_security(T Security::* field) {
  return DeepMember<VS, Delivery, Security, T>{&VS::delivery, &Delivery::security, field};
}

std::optional<std::string> parse_host_name_of(const std::string& text) {
  return parse_host_name(text);
}

std::vector<Key<VS>> outbound_keys() {
  return {
      {"delivery.outbound.connections", integer(in(&Delivery::outbound_connections), 1, 100'000),
       Reload::live, "Outbound connections at a time."},
      {"delivery.outbound.per_domain", integer(in(&Delivery::outbound_per_domain), 1, 100'000),
       Reload::live, "The same towards one destination."},
      {"delivery.outbound.connect_timeout",
       duration(in(&Delivery::connect_timeout), seconds(1), minutes(10)), Reload::live,
       "How long a connection may take to open."},
      {"delivery.outbound.timeout", duration(in(&Delivery::outbound_timeout), seconds(1), hours(1)),
       Reload::live, "How long a next hop may be silent."},
      {"delivery.outbound.port", integer(in(&Delivery::outbound_port), 1, 65535), Reload::live,
       "Port of next hops that name none."},
      {"delivery.outbound.bind",
       list_of(
           in(&Delivery::outbound_bind), "addresses", 0, 64,
           [](const std::string& text) { return parse_address(text); },
           [](const IpAddress& address) { return address.to_string(); }),
       Reload::live,
       "Local addresses to connect from, one of a family; empty: the kernel chooses."},
      {"delivery.security.tls",
       choice(in_security(&Security::tls), {{"off", OutboundTls::off},
                                            {"opportunistic", OutboundTls::opportunistic},
                                            {"required", OutboundTls::required},
                                            {"dane", OutboundTls::dane},
                                            {"verified", OutboundTls::verified}}),
       Reload::live,
       "TLS towards next hops. opportunistic: where offered, else in the clear. required: never in "
       "the clear, whatever the certificate. dane: where DNSSEC vouches for TLSA records, only "
       "with a "
       "certificate that they name, else as opportunistic. verified: only with a certificate that "
       "is good and "
       "has the next hop's name."},
      {"delivery.security.handshake",
       choice(in_security(&Security::handshake), {{"auto", OutboundHandshake::automatic},
                                                  {"starttls", OutboundHandshake::start_tls},
                                                  {"implicit", OutboundHandshake::implicit}}),
       Reload::live,
       "How TLS begins. auto: from the first byte on port 465, by STARTTLS on every other."},
      {"delivery.security.ca", file(in_security(&Security::ca)), Reload::live,
       "PEM file: who may sign certificates of next hops, for verified. \"\": the system's."},
      {"delivery.security.names",
       list_of(in_security(&Security::names), "host names", 0, kCertificateNamesMax,
               parse_host_name_of, [](const std::string& value) { return value; }),
       Reload::live,
       "For verified: names a certificate may have beside the next hop's own, for mail hosts that "
       "are called otherwise than the domain."},
      {"delivery.security.certificate", file(in_security(&Security::certificate)), Reload::live,
       "PEM file: our certificate and chain, for next hops that ask for one."},
      {"delivery.security.key", file(in_security(&Security::key)), Reload::live,
       "PEM file: its private key, without a passphrase."},
  };
}

}  // namespace

std::vector<Key<VS>> delivery_keys() {
  std::vector<Key<VS>> keys = {
      {"delivery.quick_retries.count", integer(in(&Delivery::quick_retries_count), 0, 100),
       Reload::live, "Early retries before the first retry interval."},
      {"delivery.quick_retries.interval",
       duration(in(&Delivery::quick_retries_interval), seconds(1), kLongest), Reload::live,
       "Time between them."},
      {"delivery.retry_intervals", retry_intervals(), Reload::live,
       "Waits between attempts; the last one repeats until expiration."},
      {"delivery.delay_notification",
       duration(in(&Delivery::delay_notification), seconds(1), kLongest), Reload::live,
       "The sender is told once when a message has waited this long."},
      {"delivery.expiration", duration(in(&Delivery::expiration), seconds(1), kLongest),
       Reload::live, "The message is returned when it has waited this long."},
      {"delivery.local.delay_notification",
       duration(in(&Delivery::local_delay_notification), seconds(1), kLongest), Reload::live,
       "The same for local domains."},
      {"delivery.local.expiration", duration(in(&Delivery::local_expiration), seconds(1), kLongest),
       Reload::live, "The same for local domains."},
  };
  for (auto& key : outbound_keys()) keys.push_back(std::move(key));
  for (auto& key : server_login_keys()) keys.push_back(std::move(key));
  const std::vector<Key<VS>> rest = {
      {"delivery.hop_limit", integer(in(&Delivery::hop_limit), 1, 1'000), Reload::live,
       "Messages with more Received fields are looping and are returned."},
      {"delivery.masquerade_domain", masquerade_domain(), Reload::live,
       "Takes the place of local domains in MAIL FROM towards the next hop; header fields stay."},
      {"delivery.smart_host",
       list_of(in(&Delivery::smart_host), "host[:port] or \"[address]:port\"", 0, kSmartHostsMax,
               parse_smart_host, [](const SmartHost& host) { return host.to_string(); }),
       Reload::live,
       "Where foreign mail goes, in order of preference; empty: by DNS. \"[192.0.2.7]:587\" is "
       "used as it is, a name by MX, then A and AAAA. microsoft365, google, amazon-ses:REGION, "
       "sendgrid and mailgun (also with :eu) know host, port and way of login."},
      {"delivery.attempt_direct_delivery_first",
       boolean(in(&Delivery::attempt_direct_delivery_first)), Reload::live,
       "Use the smart host only when the domain's own hosts cannot be found or reached."},
      {"delivery.reverse_dns_lookup", boolean(in(&Delivery::reverse_dns_lookup)),
       Reload::new_sessions,
       "Look up the client's name for the Received field, which says unverified if it is not the "
       "one the client gave; refuses nobody and takes 5 seconds at most."},
  };
  keys.insert(keys.end(), rest.begin(), rest.end());
  return keys;
}

const KeyTable<VS>& server_keys() {
  static const KeyTable<VS> table([] {
    std::vector<Key<VS>> all;
    for (const auto part : {general_keys, access_keys, message_keys, delivery_keys, directory_keys,
                            domain_list_keys}) {
      for (auto& key : part()) all.push_back(std::move(key));
    }
    return all;
  }());
  return table;
}

}  // namespace mailroot::config
