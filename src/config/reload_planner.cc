// plan_reload: from the table that runs and the snapshot to come to the next table.
//
//   1 who runs       wishes: running and still defined, or new with autostart, or told to
//   2 who gets what  running servers first, then newcomers in id order; each all or nothing.
//                    A running server that cannot have all it asks for keeps what it had, and
//                    the contest begins again, because what it had is taken once more
//   3 sockets        every key that has a socket or an owner gets one holder: its owner, else
//                    the wildcard's server if nobody claims the address, else nobody
//   4 actions        the difference, by server
#include <fmt/format.h>

#include <algorithm>

#include "mailroot/config/binding_table.h"

namespace mailroot::config {

class ReloadPlanner {
 public:
  ReloadPlanner(const BindingTable& running, const ConfigSnapshot& snapshot,
                const PlanConditions& conditions)
      : old_(running), conditions_(conditions) {
    for (const auto& server : snapshot.servers) defined_[server->id] = server.get();
  }

  ReloadPlan run() {
    find_wishes();
    contend();
    BindingTable next = make_table();
    assign_sockets(next);
    ReloadPlan plan;
    plan.servers = make_actions(next);
    plan.next = std::move(next);
    return plan;
  }

 private:
  struct Claim {
    std::string server;
    const Binding* binding;
  };
  using Owners = std::map<BindingKey, Claim>;

  const BindingTable::Server* old_server(const std::string& id) const {
    const auto found = old_.servers_.find(id);
    return found == old_.servers_.end() ? nullptr : &found->second;
  }
  bool was_listening(const std::string& id) const {
    const auto* server = old_server(id);
    return server != nullptr && server->standing == Standing::listening;
  }
  bool stays_running(const std::string& id) const {
    return was_listening(id) && wanted_.contains(id) && !conditions_.must_stop.contains(id);
  }

  void find_wishes() {
    for (const auto& [id, server] : defined_) {
      const auto* old = old_server(id);
      bool wanted = old == nullptr ? server->autostart : old->standing != Standing::stopped;
      if (conditions_.start.contains(id)) wanted = true;
      if (conditions_.stop.contains(id)) wanted = false;
      if (wanted) wanted_.insert(id);
    }
  }

  // What a wanted server asks for: a flagged one what it has, any other what its file says.
  const std::vector<Binding>& asked_by(const std::string& id) const {
    return flagged_.contains(id) ? old_server(id)->bindings : defined_.at(id)->bindings;
  }

  void contend() {
    for (const auto& id : wanted_) {
      const auto stopped = conditions_.must_stop.find(id);
      const auto hindered = conditions_.cannot_start.find(id);
      if (stopped != conditions_.must_stop.end()) {
        refused_[id] = stopped->second;
      } else if (hindered != conditions_.cannot_start.end()) {
        (stays_running(id) ? flagged_ : refused_)[id] = hindered->second;
      }
    }
    // Each round flags one more running server, so there are at most as many as servers.
    while (!try_running_servers()) {
    }
    for (const auto& id : wanted_) {
      if (stays_running(id) || refused_.contains(id)) continue;
      std::string obstacle = find_obstacle(id);
      if (obstacle.empty()) {
        take_all(id);
      } else {
        refused_[id] = std::move(obstacle);
      }
    }
  }

  bool try_running_servers() {
    owners_.clear();
    for (const auto& id : wanted_) {
      if (!stays_running(id)) continue;
      // First what they listen on: nobody takes that from a running server.
      for (const Binding& binding : asked_by(id)) {
        if (listened(id, key_of(binding))) owners_.emplace(key_of(binding), Claim{id, &binding});
      }
    }
    for (const auto& id : wanted_) {
      if (!stays_running(id) || flagged_.contains(id)) continue;
      std::string obstacle = find_obstacle(id);
      if (!obstacle.empty()) {
        flagged_[id] = std::move(obstacle);
        return false;
      }
      take_all(id);
    }
    return true;
  }

  bool listened(const std::string& id, const BindingKey& key) const {
    const auto& bindings = old_server(id)->bindings;
    return std::any_of(bindings.begin(), bindings.end(),
                       [&](const Binding& binding) { return key_of(binding) == key; });
  }

  // Why `id` cannot have all it asks for; empty when it can.
  std::string find_obstacle(const std::string& id) const {
    for (const Binding& binding : asked_by(id)) {
      const BindingKey key = key_of(binding);
      const auto owner = owners_.find(key);
      if (owner != owners_.end() && owner->second.server != id) {
        return fmt::format("binding {} of virtual server {} ({}) belongs to virtual server {} ({})",
                           key.to_string(), id, binding.place.to_string(), owner->second.server,
                           owner->second.binding->place.to_string());
      }
      const auto closed = conditions_.cannot_open.find(key);
      // A socket we hold needs no opening.
      if (closed != conditions_.cannot_open.end() && !old_.sockets_.contains(key)) {
        return fmt::format("binding {} ({}): {}", key.to_string(), binding.place.to_string(),
                           closed->second);
      }
    }
    return {};
  }

  void take_all(const std::string& id) {
    for (const Binding& binding : asked_by(id)) {
      owners_.emplace(key_of(binding), Claim{id, &binding});
    }
  }

  BindingTable make_table() const {
    BindingTable next;
    for (const auto& [id, server] : defined_) {
      BindingTable::Server& entry = next.servers_[id];
      entry.bindings = server->bindings;
      entry.digest = server->content_digest;
      entry.home_directory = server->home_directory;
      if (!wanted_.contains(id)) continue;
      if (const auto reason = refused_.find(id); reason != refused_.end()) {
        entry.standing = Standing::failed;
        entry.reason = reason->second;
        continue;
      }
      entry.standing = Standing::listening;
      if (const auto reason = flagged_.find(id); reason != flagged_.end()) {
        entry.bindings = old_server(id)->bindings;
        entry.reason = reason->second;
      }
    }
    next.index_claims();
    return next;
  }

  void assign_sockets(BindingTable& next) const {
    for (const auto& [key, claim] : owners_) next.sockets_[key] = claim.server;
    for (const auto& [key, holder] : old_.sockets_) {
      if (key.is_wildcard() || next.sockets_.contains(key)) continue;
      // Freed. With a claim its clients are not the wildcard's; without a wildcard nobody's.
      if (next.claims_.contains(key)) continue;
      const auto heir = owners_.find({std::nullopt, key.port});
      if (heir != owners_.end()) next.sockets_[key] = heir->second.server;
    }
  }

  std::vector<ServerPlan> make_actions(const BindingTable& next) const {
    std::map<std::string, ServerPlan> plans;
    for (const auto& [id, server] : old_.servers_) plans[id].server = id;
    for (const auto& [id, server] : defined_) plans[id].server = id;
    for (const auto& [key, holder] : next.sockets_) {
      const std::string_view before = old_.holder_of(key);
      if (before.empty()) {
        plans[holder].open.push_back(key);
      } else if (before == holder) {
        plans[holder].keep.push_back(key);
      } else {
        plans[holder].adopt.push_back({key, std::string(before)});
        plans[std::string(before)].hand_over.push_back(key);
      }
    }
    for (const auto& [key, holder] : old_.sockets_) {
      if (!next.sockets_.contains(key)) plans[holder].close.push_back(key);
    }
    std::vector<ServerPlan> out;
    for (auto& [id, plan] : plans) {
      decide_action(next, plan);
      out.push_back(std::move(plan));
    }
    return out;
  }

  void decide_action(const BindingTable& next, ServerPlan& plan) const {
    const bool runs = was_listening(plan.server);
    const auto found = next.servers_.find(plan.server);
    if (found == next.servers_.end()) {
      plan.action = runs ? ServerAction::stop : ServerAction::forget;
      return;
    }
    const BindingTable::Server& entry = found->second;
    plan.reason = entry.reason;
    switch (entry.standing) {
      case Standing::stopped:
        plan.action = runs ? ServerAction::stop : ServerAction::stay_stopped;
        return;
      case Standing::failed:
        plan.action = runs ? ServerAction::stop : ServerAction::cannot_start;
        return;
      case Standing::listening:
        break;
    }
    if (!runs) {
      plan.action = ServerAction::start;
      return;
    }
    const BindingTable::Server& old = *old_server(plan.server);
    const bool same = old.digest == entry.digest && old.reason == entry.reason;
    plan.action = same ? ServerAction::keep : ServerAction::retune;
    plan.home_changed = old.home_directory != entry.home_directory;
  }

  const BindingTable& old_;
  const PlanConditions& conditions_;
  std::map<std::string, const VirtualServer*> defined_;
  std::set<std::string> wanted_;
  std::map<std::string, std::string> flagged_;  // running, keep their old bindings: why
  std::map<std::string, std::string> refused_;  // not running, cannot start: why
  Owners owners_;
};

ReloadPlan plan_reload(const BindingTable& running, const ConfigSnapshot& snapshot,
                       const PlanConditions& conditions) {
  return ReloadPlanner(running, snapshot, conditions).run();
}

}  // namespace mailroot::config
