// Reading one configuration file, and the checks that come before YAML: what yaml-cpp would accept
// silently or describe badly.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "mailroot/config/limits.h"
#include "mailroot/config/load.h"

namespace mailroot::config {

// The whole of a regular file of at most `size_max` bytes.
std::expected<std::string, Problem> read_source(const std::string& file,
                                                size_t size_max = kFileSizeMax);
// Everybody on this machine may read it.
bool is_open_to_others(const std::string& file);

// UTF-8, no control characters, no tab in the indentation. `file` is only named in the problem.
std::expected<void, Problem> check_source(std::string_view text, const std::string& file);

}  // namespace mailroot::config
