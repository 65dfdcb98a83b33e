// The daemon from start to end: log, control reactor, supervisor, control socket, signals.
#pragma once

#include <string>

namespace mailroot {

// Returns the exit code: 0 after an orderly stop, 1 when it cannot start (said on stderr).
int run_daemon(const std::string& config_file);

}  // namespace mailroot
