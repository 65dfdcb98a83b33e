// Level 2: what stops one virtual server, and the answer of --check.
#include <fmt/format.h>

#include <string_view>

#include "mailroot/config/binding_table.h"
#include "mailroot/config/load.h"

namespace mailroot::config {

namespace {

// Equal, or `inner` lies below `outer`. Both are absolute and normal.
bool is_same_or_inside(std::string_view inner, std::string_view outer) {
  if (!inner.starts_with(outer)) return false;
  return inner.size() == outer.size() || outer == "/" || inner[outer.size()] == '/';
}

void find_shared_homes(const ConfigSnapshot& snapshot, std::vector<Finding>& findings) {
  for (size_t i = 0; i < snapshot.servers.size(); ++i) {
    const VirtualServer& later = *snapshot.servers[i];
    for (size_t j = 0; j < i; ++j) {
      const VirtualServer& first = *snapshot.servers[j];
      const bool clash = is_same_or_inside(later.home_directory, first.home_directory) ||
                         is_same_or_inside(first.home_directory, later.home_directory);
      if (!clash) continue;
      findings.push_back(
          {later.id, later.place, "home_directory",
           fmt::format("{} of virtual server {} ({}) and {} of {} ({}) are not apart",
                       later.home_directory, later.id, later.place.file, first.home_directory,
                       first.id, first.place.file)});
      break;
    }
  }
}

}  // namespace

std::string Finding::to_string() const {
  return fmt::format("{}: virtual server {} cannot start: {}: {}", place.to_string(), server, key,
                     text);
}

std::vector<Finding> startability(const ConfigSnapshot& snapshot) {
  std::vector<Finding> findings;
  find_shared_homes(snapshot, findings);
  // As if all were told to start, so that a server without autostart is checked too.
  PlanConditions conditions;
  for (const auto& server : snapshot.servers) conditions.start.insert(server->id);
  const ReloadPlan plan = plan_reload(BindingTable(), snapshot, conditions);
  for (const auto& server : snapshot.servers) {
    const ServerPlan* planned = plan.find(server->id);
    if (planned == nullptr || planned->action != ServerAction::cannot_start) continue;
    findings.push_back({server->id, server->place, "bindings", planned->reason});
  }
  return findings;
}

CheckResult check(const std::string& file, const LoadOptions& options) {
  CheckResult result;
  auto loaded = load(file, options);
  if (!loaded) {
    result.exit_code = 1;
    result.problems = std::move(loaded.error());
    return result;
  }
  result.findings = startability(*loaded);
  result.warnings = std::move(loaded->warnings);
  result.exit_code = result.findings.empty() ? 0 : 2;
  return result;
}

std::string CheckResult::report() const {
  std::string out;
  for (const auto& problem : problems) out += problem.to_string() + "\n";
  for (const auto& finding : findings) out += finding.to_string() + "\n";
  for (const auto& warning : warnings) out += "warning: " + warning + "\n";
  return out;
}

std::string Problem::to_string() const {
  std::string out = place.to_string();
  if (!out.empty()) out += ": ";
  if (!key.empty()) out += key + ": ";
  out += text;
  if (!found.empty()) out += "; found " + found;
  if (!allowed.empty()) out += "; allowed: " + allowed;
  if (!nearest.empty()) out += "; did you mean " + nearest + "?";
  return out;
}

}  // namespace mailroot::config
