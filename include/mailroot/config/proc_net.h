// Who listens on this machine, as values: /proc/net/tcp and tcp6. Blocks; control thread and tools.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "mailroot/base/address.h"

namespace mailroot::config {

struct ListeningSocket {
  SocketAddress address;
  IpFamily family = IpFamily::v4;  // of the socket: [::] of a v6 socket stays v6
  uint64_t inode = 0;
};

// The sockets in state LISTEN of one table's text; lines of another form are skipped. Pure.
std::vector<ListeningSocket> parse_proc_net(std::string_view text, IpFamily family);
std::vector<ListeningSocket> listening_sockets();

}  // namespace mailroot::config
