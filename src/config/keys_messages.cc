// The keys of a virtual server file: messages, directories, extensions, domains.
#include <algorithm>

#include "keys_login.h"
#include "kinds.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::config {

namespace {

using VS = VirtualServer;
using std::chrono::hours;
using std::chrono::seconds;

constexpr uint64_t kTiB = 1024 * kGiB;

Value<VS> mailbox_or_nothing() {
  const auto parse = [](const Node& node) -> std::optional<std::string> {
    if (node.text.empty()) return std::string();
    const auto mailbox = smtp::parse_mailbox(node.text, smtp::AddressRules{});
    if (!mailbox) return std::nullopt;
    return smtp::to_string(*mailbox);
  };
  return scalar(at(&VS::ndr_copy_to), "mail address, or \"\"", parse,
                [](const std::string& value) { return quote(value); });
}

Value<VS> badmail_directory() {
  const auto parse = [](const Node& node) -> std::optional<std::string> {
    const std::string_view text = node.text;
    for (const std::string_view taken : {"", ".", "..", "Pickup", "Queue", "Drop", "Journal"}) {
      if (text == taken) return std::nullopt;
    }
    if (text.size() > kPathMax || text.contains('/')) return std::nullopt;
    return std::string(text);
  };
  return scalar(at(&VS::badmail_directory), "name of a directory inside the home directory", parse,
                [](const std::string& value) { return quote(value); });
}

const std::set<std::string, std::less<>>& known_extensions() {
  static const std::set<std::string, std::less<>> known = {
      "8BITMIME", "BINARYMIME", "CHUNKING",   "DSN",  "ENHANCEDSTATUSCODES",
      "HELP",     "LIMITS",     "PIPELINING", "SIZE", "SMTPUTF8"};
  return known;
}

Value<VS> extensions() {
  std::string names;
  for (const auto& name : known_extensions()) names += (names.empty() ? "" : " ") + name;
  const auto parse = [](std::string word) -> std::optional<std::string> {
    for (char& c : word) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    if (!known_extensions().contains(word)) return std::nullopt;
    return word;
  };
  return list_of(at(&VS::disabled_extensions), "these words: " + names, 0,
                 known_extensions().size(), parse, [](const std::string& word) { return word; });
}

// "auto" stays empty until the id is known.
// RFC 2645 4: who asks by ATRN must have authenticated.
std::string explain_queue_for(const Node& node) {
  return node.text == "atrn" ? "ATRN needs authentication, which is not in this version" : "";
}

Value<VS> protocol_log_directory() {
  const auto read = [](const Node& node, Context& context) -> std::optional<std::string> {
    if (node.kind == Node::Kind::scalar && node.text == "auto") return std::string();
    return read_path(node, context);
  };
  return single(at(&VS::protocol_log, &ProtocolLogSettings::directory),
                "auto, or a path; a relative one starts at the directory of this file", read,
                [](const std::string& value) { return value.empty() ? "auto" : quote(value); });
}

Value<VS> protocol_log_fields() {
  std::string names;
  for (const auto& name : kProtocolLogFields) names += (names.empty() ? "" : " ") + name;
  const auto parse = [](std::string word) -> std::optional<std::string> {
    if (std::ranges::find(kProtocolLogFields, word) == kProtocolLogFields.end()) {
      return std::nullopt;
    }
    return word;
  };
  const auto field = at(&VS::protocol_log, &ProtocolLogSettings::fields);
  const auto words = list_of(field, "these words: " + names, 1, kProtocolLogFields.size(), parse,
                             [](const std::string& word) { return word; });
  const auto read = [words, field](const Node& node, Context& context, VS& server) {
    if (node.kind == Node::Kind::scalar && node.text == "all") {
      field.of(server) = kProtocolLogFields;
    } else {
      words.read(node, context, server);
    }
  };
  const auto print = [words, field](const VS& server) {
    return field.of(server) == kProtocolLogFields ? "all" : words.print(server);
  };
  return {"all, or " + words.type, read, print};
}

// Printable ASCII: it becomes part of the greeting line.
Value<VS> banner() {
  const auto parse = [](const Node& node) -> std::optional<std::string> {
    if (node.text.size() > kTextMax || !smtp::is_printable_ascii(node.text)) return std::nullopt;
    return node.text;
  };
  return scalar(at(&VS::banner), fmt::format("printable ASCII, at most {} bytes", kTextMax), parse,
                [](const std::string& value) { return quote(value); });
}

std::string explain_domain_name(const Node& node) {
  if (!node.text.contains('*')) return {};
  return "a star stands only in front, for all names below one domain: \"*.example.com\"";
}

std::string explain_domain_type(const Node& node) {
  if (node.text != "default" && node.text != "local") return {};
  return "the default domain is the key default_domain; further local domains are aliases of it";
}

Value<Domain> domain_name() {
  const auto parse = [](const Node& node) -> std::optional<std::string> {
    const bool wildcard = node.text.starts_with("*.");
    auto name = parse_host_name(wildcard ? std::string_view(node.text).substr(2) : node.text);
    if (!name) return std::nullopt;
    return wildcard ? "*." + *name : *name;
  };
  return scalar(
      at(&Domain::name), "domain name, or \"*.\" and one", parse,
      [](const std::string& value) { return quote(value); }, explain_domain_name);
}

}  // namespace

const KeyTable<Domain>& domain_keys() {
  static const KeyTable<Domain> table([] {
    std::vector<Key<Domain>> keys = {
        {"name", domain_name(), Reload::live,
         "\"*.example.com\" is every name below example.com, not itself; the longest match wins.",
         "none: must be set", true},
        {"type",
         choice(at(&Domain::type), {{"alias", DomainType::alias}, {"remote", DomainType::remote}},
                explain_domain_type),
         Reload::live,
         "alias: local, addresses become those of the default domain. remote: rules "
         "for mail that goes there.",
         "none: must be set", true},
        {"relay", boolean(at(&Domain::relay)), Reload::live, "Everybody may send to it."},
        {"smart_host",
         list_of(at(&Domain::smart_host), "host[:port] or \"[address]:port\"", 0, kSmartHostsMax,
                 parse_smart_host, [](const SmartHost& host) { return host.to_string(); }),
         Reload::live,
         "Where its mail goes, in order of preference. Empty: by DNS, also when "
         "delivery.smart_host "
         "is set."},
        {"helo", boolean(at(&Domain::helo)), Reload::live, "Say HELO instead of EHLO."},
        {"security.tls",
         choice(at(&Domain::security, &Security::tls),
                {{"inherit", OutboundTls::inherit},
                 {"off", OutboundTls::off},
                 {"opportunistic", OutboundTls::opportunistic},
                 {"required", OutboundTls::required},
                 {"dane", OutboundTls::dane},
                 {"verified", OutboundTls::verified}}),
         Reload::live, "TLS towards it, as delivery.security.tls; inherit: what that says."},
        {"security.ca", file(at(&Domain::security, &Security::ca)), Reload::live,
         "PEM file: who may sign its certificate, for verified. \"\": as delivery.security.ca."},
    };
    for (auto& key : domain_login_keys()) keys.push_back(std::move(key));
    keys.push_back(
        {"queue_for",
         choice(at(&Domain::queue_for), {{"none", QueueFor::nothing}, {"etrn", QueueFor::etrn}},
                explain_queue_for),
         Reload::live,
         "etrn: keep its mail until a client says ETRN and its name, at most until it expires."});
    return keys;
  }());
  return table;
}

std::vector<Key<VS>> message_keys() {
  return {
      {"messages.size_limit", size(at(&VS::size_limit_bytes), kKiB, kTiB, {"unlimited"}),
       Reload::new_sessions, "Largest message; told to clients by SIZE."},
      {"messages.session_size_limit",
       size(at(&VS::session_size_limit_bytes), kKiB, kTiB, {"unlimited"}), Reload::new_sessions,
       "Largest sum of messages in one connection; not below size_limit."},
      {"messages.per_connection_limit",
       integer(at(&VS::per_connection_limit), 1, 1'000'000, {"unlimited"}), Reload::live,
       "Outbound: a further connection is opened after this many messages."},
      {"messages.recipients_limit", integer(at(&VS::recipients_limit), 1, 1'000'000),
       Reload::new_sessions,
       "Recipients of one message; one more is answered 452. Outbound: more go in further "
       "transactions."},
      {"messages.bare_line_feed",
       choice(at(&VS::normalise_bare_line_feed), {{"reject", false}, {"normalise", true}}),
       Reload::new_sessions,
       "A line feed without carriage return in a message: refuse it, or make it a line end. It "
       "never ends the message."},
      {"messages.ndr_copy_to", mailbox_or_nothing(), Reload::live,
       "Who gets a copy of every non-delivery report."},
      {"messages.badmail.directory", badmail_directory(), Reload::restart,
       "Mail that can neither be delivered nor returned, and files from Pickup that cannot be "
       "sent. A "
       "change is seen when the virtual server is started again; what is there stays there."},
      {"messages.badmail.keep", duration(at(&VS::badmail_keep), seconds(1), hours(24 * 3650)),
       Reload::live, "Older messages in it are removed, with their reasons."},
      {"messages.badmail.size_limit", size(at(&VS::badmail_size_limit_bytes), kMiB, 1024 * kTiB),
       Reload::live, "The oldest messages in it are removed beyond this sum, never the newest."},
  };
}

std::vector<Key<VS>> directory_keys() {
  return {
      {"pickup.enabled", boolean(at(&VS::pickup_enabled)), Reload::live,
       "Send files that programs put into Pickup."},
      {"pickup.dot_stuffing",
       choice(at(&VS::pickup_dot_stuffing),
              {{"auto", "auto"}, {"stuffed", "stuffed"}, {"raw", "raw"}}),
       Reload::live, "Whether lines in Pickup files that begin with a dot have one more."},
      {"drop.enabled", boolean(at(&VS::drop_enabled)), Reload::live,
       "Put mail for local domains into Drop; false: return it."},
      {"drop.layout",
       choice(at(&VS::drop_layout), {{"maildir", DropLayout::maildir}, {"flat", DropLayout::flat}}),
       Reload::live, "maildir: Drop/new; flat: Drop/*.eml for programs that read those."},
      {"drop.quota", size(at(&VS::drop_quota_bytes), kKiB, 1024 * kTiB, {"auto"}), Reload::live,
       "Largest sum of files in Drop; auto is ten times the size limit."},
      {"stamp_headers",
       choice(at(&VS::stamp_headers), {{"auto", "auto"}, {"always", "always"}, {"never", "never"}}),
       Reload::new_sessions,
       "Add a missing Date and Message-ID, and the default domain to addresses in From, To, Cc, "
       "Reply-To and Sender that have none; auto: only for Pickup and for clients that may relay."},
      {"protocol_log.enabled", boolean(at(&VS::protocol_log, &ProtocolLogSettings::enabled)),
       Reload::new_sessions, "Log every command of every session, as the IIS SMTP service did."},
      {"protocol_log.format",
       choice(at(&VS::protocol_log, &ProtocolLogSettings::format), {{"w3c", "w3c"}}), Reload::live,
       "W3C Extended Log File Format."},
      {"protocol_log.rotate",
       choice(at(&VS::protocol_log, &ProtocolLogSettings::rotation),
              {{"hourly", LogRotation::hourly},
               {"daily", LogRotation::daily},
               {"weekly", LogRotation::weekly},
               {"monthly", LogRotation::monthly},
               {"size", LogRotation::size},
               {"never", LogRotation::never}}),
       Reload::live, "When a new file begins; times are UTC."},
      {"protocol_log.size_limit",
       size(at(&VS::protocol_log, &ProtocolLogSettings::size_limit_bytes), 64 * kKiB, kTiB),
       Reload::live, "Of one file, with rotate: size."},
      {"protocol_log.directory", protocol_log_directory(), Reload::live,
       "Where the files go; made if missing. auto: /var/log/mailroot/ and the id."},
      {"protocol_log.fields", protocol_log_fields(), Reload::live, "What a line holds, in order."},
      {"protocol_log.keep",
       duration(at(&VS::protocol_log, &ProtocolLogSettings::keep), hours(1), hours(24 * 3650)),
       Reload::live, "Older files are removed when a new one begins."},
      {"banner", banner(), Reload::new_sessions, "Text after \"220 <fqdn> \"."},
      {"extensions.disable", extensions(), Reload::new_sessions, "EHLO keywords not offered."},
      {"spool.materialise_after", duration(at(&VS::materialise_after), seconds(0), hours(1)),
       Reload::live,
       "How long mail may live in the journal alone before it has its file in Queue; 0: every "
       "message has its file before it is accepted."},
      {"spool.free_min", size(at(&VS::free_min_bytes), 0, kTiB), Reload::live,
       "With less free space on the home's file system new mail is answered 452."},
  };
}

std::vector<Key<VS>> domain_list_keys() {
  return {
      {"domains", records(at(&VS::domains), domain_keys(), "domains", 0, kDomainsMax), Reload::live,
       "Aliases of the default domain, and rules for remote domains: { name: sales.example.com, "
       "type: alias }, { name: \"*.partner.example\", type: remote, relay: true, smart_host: "
       "[\"[192.0.2.9]\"], helo: false }."},
      {"routes", not_yet<VS>({"[]"}), Reload::live, "Smart hosts by sender, recipient or client."},
      {"dkim", not_yet<VS>({"[]"}), Reload::live, "Signing keys by domain."},
  };
}

}  // namespace mailroot::config
