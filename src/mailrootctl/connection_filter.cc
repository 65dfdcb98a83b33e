#include "connection_filter.h"

namespace mailroot::ctl {

bool ConnectionFilter::matches(const nlohmann::json& listed) const {
  if (!server.empty() && server != listed["server"].get<std::string>()) return false;
  if (!direction.empty() && direction != listed["direction"].get<std::string>()) return false;
  if (peer.empty()) return true;
  const auto network = Network::parse(peer);
  const auto address = SocketAddress::parse(listed["peer"].get<std::string>());
  return network && address && network->contains(address->ip);
}

}  // namespace mailroot::ctl
