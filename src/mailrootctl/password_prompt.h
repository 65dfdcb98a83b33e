// A password from a terminal, typed twice without echo, or the first line of standard input.
#pragma once

#include <expected>
#include <string>

namespace mailroot::ctl {

// Errors are sentences. Without `from_input` standard input has to be a terminal.
std::expected<std::string, std::string> read_password(const std::string& user, bool from_input);

}  // namespace mailroot::ctl
