// A line of the daemon's log, in either format, taken apart again. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mailroot::ctl {

struct LogLine {
  std::string time;  // "2026-03-05T09:30:00.123Z"
  std::string event;
  // In their order; values printable (other bytes as \xNN), safe for a terminal.
  std::vector<std::pair<std::string, std::string>> fields;

  // "" when there is none.
  std::string field(std::string_view key) const;
};

// `time`: what the journal says; lines of files carry their own. Nothing for what is no such line.
std::optional<LogLine> parse_log_line(std::string_view line, std::string_view time);

// Is this the address in a from or to field ("<ann@example.com>"), whatever its case?
bool names_address(const LogLine& line, std::string_view address);

}  // namespace mailroot::ctl
