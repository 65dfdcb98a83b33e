// The keys of a virtual server file: identity, bindings, connections, access.
#include <fmt/format.h>

#include <algorithm>

#include "kinds.h"

namespace mailroot::config {

namespace {

using VS = VirtualServer;

// Empty stands for auto until the machine's name is filled in.
template <class F>
Value<VS> auto_name(F field, Explain explain = explain_nothing) {
  const auto parse = [](const Node& node) -> std::optional<std::string> {
    if (node.text == "auto") return std::string();
    return parse_host_name(node.text);
  };
  const auto print = [](const std::string& value) {
    return value.empty() ? std::string("auto") : quote(value);
  };
  return scalar(field, "auto, or a domain name", parse, print, explain);
}

// 10.0.0.1/8 is 16 million addresses; who wrote it may have meant one, or 10.0.0.0/8.
void warn_of_host_bits(const Node& node, Context& context) {
  for (size_t i = 0; i < node.items.size(); ++i) {
    const std::string& text = node.items[i].text;
    const auto network = Network::parse(text);
    const auto address = IpAddress::parse(text.substr(0, text.find('/')));
    if (!network || !address) continue;
    const std::string written =
        fmt::format("{}/{}", address->to_string(), network->prefix_length());
    if (written == network->to_string()) continue;
    const Context::Step step(context, i);
    context.warn(node.items[i],
                 fmt::format("{} means all addresses of {}; for the one address write {}", text,
                             network->to_string(), address->to_string()));
  }
}

template <class F>
Value<VS> networks(F field) {
  auto value = list_of(
      field, "networks or addresses", 0, kNetworksMax,
      [](const std::string& text) { return Network::parse(text); },
      [](const Network& network) { return network.to_string(); });
  value.read = [read = value.read](const Node& node, Context& context, VS& server) {
    read(node, context, server);
    warn_of_host_bits(node, context);
  };
  return value;
}

// One place, one name: whoever writes another is told which.
std::string explain_address(const Node& node) {
  if (node.kind != Node::Kind::scalar) return {};
  std::string text;
  for (const char c : node.text) {
    const bool letter = c >= 'A' && c <= 'Z';
    if (c != ' ' && c != '(' && c != ')') text += letter ? static_cast<char>(c - 'A' + 'a') : c;
  }
  const auto address = parse_address(text);
  const bool is_any = address && address->is_any();
  for (const std::string_view name : {"*", "any", "all", "allunassigned", "all_unassigned"}) {
    if (text == name || is_any) {
      return "every address has one name here, all-unassigned; it stands for IPv4 and IPv6";
    }
  }
  if (SocketAddress::parse(text)) return "the port has a key of its own, port";
  return {};
}

template <class T>
auto in_tls(T TlsAccess::* field) {
  return DeepMember<VS, Access, TlsAccess, T>{&VS::access, &Access::tls, field};
}

// "AB:CD:..." as openssl prints it, or without colons.
std::optional<std::string> parse_fingerprint(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ':') continue;
    const bool digit = c >= '0' && c <= '9';
    const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    if (!digit && (lower < 'a' || lower > 'f')) return std::nullopt;
    out += lower;
  }
  if (out.size() != 64) return std::nullopt;
  return out;
}

std::optional<std::string> parse_subject(const std::string& text) {
  if (text.empty() || text.size() > kTextMax) return std::nullopt;
  return text;
}

template <class T>
auto in_auth(T Authentication::* field) {
  return DeepMember<VS, Access, Authentication, T>{&VS::access, &Access::authentication, field};
}

constexpr sasl::Mechanism kOfferable[] = {
    sasl::Mechanism::plain, sasl::Mechanism::login, sasl::Mechanism::scram_sha_256,
    sasl::Mechanism::scram_sha_256_plus, sasl::Mechanism::external};

std::string print_mechanisms(const sasl::Mechanisms& mechanisms) {
  std::string out;
  for (const sasl::Mechanism mechanism : kOfferable) {
    if (!mechanisms.has(mechanism)) continue;
    out += (out.empty() ? "" : ", ") + std::string(to_string(mechanism));
  }
  return "[" + out + "]";
}

Value<VS> mechanisms() {
  std::string names;
  for (const sasl::Mechanism mechanism : kOfferable) {
    names += (names.empty() ? "" : " ") + std::string(to_string(mechanism));
  }
  const std::string entry = "these words: " + names;
  const std::string type = list_type(entry, 0, std::size(kOfferable));
  const auto read = [entry, type](const Node& node,
                                  Context& context) -> std::optional<sasl::Mechanisms> {
    if (node.kind != Node::Kind::list) {
      context.complain_wrong_type(node, type);
      return std::nullopt;
    }
    sasl::Mechanisms out;
    for (size_t i = 0; i < node.size(); ++i) {
      const Context::Step step(context, i);
      const Node& word = node.items[i];
      const auto found =
          word.kind == Node::Kind::scalar ? sasl::find_mechanism(word.text) : std::nullopt;
      if (found && std::ranges::find(kOfferable, *found) != std::end(kOfferable)) {
        out.add(*found);
      } else {
        context.complain_wrong_type(word, entry);
      }
    }
    return out;
  };
  auto value = single(in_auth(&Authentication::mechanisms), type, read, print_mechanisms);
  value.shape = Shape::list;
  return value;
}

std::string explain_default_domain(const Node& node) {
  if (node.kind == Node::Kind::list) {
    return "there is exactly one; further local domains are entries of domains, type: alias";
  }
  return node.text.contains('*') ? "a star is for names in domains, type: remote" : "";
}

Value<Binding> binding_address() {
  using T = std::optional<IpAddress>;
  const auto parse = [](const Node& node) -> std::optional<T> {
    if (node.text == "all-unassigned") return T();
    const auto address = parse_address(node.text);
    // The wildcards have one name only: two would hide a clash.
    if (!address || address->is_any()) return std::nullopt;
    return T(address);
  };
  const auto print = [](const T& address) {
    if (!address) return std::string("all-unassigned");
    return address->family() == IpFamily::v6 ? "\"[" + address->to_string() + "]\""
                                             : address->to_string();
  };
  return scalar(at(&Binding::address), "all-unassigned | IPv4 address | \"[IPv6 address]\"", parse,
                print, explain_address);
}

}  // namespace

const KeyTable<CertificatePair>& certificate_keys() {
  static const KeyTable<CertificatePair> table({
      {"certificate",
       path(at(&CertificatePair::certificate)),
       Reload::live,
       "PEM file: certificate and chain.",
       {},
       true},
      {"key",
       path(at(&CertificatePair::key)),
       Reload::live,
       "PEM file: its private key.",
       {},
       true},
  });
  return table;
}

const KeyTable<Binding>& binding_keys() {
  static const KeyTable<Binding> table({
      {"address",
       binding_address(),
       Reload::live,
       "A local address; all-unassigned is every address that no other virtual server names for "
       "this port.",
       {},
       true},
      {"port", integer(at(&Binding::port), 1, 65535), Reload::live, "TCP port.", {}, true},
      {"tls",
       choice(at(&Binding::tls), {{"auto", ListenerTls::automatic},
                                  {"off", ListenerTls::off},
                                  {"starttls", ListenerTls::start_tls},
                                  {"required", ListenerTls::required},
                                  {"implicit", ListenerTls::implicit}}),
       Reload::new_sessions,
       "TLS on this listener. auto: STARTTLS is offered if there is a certificate; required: no "
       "mail before STARTTLS; implicit: TLS from the first byte (port 465)."},
      {"tls_profile",
       choice(at(&Binding::tls_profile),
              {{"standard", TlsProfile::standard}, {"legacy", TlsProfile::legacy}}),
       Reload::new_sessions,
       "legacy: TLS 1.0 and old ciphers, for devices that know nothing else, on this listener "
       "alone."},
      {"authentication",
       choice(at(&Binding::authentication), {{"off", ListenerAuth::off},
                                             {"tls", ListenerAuth::tls},
                                             {"clear", ListenerAuth::clear}}),
       Reload::new_sessions,
       "AUTH on this listener, if access.authentication.users is set. clear: also outside TLS, if "
       "access.authentication.require_tls is false."},
  });
  return table;
}

std::vector<Key<VS>> general_keys() {
  return {
      {"name", text(at(&VS::name), kTextMax), Reload::live,
       "Free text for people; renaming moves nothing.", "the id"},
      {"bindings", records(at(&VS::bindings), binding_keys(), "bindings", 1, kBindingsMax),
       Reload::live,
       "Where it listens. Each address and port belongs to one virtual server; a specific address "
       "wins over all-unassigned.",
       "none: must be set", true},
      {"autostart", boolean(at(&VS::autostart)), Reload::restart, "Start with the service."},
      {"default_domain", auto_name(at(&VS::default_domain), explain_default_domain),
       Reload::new_sessions,
       "The local domain; completes addresses without a domain. auto is the machine's domain."},
      {"fqdn", auto_name(at(&VS::fqdn)), Reload::new_sessions,
       "Name in the banner, EHLO, Received and Message-ID. auto is the machine's name."},
      {"home_directory", path(at(&VS::home_directory)), Reload::live,
       "Holds Pickup, Queue, Drop, Badmail and Journal; must be on a local file system. A change "
       "stops the virtual server and starts it in the new place; mail stays in the old one.",
       "/var/spool/mailroot/<id>"},
      {"connections.limit", integer(at(&VS::connections_limit), 1, 1'000'000, {"unlimited"}),
       Reload::live, "Inbound connections at a time; one more is answered 421."},
      {"connections.per_client_limit",
       integer(at(&VS::per_client_limit), 1, 1'000'000, {"unlimited"}), Reload::live,
       "The same for one client address."},
      {"connections.timeout",
       duration(at(&VS::connection_timeout), std::chrono::seconds(1), std::chrono::hours(24)),
       Reload::new_sessions, "How long a client may be silent; then 421."},
  };
}

std::vector<Key<VS>> access_keys() {
  return {
      {"access.connect.allow", networks(at(&VS::access, &Access::connect_allow)), Reload::live,
       "Who may connect; an empty list is everybody. Open sessions learn of it at their next "
       "MAIL."},
      {"access.connect.deny", networks(at(&VS::access, &Access::connect_deny)), Reload::live,
       "Who may not; beats allow."},
      {"access.relay.allow", networks(at(&VS::access, &Access::relay_allow)), Reload::live,
       "Who may send to foreign domains. Closed unless listed."},
      {"access.relay.deny", networks(at(&VS::access, &Access::relay_deny)), Reload::live,
       "Exceptions; beats allow."},
      {"access.relay.authenticated", boolean(at(&VS::access, &Access::relay_authenticated)),
       Reload::live, "Who authenticates may send to foreign domains."},
      {"access.authentication.anonymous", boolean(in_auth(&Authentication::anonymous)),
       Reload::new_sessions,
       "Mail is taken from clients that have not logged in. false: 530 to their MAIL."},
      {"access.authentication.mechanisms", mechanisms(), Reload::new_sessions,
       "What is offered, as far as the connection allows: -PLUS needs TLS, EXTERNAL a client's "
       "certificate."},
      {"access.authentication.users", file(in_auth(&Authentication::users_file)), Reload::live,
       "File of users, kept by mailrootctl user; read again at each reload. \"\": nobody can log "
       "in."},
      {"access.authentication.dovecot", file(in_auth(&Authentication::dovecot)), Reload::live,
       "Socket of Dovecot's auth service (auth-client). It is asked about users who are not in the "
       "users file, by PLAIN and LOGIN only: SCRAM is not offered then."},
      {"access.authentication.require_tls", boolean(in_auth(&Authentication::require_tls)),
       Reload::new_sessions, "AUTH only inside TLS."},
      {"access.tls.certificate", file(in_tls(&TlsAccess::certificate)), Reload::live,
       "PEM file: certificate and chain, the own one first. Read again when the file changes."},
      {"access.tls.key", file(in_tls(&TlsAccess::key)), Reload::live,
       "PEM file: its private key, without a passphrase."},
      {"access.tls.additional",
       records(in_tls(&TlsAccess::additional), certificate_keys(), "certificates", 0,
               kCertificatesMax),
       Reload::live,
       "More of them: another key type for the same names, or other names; the client's SNI "
       "chooses."},
      {"access.tls.minimum",
       choice(in_tls(&TlsAccess::minimum),
              {{"TLSv1.2", TlsVersion::v1_2}, {"TLSv1.3", TlsVersion::v1_3}}),
       Reload::live, "The oldest version of the protocol that is spoken."},
      {"access.tls.client_certificate",
       choice(in_tls(&TlsAccess::client_certificate), {{"off", ClientCertificate::off},
                                                       {"ask", ClientCertificate::ask},
                                                       {"required", ClientCertificate::required}}),
       Reload::live,
       "Ask clients for a certificate. Who shows a good one counts as authenticated; required: "
       "others get no further."},
      {"access.tls.client_ca", file(in_tls(&TlsAccess::client_ca)), Reload::live,
       "PEM file: who may sign certificates of clients."},
      {"access.tls.client_fingerprints",
       list_of(in_tls(&TlsAccess::client_fingerprints), "SHA-256 fingerprints", 0,
               kClientCertificatesMax, parse_fingerprint,
               [](const std::string& value) { return value; }),
       Reload::live, "Certificates of clients that are good whoever signed them."},
      {"access.tls.client_names",
       list_of(in_tls(&TlsAccess::client_names), "names", 0, kClientCertificatesMax, parse_subject,
               [](const std::string& value) { return value; }),
       Reload::live,
       "Of the certificates that client_ca signed, only those with one of these names (DNS name, "
       "mail address or common name). Empty: all."},
      {"access.proxy_protocol", networks(at(&VS::access, &Access::proxy_protocol)),
       Reload::new_sessions,
       "Balancers: connections from these networks begin with a PROXY header, version 1 or 2, "
       "which "
       "says who the client is. From everybody else a header is refused."},
  };
}

}  // namespace mailroot::config
