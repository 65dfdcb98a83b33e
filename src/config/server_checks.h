// Checks that look at several keys of one virtual server at once, after all of them were read.
#pragma once

#include <string>
#include <vector>

#include "context.h"
#include "mailroot/config/snapshot.h"

namespace mailroot::config {

// Complains through the context; adds a sentence to `warnings` for what is allowed but strange.
void check_server(const VirtualServer& server, Context& context,
                  std::vector<std::string>& warnings);

}  // namespace mailroot::config
