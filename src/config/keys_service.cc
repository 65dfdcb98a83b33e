// The keys of the service file.
#include "kinds.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::config {

namespace {

Value<Service> log_target() {
  const std::string type = "journal | stderr | path of a file";
  return {type,
          [type](const Node& node, Context& context, Service& service) {
            if (node.text == "journal") {
              service.log_target = LogTarget::journal;
            } else if (node.text == "stderr") {
              service.log_target = LogTarget::standard_error;
            } else if (node.kind == Node::Kind::scalar && node.text.contains('/')) {
              service.log_target = LogTarget::file;
              if (auto file = read_path(node, context)) service.log_file = std::move(*file);
            } else {
              context.complain_wrong_type(node, type);
            }
          },
          [](const Service& service) {
            if (service.log_target == LogTarget::file) return quote(service.log_file);
            return std::string(service.log_target == LogTarget::journal ? "journal" : "stderr");
          }};
}

Value<Service> http_proxy() {
  const auto parse = [](const Node& node) -> std::optional<std::string> {
    const std::string_view text = node.text;
    const bool is_url = text.starts_with("http://") && text.size() > 7 && text.size() <= kTextMax &&
                        text.find_first_of(" \"'\\@") == text.npos;
    return text.empty() || is_url ? std::optional(node.text) : std::nullopt;
  };
  return scalar(at(&Service::http_proxy), "http://HOST:PORT, or \"\"", parse,
                [](const std::string& value) { return quote(value); });
}

Value<Service> metrics_listen() {
  const auto parse = [](const Node& node) -> std::optional<std::string> {
    if (node.text == "off") return node.text;
    const auto address = SocketAddress::parse(node.text);
    if (!address || address->port == 0) return std::nullopt;
    return address->to_string();
  };
  return scalar(at(&Service::metrics_listen), "address:port, or off", parse,
                [](const std::string& value) { return quote(value); });
}

// "192.0.2.53" or "192.0.2.53:5353"; port 53 is not written.
std::optional<SocketAddress> parse_resolver(const std::string& text) {
  if (const auto ip = parse_address(text)) return SocketAddress{*ip, 53};
  const auto address = SocketAddress::parse(text);
  if (!address || address->port == 0) return std::nullopt;
  return address;
}

Value<Service> resolvers() {
  const auto list =
      list_of(at(&Service::dns_servers), "address[:port]", 1, kResolversMax, parse_resolver,
              [](const SocketAddress& address) { return address.to_string(); });
  return {"system, or a " + list.type,
          [list](const Node& node, Context& context, Service& service) {
            if (node.kind == Node::Kind::scalar && node.text == "system") {
              service.dns_servers.clear();
            } else if (node.kind == Node::Kind::scalar) {
              context.complain_wrong_type(node, "system, or a " + list.type);
            } else {
              list.read(node, context, service);
            }
          },
          [list](const Service& service) {
            return service.dns_servers.empty() ? "system" : list.print(service);
          }};
}

// An address, "null-mx", "nxdomain", "servfail", or "mx:10 mail.example".
bool is_fixed_answer(std::string_view text) {
  if (text == "null-mx" || text == "nxdomain" || text == "servfail") return true;
  if (!text.starts_with("mx:")) return IpAddress::parse(text).has_value();
  const size_t space = text.find(' ');
  if (space == std::string_view::npos) return false;
  const auto preference = parse_number(text.substr(3, space - 3));
  return preference && *preference <= 65535 && parse_host_name(text.substr(space + 1));
}

constexpr std::string_view kFixedAnswerType =
    "address, \"mx:10 host\", null-mx, nxdomain or servfail, or a list of them";

std::vector<std::string> read_fixed_answers(const Node& node, Context& context) {
  std::vector<std::string> out;
  const size_t count = node.kind == Node::Kind::list ? node.size() : 1;
  for (size_t i = 0; i < count; ++i) {
    const Node& entry = node.kind == Node::Kind::list ? node.items[i] : node;
    if (entry.kind != Node::Kind::scalar || !is_fixed_answer(entry.text)) {
      context.complain_wrong_type(entry, std::string(kFixedAnswerType));
    } else {
      out.push_back(entry.text);
    }
  }
  return out;
}

void read_hosts(const Node& node, Context& context, Service& service) {
  if (node.kind != Node::Kind::map) {
    context.complain_wrong_type(node, "a map of names");
    return;
  }
  service.dns_hosts.clear();
  for (size_t i = 0; i < node.size(); ++i) {
    const Context::Step step(context, node.key(i).text);
    auto name = smtp::parse_domain(node.key(i).text);
    if (!name) {
      context.complain_wrong_type(node.key(i), "a domain name");
      continue;
    }
    if (context.was_set(context.path())) {
      context.complain(node.key(i), "set twice");
      continue;
    }
    context.remember(node.key(i));
    service.dns_hosts.push_back({*name, read_fixed_answers(node.value(i), context)});
  }
}

std::string print_hosts(const Service& service) {
  std::string out;
  for (const auto& host : service.dns_hosts) {
    std::string values;
    for (const auto& value : host.values) values += (values.empty() ? "" : ", ") + quote(value);
    out += fmt::format("{}{}: [{}]", out.empty() ? "" : ", ", quote(host.name), values);
  }
  return "{" + out + "}";
}

}  // namespace

const KeyTable<Service>& service_keys() {
  static const KeyTable<Service> table({
      {"service.shards", integer(at(&Service::shards), 1, 1024, {"auto"}), Reload::restart,
       "Threads that serve connections; auto is one per CPU the process may use."},
      {"service.io",
       choice(at(&Service::io), {{"auto", IoChoice::automatic},
                                 {"io_uring", IoChoice::io_uring},
                                 {"epoll", IoChoice::epoll}}),
       Reload::restart,
       "How the kernel is asked; auto probes io_uring and falls back to epoll, and the log says "
       "which it took."},
      {"service.control_socket", path(at(&Service::control_socket)), Reload::restart,
       "Socket of mailrootctl."},
      {"service.include", text(at(&Service::include), kPathMax), Reload::live,
       "The virtual server files, one virtual server each; its id is the file's name without "
       "ending. A relative pattern starts at the directory of this file."},
      {"service.memory_budget",
       size(at(&Service::memory_budget_bytes), 16 * kMiB, 1024 * kGiB, {"auto"}), Reload::restart,
       "Memory for messages in transit, of all threads together; beyond it clients are told to "
       "come back."},
      {"log.level",
       choice(at(&Service::log_level), {{"trace", log::Level::trace},
                                        {"debug", log::Level::debug},
                                        {"info", log::Level::info},
                                        {"warn", log::Level::warning},
                                        {"error", log::Level::error}}),
       Reload::live, "The least important lines that are logged."},
      {"log.target", log_target(), Reload::restart, "Where log lines go."},
      {"log.format",
       choice(at(&Service::log_format), {{"text", LogFormat::text}, {"json", LogFormat::json}}),
       Reload::restart, "One line of text, or one JSON object, for each event."},
      {"metrics.listen", metrics_listen(), Reload::restart,
       "Where Prometheus reads the counters, as text over HTTP. A busy port only warns."},
      {"http.proxy", http_proxy(), Reload::live,
       "For requests to token endpoints: http://HOST:PORT; \"\": none, whatever the environment "
       "says."},
      {"dns.resolvers", resolvers(), Reload::restart,
       "Resolvers to ask; system is what /etc/resolv.conf names."},
      {"dns.trust_anchor", file(at(&Service::dns_trust_anchor)), Reload::restart,
       "File of DS or DNSKEY records where DNSSEC begins, as of package dns-root-data "
       "(/usr/share/dns/root.key). \"\": nothing is validated; needed for dane."},
      {"dns.hosts",
       {"map of names to fixed answers", read_hosts, print_hosts},
       Reload::restart,
       "Fixed answers, for tests and closed networks: { relay.example: [192.0.2.1], "
       "example.com: \"mx:10 relay.example\" }."},
  });
  return table;
}

}  // namespace mailroot::config
