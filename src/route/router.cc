#include "mailroot/route/router.h"

#include <algorithm>

#include "mailroot/base/log.h"

namespace mailroot::route {

namespace {

constexpr std::string_view kWildcard = "*.";

bool contains(const std::vector<Network>& networks, const IpAddress& address) {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const Network& network) { return network.contains(address); });
}

// smtp::Mailbox promises lower case; a caller with another source must not open a hole.
std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::vector<config::SmartHost> with_ports(std::vector<config::SmartHost> hosts, uint16_t port) {
  for (auto& host : hosts) {
    if (!host.port) host.port = port;
  }
  return hosts;
}

}  // namespace

std::string_view to_string(RelayGround ground) {
  switch (ground) {
    case RelayGround::local_domain:
      return "local domain";
    case RelayGround::remote_domain:
      return "remote domain";
    case RelayGround::authenticated:
      return "authenticated";
    case RelayGround::relay_list:
      return "relay list";
    case RelayGround::none:
      return "none";
  }
  return "";
}

Router::Router(std::shared_ptr<const config::VirtualServer> server) : server_(std::move(server)) {
  for (const auto& domain : server_->domains) {
    const std::string_view name = domain.name;
    if (name.starts_with(kWildcard)) {
      wildcard_.emplace(name.substr(kWildcard.size()), &domain);
    } else {
      exact_.emplace(name, &domain);
    }
  }
}

// The exact entry, else the wildcard with the most labels: "*.b.example" before "*.example".
const config::Domain* Router::find_domain(std::string_view domain) const {
  if (const auto exact = exact_.find(domain); exact != exact_.end()) return exact->second;
  if (wildcard_.empty() || domain.starts_with('[')) return nullptr;
  for (size_t dot = domain.find('.'); dot != std::string_view::npos;
       dot = domain.find('.', dot + 1)) {
    const auto found = wildcard_.find(domain.substr(dot + 1));
    if (found != wildcard_.end()) return found->second;
  }
  return nullptr;
}

bool Router::is_local_domain(std::string_view domain) const {
  const std::string name = lower(domain);
  if (name.empty() || name == server_->default_domain) return true;
  const auto entry = exact_.find(name);
  return entry != exact_.end() && entry->second->type == config::DomainType::alias;
}

bool Router::is_kept_until_asked(std::string_view domain) const {
  const config::Domain* entry = find_domain(lower(domain));
  return entry != nullptr && entry->type == config::DomainType::remote &&
         entry->queue_for == config::QueueFor::etrn;
}

bool Router::may_connect(const IpAddress& client) const {
  const config::Access& access = server_->access;
  if (contains(access.connect_deny, client)) return false;
  return access.connect_allow.empty() || contains(access.connect_allow, client);
}

bool Router::is_relay_client(const IpAddress& client) const {
  const config::Access& access = server_->access;
  return contains(access.relay_allow, client) && !contains(access.relay_deny, client);
}

RelayDecision Router::decide(const smtp::Mailbox& recipient, const IpAddress& client,
                             bool authenticated) const {
  if (is_local_domain(recipient.domain)) return {RelayGround::local_domain, {}};
  const config::Domain* entry = find_domain(lower(recipient.domain));
  if (entry != nullptr && entry->relay) return {RelayGround::remote_domain, {}};
  if (authenticated) return {RelayGround::authenticated, {}};
  if (is_relay_client(client)) return {RelayGround::relay_list, {}};
  return {RelayGround::none, "550 5.7.1 Unable to relay for " + smtp::to_path(recipient)};
}

NextHop Router::next_hop(const smtp::Mailbox& recipient) const {
  NextHop hop;
  if (is_local_domain(recipient.domain)) return hop;
  const config::Delivery& delivery = server_->delivery;
  hop.domain = lower(recipient.domain);
  hop.port = delivery.outbound_port;
  const config::Domain* entry = find_domain(hop.domain);
  hop.hello_only = entry != nullptr && entry->helo;
  if (entry != nullptr && entry->security != config::Security{}) {
    hop.own_security = config::security_for(*server_, entry);
  }
  if (entry != nullptr && !entry->smart_host.empty()) {
    // "Forward all mail for this domain": the domain's own hosts are not tried.
    hop.kind = HopKind::smart_hosts;
    hop.smart_hosts = with_ports(entry->smart_host, delivery.outbound_port);
    hop.is_anonymous = delivery.login.method != config::LoginMethod::none;
  } else if (entry != nullptr || delivery.smart_host.empty()) {
    // A remote domain without a smart host of its own is routed by DNS, as in IIS.
    hop.kind = HopKind::mail_hosts;
  } else {
    hop.kind =
        delivery.attempt_direct_delivery_first ? HopKind::direct_first : HopKind::smart_hosts;
    hop.smart_hosts = with_ports(delivery.smart_host, delivery.outbound_port);
    if (delivery.login.method != config::LoginMethod::none) hop.login = HopLogin::server;
  }
  if (entry != nullptr && entry->login.method != config::LoginMethod::none) {
    hop.login = HopLogin::domain;
    hop.login_domain = entry->name;
    hop.is_anonymous = false;
  }
  hop.on_request = entry != nullptr && entry->queue_for == config::QueueFor::etrn;
  if (hop.kind == HopKind::smart_hosts) {
    if (!hop.on_request) hop.domain.clear();
    hop.port = 25;
  }
  return hop;
}

smtp::Mailbox Router::restamp(const smtp::Mailbox& recipient) const {
  smtp::Mailbox out = recipient;
  if (!out.is_null() && is_local_domain(out.domain)) out.domain = server_->default_domain;
  return out;
}

smtp::Mailbox Router::masquerade(const smtp::Mailbox& reverse_path) const {
  smtp::Mailbox out = reverse_path;
  const std::string& domain = server_->delivery.masquerade_domain;
  if (!domain.empty() && !out.is_null() && is_local_domain(out.domain)) out.domain = domain;
  return out;
}

}  // namespace mailroot::route
