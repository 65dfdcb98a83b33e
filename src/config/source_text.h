// Reading one configuration file, and the checks that come before YAML: what yaml-cpp would accept
// silently or describe badly.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "mailroot/config/load.h"

namespace mailroot::config {

// The whole of a regular file of at most kFileSizeMax bytes.
std::expected<std::string, Problem> read_source(const std::string& file);

// UTF-8, no control characters, no tab in the indentation. `file` is only named in the problem.
std::expected<void, Problem> check_source(std::string_view text, const std::string& file);

}  // namespace mailroot::config
