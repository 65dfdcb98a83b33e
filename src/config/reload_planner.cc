// plan_reload: from the table that runs and the snapshot to come to the next table.
//
//   1 who runs       wishes: running and still defined, or new with autostart, or told to
//   2 who gets what  running servers first: they hold what they have, and move to what their
//                    files ask for where nobody stands in the way; who cannot move is flagged.
//                    Then newcomers in id order. Each gets all it asks for or nothing
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

  void contend() {
    for (const auto& id : wanted_) {
      if (stays_running(id)) take_all(id, old_server(id)->bindings);
    }
    move_running_servers();
    for (const auto& id : wanted_) {
      if (stays_running(id)) {
        if (!moved_.contains(id)) flagged_[id] = find_obstacle(id);
        continue;
      }
      std::string obstacle = find_obstacle(id);
      if (obstacle.empty()) {
        take_all(id, defined_.at(id)->bindings);
      } else {
        refused_[id] = std::move(obstacle);
      }
    }
  }

  // From what they have to what their files say, until nobody can move any more: then those who
  // did not are in a clash that asking again would not solve.
  void move_running_servers() {
    bool any = true;
    while (any) {
      any = false;
      for (const auto& id : wanted_) {
        if (stays_running(id) && !moved_.contains(id) && try_move(id)) any = true;
      }
    }
  }

  // Moves `id`, together with those who hold what it asks for and would give it up: two servers
  // can swap their bindings, a chain of them can shift by one. All of them move, or none.
  bool try_move(const std::string& id) {
    std::set<std::string> group;
    std::vector<std::string> todo = {id};
    std::map<BindingKey, std::string> asked;
    while (!todo.empty()) {
      const std::string mover = std::move(todo.back());
      todo.pop_back();
      if (!group.insert(mover).second) continue;
      if (conditions_.cannot_start.contains(mover)) return false;
      for (const Binding& binding : defined_.at(mover)->bindings) {
        const BindingKey key = key_of(binding);
        const auto [first, is_new] = asked.emplace(key, mover);
        if ((!is_new && first->second != mover) || !can_open(key)) return false;
        const auto owner = owners_.find(key);
        if (owner == owners_.end() || owner->second.server == mover) continue;
        if (keeps(owner->second.server, key)) return false;
        todo.push_back(owner->second.server);
      }
    }
    for (const auto& mover : group) release_all(mover);
    for (const auto& mover : group) take_all(mover, defined_.at(mover)->bindings);
    moved_.insert(group.begin(), group.end());
    return true;
  }

  // Its owner will not give it up: it has moved to it, or would keep it when it moves.
  bool keeps(const std::string& id, const BindingKey& key) const {
    const auto& bindings = defined_.at(id)->bindings;
    return std::any_of(bindings.begin(), bindings.end(),
                       [&](const Binding& binding) { return key_of(binding) == key; });
  }

  // A socket we hold needs no opening.
  bool can_open(const BindingKey& key) const {
    return old_.sockets_.contains(key) || !conditions_.cannot_open.contains(key);
  }

  // Why `id` cannot start, or cannot have what its file asks for; empty when it can.
  std::string find_obstacle(const std::string& id) const {
    for (const auto* reasons : {&conditions_.must_stop, &conditions_.cannot_start}) {
      if (const auto found = reasons->find(id); found != reasons->end()) return found->second;
    }
    for (const Binding& binding : defined_.at(id)->bindings) {
      const BindingKey key = key_of(binding);
      const auto owner = owners_.find(key);
      if (owner != owners_.end() && owner->second.server != id) {
        return fmt::format("binding {} of virtual server {} ({}) belongs to virtual server {} ({})",
                           key.to_string(), id, binding.place.to_string(), owner->second.server,
                           owner->second.binding->place.to_string());
      }
      if (!can_open(key)) {
        return fmt::format("binding {} ({}): {}", key.to_string(), binding.place.to_string(),
                           conditions_.cannot_open.at(key));
      }
    }
    return {};
  }

  void release_all(const std::string& id) {
    for (const Binding& binding : old_server(id)->bindings) owners_.erase(key_of(binding));
  }

  void take_all(const std::string& id, const std::vector<Binding>& bindings) {
    for (const Binding& binding : bindings) owners_.emplace(key_of(binding), Claim{id, &binding});
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
        // It could not start where its file wants it: it stays at home.
        if (conditions_.cannot_start.contains(id)) {
          entry.home_directory = old_server(id)->home_directory;
        }
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
  std::set<std::string> moved_;                 // running, have what their files ask for
  std::map<std::string, std::string> flagged_;  // running, keep their old bindings: why
  std::map<std::string, std::string> refused_;  // not running, cannot start: why
  Owners owners_;
};

ReloadPlan plan_reload(const BindingTable& running, const ConfigSnapshot& snapshot,
                       const PlanConditions& conditions) {
  return ReloadPlanner(running, snapshot, conditions).run();
}

}  // namespace mailroot::config
