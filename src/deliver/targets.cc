#include "targets.h"

#include <algorithm>
#include <utility>

#include "mailroot/deliver/limits.h"

namespace mailroot::deliver {
namespace {

using dns::MailHosts;

bool has_bind_address(const config::VirtualServer& settings, IpFamily family) {
  const auto& bind = settings.delivery.outbound_bind;
  return bind.empty() || std::ranges::any_of(bind, [family](const IpAddress& address) {
           return address.family() == family;
         });
}

// Equal preferences in random order, so that load spreads over them.
void shuffle_equals(reactor::Reactor& reactor, std::vector<dns::MailHost>& hosts) {
  for (size_t i = hosts.size(); i > 1; --i) {
    std::swap(hosts[i - 1], hosts[static_cast<size_t>(reactor.random() % i)]);
  }
  std::ranges::sort(hosts, [](const dns::MailHost& a, const dns::MailHost& b) {
    return a.preference < b.preference;
  });
}

void add_hosts(const TargetSearch& search, MailHosts found, uint16_t port, uint32_t list,
               std::vector<Target>& targets) {
  shuffle_equals(*search.reactor, found.hosts);
  for (const dns::MailHost& host : found.hosts) {
    for (const IpAddress& ip : host.addresses) {
      if (!has_bind_address(*search.settings, ip.family())) continue;
      const bool is_literal = IpAddress::parse(host.name).has_value() || host.name.empty() ||
                              host.name.starts_with('[');
      targets.push_back({SocketAddress{ip, port}, is_literal ? std::string() : host.name,
                         host.preference, list, host.is_secure && !is_literal});
    }
  }
}

reactor::task<std::expected<MailHosts, dns::ResolveFailure>> smart_host_addresses(
    TargetSearch search, config::SmartHost smart, reactor::Wait wait) {
  if (const auto ip = IpAddress::parse(smart.host)) {
    MailHosts found;
    found.hosts.push_back({0, smart.host, {*ip}, false});
    co_return found;
  }
  if (!smart.is_literal) {
    auto hosts = co_await search.resolver->mail_hosts(smart.host, wait);
    co_return hosts;
  }
  auto host = co_await search.resolver->named_host(smart.host, wait);
  co_return host;
}

// A smart host that DNS does not know is a mistake of the administrator, not of the sender.
smtp::DeliveryOutcome smart_host_outcome(const dns::ResolveFailure& failure) {
  smtp::DeliveryOutcome outcome = resolve_outcome(failure);
  if (outcome.disposition == smtp::Disposition::failed) {
    outcome.disposition = smtp::Disposition::deferred;
    outcome.enhanced_code = "4.3.5";
  }
  return outcome;
}

void remove_dead(const TargetSearch& search, Targets& targets) {
  const Instant now = search.reactor->now();
  const auto is_dead = [&](const Target& target) {
    return search.dead->contains(target.address, now);
  };
  if (std::ranges::all_of(targets.list, is_dead)) return;
  targets.some_are_dead = std::erase_if(targets.list, is_dead) > 0;
}

void remove_known_own(const TargetSearch& search, Targets& targets) {
  for (size_t i = 0; i < targets.list.size(); ++i) {
    const Target& target = targets.list[i];
    const bool by_name = target.host == search.settings->fqdn && !target.host.empty() &&
                         std::ranges::any_of(search.settings->bindings, [&](const auto& binding) {
                           return binding.port == target.address.port;
                         });
    if (!by_name && !is_own_address(*search.settings, target.address)) continue;
    if (i == 0) targets.failure = loop_outcome(target);
    drop_from_own(targets.list, i);
    return;
  }
}

}  // namespace

bool is_own_address(const config::VirtualServer& settings, const SocketAddress& address) {
  return std::ranges::any_of(settings.bindings, [&](const config::Binding& binding) {
    if (binding.port != address.port) return false;
    return binding.address ? *binding.address == address.ip : address.ip.is_loopback();
  });
}

void drop_from_own(std::vector<Target>& list, size_t own) {
  const uint32_t of_list = list[own].list;
  const uint16_t preference = list[own].preference;
  std::erase_if(list, [&](const Target& target) {
    return target.list == of_list && target.preference >= preference;
  });
}

reactor::task<Targets> find_targets(TargetSearch search, route::NextHop hop, reactor::Wait wait) {
  Targets targets;
  const bool by_domain =
      hop.kind == route::HopKind::mail_hosts || hop.kind == route::HopKind::direct_first;
  if (by_domain) {
    auto found = co_await search.resolver->mail_hosts(hop.domain, wait);
    if (found) {
      add_hosts(search, std::move(*found), hop.port, 0, targets.list);
    } else {
      targets.failure = resolve_outcome(found.error());
    }
  }
  remove_known_own(search, targets);
  uint32_t list = 0;
  for (const config::SmartHost& smart : hop.smart_hosts) {
    ++list;
    if (targets.list.size() >= kTargetsMax) break;
    auto found = co_await smart_host_addresses(search, smart, wait);
    if (found) {
      add_hosts(search, std::move(*found), smart.port.value_or(hop.port), list, targets.list);
    } else if (!targets.failure || by_domain) {
      targets.failure = smart_host_outcome(found.error());
    }
  }
  remove_known_own(search, targets);
  if (targets.list.size() > kTargetsMax) targets.list.resize(kTargetsMax);
  remove_dead(search, targets);
  if (!targets.list.empty()) {
    targets.failure.reset();
  } else if (!targets.failure) {
    const bool by_bind = !search.settings->delivery.outbound_bind.empty();
    targets.failure =
        by_bind ? make_outcome(smtp::Disposition::deferred, smtp::Stage::resolve, "4.3.5",
                               "no address of a family in delivery.outbound.bind for " + hop.key())
                : make_outcome(smtp::Disposition::failed, smtp::Stage::resolve, "5.4.4",
                               "no usable address for " + hop.key());
  }
  co_return targets;
}

}  // namespace mailroot::deliver
