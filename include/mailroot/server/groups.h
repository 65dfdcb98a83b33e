// Groups of users by name.
#pragma once

#include <sys/types.h>

#include <optional>

namespace mailroot::server {

// The group's number; nothing when there is no such group. Asks the system's user data base, so it
// may take a while: on the control thread only.
std::optional<gid_t> find_group(const char* name);

}  // namespace mailroot::server
