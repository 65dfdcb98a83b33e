// The PROXY protocol, versions 1 and 2 (haproxy.org, doc/proxy-protocol.txt): what a balancer says
// of the client in front of its connection. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "mailroot/base/address.h"
#include "mailroot/base/bytes.h"

namespace mailroot::receive {

struct ProxyHeader {
  enum class State : uint8_t {
    incomplete,  // may become one
    invalid,     // never will
    complete,
  };
  State state = State::incomplete;
  size_t size_bytes = 0;  // of the header, when it is complete; the client's bytes follow
  // Nothing: the connection is the balancer's own (LOCAL, UNKNOWN), as for its checks of health.
  std::optional<SocketAddress> client;
};

// Reads what has arrived so far, from the first byte of the connection on.
ProxyHeader parse_proxy_header(ByteView bytes);

}  // namespace mailroot::receive
