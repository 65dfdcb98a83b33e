// The client's name in DNS, for the Received field (delivery.reverse_dns_lookup).
#pragma once

#include <string>

#include "mailroot/base/address.h"
#include "mailroot/dns/resolver.h"
#include "mailroot/reactor/reactor.h"

namespace mailroot::receive {

// The PTR name of `client`, if that name's addresses have `client` among them: what the owner of an
// address says about it counts only when the owner of the name agrees. Empty otherwise, also when
// DNS fails or the wait is over.
reactor::task<std::string> confirmed_host(dns::Resolver& resolver, IpAddress client,
                                          reactor::Wait wait);

}  // namespace mailroot::receive
