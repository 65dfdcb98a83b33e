#include "mailroot/config/binding_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace mailroot::config {

std::string BindingKey::to_string() const {
  if (!address) return fmt::format("all-unassigned:{}", port);
  return SocketAddress{*address, port}.to_string();
}

BindingKey key_of(const Binding& binding) { return {binding.address, binding.port}; }

std::string_view to_string(ServerAction action) {
  switch (action) {
    case ServerAction::start:
      return "start";
    case ServerAction::keep:
      return "keep";
    case ServerAction::retune:
      return "retune";
    case ServerAction::stop:
      return "stop";
    case ServerAction::cannot_start:
      return "cannot start";
    case ServerAction::stay_stopped:
      return "stay stopped";
    case ServerAction::forget:
      return "forget";
  }
  return "";
}

std::optional<BindingTable::Owner> BindingTable::owner_of(const IpAddress& local_address,
                                                          uint16_t port) const {
  auto found = claims_.find({local_address, port});
  if (found == claims_.end()) found = claims_.find({std::nullopt, port});
  if (found == claims_.end()) return std::nullopt;
  const std::string& id = found->second;
  return Owner{id, servers_.at(id).standing == Standing::listening};
}

std::string_view BindingTable::holder_of(const BindingKey& key) const {
  const auto found = sockets_.find(key);
  return found == sockets_.end() ? std::string_view() : found->second;
}

void BindingTable::index_claims() {
  claims_.clear();
  for (const bool listening : {true, false}) {
    for (const auto& [id, server] : servers_) {
      if ((server.standing == Standing::listening) != listening) continue;
      // The first claim stays: listening servers before others, then the order of ids.
      for (const Binding& binding : server.bindings) claims_.emplace(key_of(binding), id);
    }
  }
}

const ServerPlan* ReloadPlan::find(std::string_view server) const {
  const auto found = std::lower_bound(
      servers.begin(), servers.end(), server,
      [](const ServerPlan& plan, std::string_view id) { return plan.server < id; });
  return found == servers.end() || found->server != server ? nullptr : &*found;
}

bool ReloadPlan::changes_nothing() const {
  for (const auto& plan : servers) {
    const bool idle =
        plan.action == ServerAction::keep || plan.action == ServerAction::stay_stopped;
    if (!idle || !plan.adopt.empty() || !plan.hand_over.empty()) return false;
  }
  return true;
}

}  // namespace mailroot::config
