// Hosts that failed a moment ago, in one way or another: could not be reached (passed over while
// there are others), or cannot do TLS although they say so (spoken to in clear where that is
// allowed).
#pragma once

#include <map>

#include "mailroot/base/address.h"
#include "mailroot/base/time.h"

namespace mailroot::deliver {

class DeadHosts {
 public:
  explicit DeadHosts(Duration rest) : rest_(rest) {}
  void add(const SocketAddress& host, Instant now);
  void remove(const SocketAddress& host) { until_.erase(host); }
  bool contains(const SocketAddress& host, Instant now) const;

 private:
  Duration rest_;
  std::map<SocketAddress, Instant> until_;
};

}  // namespace mailroot::deliver
