// Which messages a queue command is for: their description as the daemon answers it, against what
// was asked. Pure.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace mailroot::ctl {

// What is empty or absent is not asked. Texts are patterns (`*`, `?`, `[...]`), without regard to
// case; those of from, to and reply need a look at each message.
struct QueueFilter {
  std::string server;  // an id, no pattern
  std::string destination, state;
  std::string from, to, reply;
  std::optional<uint64_t> older_seconds, newer_seconds;
  std::optional<uint64_t> larger_bytes, smaller_bytes;

  bool is_empty() const;
  bool needs_detail() const { return !from.empty() || !to.empty() || !reply.empty(); }
  // A line of `queue list`.
  bool matches_listed(const nlohmann::json& listed) const;
  // A document of `queue show`.
  bool matches_detail(const nlohmann::json& detail) const;
};

// --server, --from, ... of a subcommand. `filter` outlives the parse.
void add_filter_options(CLI::App& command, QueueFilter& filter);

}  // namespace mailroot::ctl
