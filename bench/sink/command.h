#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailroot::bench {

/// "VERB rest" of a command line without its CRLF; the verb in capitals.
struct Command {
  std::string verb;
  std::string_view rest;
};
Command split_command(std::string_view line);

/// Argument of MAIL or RCPT (RFC 5321 4.1.2): `FROM:<path> PARAMETER ...`.
struct PathArgument {
  std::string_view path;  // between the angle brackets
  std::vector<std::string_view> parameters;
};

/// `keyword` is "FROM:" or "TO:". Nothing when the argument does not follow the grammar, as far as
/// brackets, quotes and parameters go; the mailbox itself is not judged.
std::optional<PathArgument> parse_path(std::string_view rest, std::string_view keyword);

}  // namespace mailroot::bench
