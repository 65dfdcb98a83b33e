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

// After all files were read: no protocol log goes where mail lies, for Pickup would send it.
// dane without DNSSEC would be opportunistic in silence.
void check_dane(const ConfigSnapshot& snapshot, ProblemList& problems);
void check_log_directories(const ConfigSnapshot& snapshot, ProblemList& problems);

}  // namespace mailroot::config
