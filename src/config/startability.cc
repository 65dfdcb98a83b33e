// Level 2: what stops one virtual server, and the answer of --check.
#include <fmt/format.h>

#include "mailroot/config/binding_table.h"
#include "mailroot/config/load.h"
#include "mailroot/config/machine_state.h"

namespace mailroot::config {

std::string Finding::to_string() const {
  return fmt::format("{}: virtual server {} cannot start: {}: {}", place.to_string(), server, key,
                     text);
}

std::vector<Finding> startability(const ConfigSnapshot& snapshot) {
  std::vector<Finding> findings;
  const auto shared = shared_homes(snapshot, {});
  for (const auto& server : snapshot.servers) {
    const auto found = shared.find(server->id);
    if (found == shared.end()) continue;
    findings.push_back({server->id, server->place, "home_directory", found->second});
  }
  for (const auto& server : snapshot.servers) {
    const std::string& trouble = server->access.authentication.users_trouble;
    if (trouble.empty()) continue;
    findings.push_back({server->id, server->place, "access.authentication.users", trouble});
  }
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

std::vector<Finding> startability_here(const ConfigSnapshot& snapshot) {
  std::vector<Finding> findings;
  const MachineState state = look_at_machine(snapshot.service.control_socket);
  for (const auto& server : snapshot.servers) {
    for (const Binding& binding : server->bindings) {
      const BindingKey key = key_of(binding);
      const std::string why = why_not_listen(key, state);
      if (why.empty()) continue;
      findings.push_back({server->id, binding.place, "bindings", key.to_string() + ": " + why});
    }
    const std::string why = why_no_home(server->home_directory, state.user);
    if (why.empty()) continue;
    findings.push_back({server->id, server->place, "home_directory", why});
  }
  return findings;
}

namespace {

CheckResult check_with(const std::string& file, const LoadOptions& options, bool here) {
  CheckResult result;
  auto loaded = load(file, options);
  if (!loaded) {
    result.exit_code = 1;
    result.problems = std::move(loaded.error());
    return result;
  }
  result.findings = startability(*loaded);
  if (here) {
    for (auto& finding : startability_here(*loaded)) result.findings.push_back(std::move(finding));
  }
  result.warnings = std::move(loaded->warnings);
  result.snapshot = std::make_shared<const ConfigSnapshot>(std::move(*loaded));
  result.exit_code = result.findings.empty() ? 0 : 2;
  return result;
}

}  // namespace

CheckResult check(const std::string& file, const LoadOptions& options) {
  return check_with(file, options, false);
}

CheckResult check_here(const std::string& file, const LoadOptions& options) {
  return check_with(file, options, true);
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
