#include "client_host.h"

#include <algorithm>

namespace mailroot::receive {

reactor::task<std::string> confirmed_host(dns::Resolver& resolver, IpAddress client,
                                          reactor::Wait wait) {
  const auto name = co_await resolver.reverse(client, wait);
  if (!name || name->empty()) co_return std::string();
  const auto addresses = co_await resolver.addresses(*name, wait);
  if (!addresses || std::ranges::find(*addresses, client) == addresses->end()) {
    co_return std::string();
  }
  co_return *name;
}

}  // namespace mailroot::receive
