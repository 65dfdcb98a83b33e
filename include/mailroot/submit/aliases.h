// /etc/aliases as sendmail's: "name: target, target", comments, continuation lines, quotes.
// Pure; the same text is read by newaliases (to check) and by the submission service.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/smtp/envelope.h"

namespace mailroot::submit {

struct AliasProblem {
  size_t line = 0;
  size_t column = 0;
  std::string text;  // printable
};

struct Aliases {
  std::map<std::string, std::vector<std::string>> targets;  // by name in lower case
  std::vector<AliasProblem> problems;                       // those lines or targets are left out
};

Aliases parse_aliases(std::string_view text);

struct Expanded {
  std::vector<smtp::Recipient> recipients;  // no address twice
  std::vector<std::string> warnings;        // of loops and limits, printable
};

// Replaces recipients of `local_domains` (lower case) that have an alias. A bare target gets
// `mailname`. Whoever would end with nobody (a loop, a limit, only refused targets) stays as is.
Expanded expand_aliases(const Aliases& aliases, const std::vector<smtp::Recipient>& recipients,
                        const std::vector<std::string>& local_domains, std::string_view mailname);

}  // namespace mailroot::submit
