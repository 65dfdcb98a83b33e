// From a next hop to the hosts to try, in order (RFC 5321 5.1).
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "dead_hosts.h"
#include "mailroot/config/snapshot.h"
#include "mailroot/dns/resolver.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/route/next_hop.h"
#include "outcomes.h"

namespace mailroot::deliver {

struct Targets {
  std::vector<Target> list;    // in the order to try, at most kTargetsMax
  bool some_are_dead = false;  // hosts were passed over: a refusal of the others is not the end
  std::optional<smtp::DeliveryOutcome> failure;  // set when the list is empty
};

// What finding hosts needs to know; lives as long as the call.
struct TargetSearch {
  reactor::Reactor* reactor = nullptr;
  dns::Resolver* resolver = nullptr;
  const DeadHosts* dead = nullptr;
  const config::VirtualServer* settings = nullptr;
};

reactor::task<Targets> find_targets(TargetSearch search, route::NextHop hop, reactor::Wait wait);

// The server's own address and port, as far as the configuration tells. A wildcard binding counts
// for loopback addresses; other own addresses are found when the connection's both ends are equal.
bool is_own_address(const config::VirtualServer& settings, const SocketAddress& address);

// RFC 5321 5.1: when `own` turns out to be this server, hosts of its list with the same or a
// higher preference number are dropped.
void drop_from_own(std::vector<Target>& list, size_t own);

}  // namespace mailroot::deliver
