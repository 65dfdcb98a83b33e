// The keys of a login, for whoever has one.
#pragma once

#include <vector>

#include "kinds.h"

namespace mailroot::config {

// Part of server_keys(): delivery.security.authentication and what belongs to it.
std::vector<Key<VirtualServer>> server_login_keys();
// Part of domain_keys(): security.authentication and what belongs to it.
std::vector<Key<Domain>> domain_login_keys();

}  // namespace mailroot::config
