// The commands of the control socket: a line in, a reply out. Knows no socket.
#pragma once

#include <string>
#include <string_view>

#include "mailroot/reactor/reactor.h"
#include "mailroot/server/supervisor.h"
#include "peer.h"

namespace mailroot::control {

// The whole reply, "\n" line ends: "250-{...}" lines, then "250 text", or "5yz text". The line
// comes without its end.
reactor::task<std::string> run_command(reactor::Reactor& control, server::Supervisor& supervisor,
                                       std::string line, Right right);

}  // namespace mailroot::control
