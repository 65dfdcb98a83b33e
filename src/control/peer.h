// Who is at the other end of the control socket, and what that permits (decisions 12).
#pragma once

#include <cstdint>

#include "mailroot/reactor/operation.h"

namespace mailroot::control {

enum class Right : uint8_t { none, view, change };

// By SO_PEERCRED and SO_PEERGROUPS: root and the daemon's own user change, members of
// mailroot-admin change, of mailroot-view look; everybody else nothing.
Right right_of_peer(reactor::Descriptor socket);

}  // namespace mailroot::control
