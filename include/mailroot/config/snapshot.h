// ConfigSnapshot: the whole configuration as an immutable value. Built, checked and diffed by the
// control thread, held by shards through shared pointers; a session keeps what it began with, and
// policy is read anew at each MAIL (decisions 30).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mailroot/base/address.h"
#include "mailroot/base/bytes.h"
#include "mailroot/base/log.h"
#include "mailroot/base/time.h"
#include "mailroot/config/login.h"
#include "mailroot/sasl/server.h"
#include "mailroot/sasl/users.h"

namespace mailroot::config {

// Where a value stands, for messages: "/etc/mailroot/virtual-servers.d/a.yaml:3:5".
struct Place {
  std::string file;
  int line = 0;
  int column = 0;
  std::string to_string() const;
};

enum class IoChoice : uint8_t { automatic, io_uring, epoll };
enum class LogTarget : uint8_t { standard_error, journal, file };
enum class LogFormat : uint8_t { text, json };

struct FixedHost {
  std::string name;
  std::vector<std::string> values;
};

struct Service {
  uint32_t shards = 0;  // 0 = one per CPU the process may use
  IoChoice io = IoChoice::automatic;
  std::string control_socket = "/run/mailroot/control.sock";  // absolute
  std::string include = "virtual-servers.d/*.yaml";           // after load: an absolute pattern
  log::Level log_level = log::Level::info;
  LogTarget log_target = LogTarget::journal;
  std::string log_file;
  LogFormat log_format = LogFormat::text;
  std::string metrics_listen = "127.0.0.1:9525";  // "off"
  std::string http_proxy;                         // empty = none
  std::vector<SocketAddress> dns_servers;         // empty = system
  std::vector<FixedHost> dns_hosts;
  std::string dns_trust_anchor;      // file; empty: DNSSEC is not validated
  uint64_t memory_budget_bytes = 0;  // message bodies in memory, all shards; 0 = auto
};

// What a listener does about TLS. automatic: STARTTLS is offered when there is a certificate.
enum class ListenerTls : uint8_t { automatic, off, start_tls, required, implicit };
// legacy: TLS 1.0 and old ciphers, for devices that know nothing else, on that listener alone.
enum class TlsProfile : uint8_t { standard, legacy };
// AUTH on a listener. clear: also outside TLS, if access.authentication.require_tls is off.
enum class ListenerAuth : uint8_t { off, tls, clear };

// all-unassigned is the wildcard of both families.
struct Binding {
  std::optional<IpAddress> address;  // nothing = all unassigned
  uint16_t port = 25;
  ListenerTls tls = ListenerTls::automatic;
  TlsProfile tls_profile = TlsProfile::standard;
  ListenerAuth authentication = ListenerAuth::tls;
  Place place;
  // The same place to listen at; how it is spoken to there does not count.
  friend bool operator==(const Binding& a, const Binding& b) {
    return a.address == b.address && a.port == b.port;
  }
  std::string to_string() const;  // "all-unassigned:25", "[::1]:25"
};

enum class DomainType : uint8_t { alias, remote };
// Mail that waits until its host asks for it: by ETRN (RFC 1985).
enum class QueueFor : uint8_t { nothing, etrn };

// A smart host as written: "[192.0.2.7]:587" (no MX), "relay.example" (MX, then A/AAAA), ":port".
struct SmartHost {
  std::string host;              // without brackets
  bool is_literal = false;       // brackets: no MX lookup
  std::optional<uint16_t> port;  // else delivery.outbound.port
  std::string preset;            // as written: "microsoft365"; the rest is what it stands for
  std::string to_string() const;
  friend bool operator==(const SmartHost&, const SmartHost&) = default;
};

// TLS towards next hops. inherit: what delivery.security says, for an entry of domains.
enum class OutboundTls : uint8_t { inherit, off, opportunistic, required, dane, verified };

// automatic: TLS from the first byte on port 465 (RFC 8314 3.3), STARTTLS on every other.
enum class OutboundHandshake : uint8_t { automatic, start_tls, implicit };

struct Security {
  OutboundTls tls = OutboundTls::inherit;
  OutboundHandshake handshake = OutboundHandshake::automatic;
  std::string ca;                  // PEM file; empty: the system's
  std::string certificate, key;    // ours, for next hops that ask; PEM files, both or none
  std::vector<std::string> names;  // of certificates, that count beside the next hop's own
  friend bool operator==(const Security&, const Security&) = default;
};

inline Security opportunistic_security() {
  Security security;
  security.tls = OutboundTls::opportunistic;
  return security;
}

struct Domain {
  std::string name;  // lower case; "*.partner.example" for all subdomains
  DomainType type = DomainType::remote;
  bool relay = false;  // anyone may send to it
  std::vector<SmartHost> smart_host;
  bool helo = false;  // HELO instead of EHLO
  QueueFor queue_for = QueueFor::nothing;
  Security security;
  Login login;  // at its hosts
  Place place;
};

enum class TlsVersion : uint8_t { v1_2, v1_3 };
// Certificates of clients: whether they are asked for one.
enum class ClientCertificate : uint8_t { off, ask, required };

struct CertificatePair {
  std::string certificate, key;  // PEM files; the first with its chain
  Place place;
};

// TLS of the listeners.
struct TlsAccess {
  std::string certificate, key;             // empty: no TLS
  std::vector<CertificatePair> additional;  // other key types, other names (SNI)
  TlsVersion minimum = TlsVersion::v1_2;
  ClientCertificate client_certificate = ClientCertificate::off;
  std::string client_ca;                         // PEM file
  std::vector<std::string> client_fingerprints;  // SHA-256, 64 lower case hexadecimal digits
  std::vector<std::string> client_names;         // subject names that count; empty: every one
};

sasl::Mechanisms usual_mechanisms();

struct Authentication {
  bool anonymous = true;  // mail is taken from clients that have not logged in
  sasl::Mechanisms mechanisms = usual_mechanisms();
  std::string users_file;  // absolute; empty: nobody can log in
  // Socket of Dovecot's auth service: knows the passwords of those who are not in the users file.
  std::string dovecot;
  bool require_tls = true;
  // Of the file, read with the configuration. Null: there is none, or `users_trouble` says why it
  // cannot be read, and then the virtual server stays stopped.
  std::shared_ptr<const sasl::Users> users;
  std::string users_trouble;
};

struct Access {
  std::vector<Network> connect_allow, connect_deny;  // empty allow = everybody; deny beats allow
  std::vector<Network> relay_allow;
  std::vector<Network> relay_deny;
  std::vector<Network> proxy_protocol;  // of balancers: their connections begin with a header
  TlsAccess tls;
  bool relay_authenticated = true;
  Authentication authentication;
};

struct Delivery {
  uint32_t quick_retries_count = 3;
  Duration quick_retries_interval = std::chrono::minutes(1);
  std::vector<Duration> retry_intervals = {std::chrono::minutes(15), std::chrono::minutes(30),
                                           std::chrono::minutes(60), std::chrono::minutes(240)};
  Duration delay_notification = std::chrono::hours(12);
  Duration expiration = std::chrono::hours(48);
  Duration local_delay_notification = std::chrono::hours(12);
  Duration local_expiration = std::chrono::hours(48);
  uint32_t outbound_connections = 1000;
  uint32_t outbound_per_domain = 100;
  Duration connect_timeout = std::chrono::seconds(30);
  Duration outbound_timeout = std::chrono::minutes(10);
  uint16_t outbound_port = 25;
  std::vector<IpAddress> outbound_bind;
  uint32_t hop_limit = 30;
  std::string masquerade_domain;
  std::vector<SmartHost> smart_host;
  bool attempt_direct_delivery_first = false;
  bool reverse_dns_lookup = false;
  Security security = opportunistic_security();
  Login login;  // at the smart hosts
};

enum class LogRotation : uint8_t { hourly, daily, weekly, monthly, size, never };

// The fields of the IIS SMTP service's protocol log, in its order.
inline const std::vector<std::string> kProtocolLogFields = {"date",
                                                            "time",
                                                            "c-ip",
                                                            "cs-username",
                                                            "s-sitename",
                                                            "s-computername",
                                                            "s-ip",
                                                            "s-port",
                                                            "cs-method",
                                                            "cs-uri-stem",
                                                            "cs-uri-query",
                                                            "sc-status",
                                                            "sc-win32-status",
                                                            "sc-bytes",
                                                            "cs-bytes",
                                                            "time-taken",
                                                            "cs-version",
                                                            "cs-host",
                                                            "cs(User-Agent)",
                                                            "cs(Cookie)",
                                                            "cs(Referer)"};

struct ProtocolLogSettings {
  bool enabled = false;
  std::string format = "w3c";
  LogRotation rotation = LogRotation::daily;
  uint64_t size_limit_bytes = 20 * kMiB;  // of one file, with rotation by size
  std::string directory;                  // absolute after load
  std::vector<std::string> fields = kProtocolLogFields;
  Duration keep = std::chrono::hours(24 * 90);
};

enum class DropLayout : uint8_t { maildir, flat };

struct VirtualServer {
  std::string id;    // the file's stem
  std::string name;  // free text
  std::vector<Binding> bindings;
  bool autostart = true;
  std::string default_domain;         // resolved; never "auto"
  std::string fqdn;                   // resolved
  std::string home_directory;         // absolute
  uint32_t connections_limit = 1000;  // 0 = unlimited
  uint32_t per_client_limit = 100;    // 0 = unlimited
  Duration connection_timeout = std::chrono::minutes(10);
  Access access;
  uint64_t size_limit_bytes = 50 * kMiB;  // 0 = unlimited
  uint64_t session_size_limit_bytes = 0;  // 0 = unlimited
  uint32_t per_connection_limit = 20;     // outbound messages per connection; 0 = unlimited
  uint32_t recipients_limit = 1000;
  bool normalise_bare_line_feed = false;
  std::string ndr_copy_to;
  std::string badmail_directory = "Badmail";
  Duration badmail_keep = std::chrono::hours(24 * 90);
  uint64_t badmail_size_limit_bytes = kGiB;
  Delivery delivery;
  bool pickup_enabled = true;
  std::string pickup_dot_stuffing = "auto";
  bool drop_enabled = true;
  DropLayout drop_layout = DropLayout::maildir;
  uint64_t drop_quota_bytes = 0;  // 0 = auto: 10 x size_limit
  std::string stamp_headers = "auto";
  ProtocolLogSettings protocol_log;
  std::string banner;
  std::vector<std::string> disabled_extensions;  // upper case
  Duration materialise_after = std::chrono::seconds(2);
  uint64_t free_min_bytes = 256 * kMiB;
  std::vector<Domain> domains;
  Place place;                 // the file
  std::string content_digest;  // of all values, resolved: unchanged servers are recognised by it
};

// drop.quota in bytes; 0 = unlimited.
inline uint64_t drop_quota(const VirtualServer& server) {
  constexpr uint64_t kMessages = 10;  // as in IIS
  return server.drop_quota_bytes != 0 ? server.drop_quota_bytes
                                      : server.size_limit_bytes * kMessages;
}

// The binding that a connection to `local` came in by; the wildcard's if none names the address.
const Binding* find_binding(const VirtualServer& server, const SocketAddress& local);
// What holds for a next hop: the domain's own words, else delivery.security's.
Security security_for(const VirtualServer& server, const Domain* domain);

struct ConfigSnapshot {
  Service service;
  std::string file;  // of the service
  // By id, in name order. At least one: with no file the built-in default is here and
  // `built_in_default` says so (decisions 13).
  std::vector<std::shared_ptr<const VirtualServer>> servers;
  bool built_in_default = false;
  std::vector<std::string> warnings;
};

}  // namespace mailroot::config
