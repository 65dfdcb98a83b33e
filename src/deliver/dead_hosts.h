// Hosts that could not be reached a moment ago: passed over while there are others.
#pragma once

#include <map>

#include "mailroot/base/address.h"
#include "mailroot/base/time.h"

namespace mailroot::deliver {

class DeadHosts {
 public:
  void add(const SocketAddress& host, Instant now);
  void remove(const SocketAddress& host) { until_.erase(host); }
  bool contains(const SocketAddress& host, Instant now) const;

 private:
  std::map<SocketAddress, Instant> until_;
};

}  // namespace mailroot::deliver
