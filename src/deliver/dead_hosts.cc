#include "dead_hosts.h"

#include "mailroot/deliver/limits.h"

namespace mailroot::deliver {

void DeadHosts::add(const SocketAddress& host, Instant now) {
  if (until_.size() >= kDeadHostsMax) {
    std::erase_if(until_, [now](const auto& entry) { return entry.second <= now; });
  }
  if (until_.size() < kDeadHostsMax) until_[host] = now + rest_;
}

bool DeadHosts::contains(const SocketAddress& host, Instant now) const {
  const auto found = until_.find(host);
  return found != until_.end() && found->second > now;
}

}  // namespace mailroot::deliver
