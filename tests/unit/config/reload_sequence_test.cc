// Random sequences of reloads, stops, starts and failures against what must always hold.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "plans.h"

namespace mailroot::config {

namespace {

constexpr int kSeeds = 400;
constexpr int kStepsPerSeed = 40;

const std::vector<std::string> kIds = {"a", "b", "c", "d", "e"};
const std::vector<std::string> kKeys = {"*:25",     "10.0.0.1:25", "10.0.0.2:25", "10.0.0.3:25",
                                        "[::1]:25", "*:26",        "10.0.0.1:26"};

class Sequence {
 public:
  explicit Sequence(uint32_t seed) : random_(seed) {}

  void step() {
    const ConfigSnapshot snapshot = draw_snapshot();
    const PlanConditions conditions = draw_conditions();
    const ReloadPlan plan = plan_reload(table_, snapshot, conditions);
    check_sockets(plan);
    check_servers(plan, snapshot, conditions);
    check_owners(plan.next);
    check_repeat(plan, snapshot, conditions);
    table_ = plan.next;
  }

 private:
  bool one_in(int n) { return std::uniform_int_distribution<int>(1, n)(random_) == 1; }

  ConfigSnapshot draw_snapshot() {
    for (const auto& id : kIds) {
      if (!one_in(3) && config_.contains(id)) continue;
      ServerSketch server{id, {}, !one_in(5), one_in(2) ? "x" : "y"};
      for (const auto& k : kKeys) {
        if (one_in(4)) server.bindings.push_back(k);
      }
      config_.erase(id);
      if (!server.bindings.empty() && !one_in(6)) config_.emplace(id, server);
    }
    std::vector<ServerSketch> servers;
    for (const auto& [id, server] : config_) servers.push_back(server);
    return sketch(servers);
  }

  PlanConditions draw_conditions() {
    PlanConditions out;
    for (const auto& id : kIds) {
      if (one_in(10)) out.start.insert(id);
      if (one_in(10)) out.stop.insert(id);
      if (one_in(20)) out.cannot_start[id] = "cannot";
      if (one_in(30)) out.must_stop[id] = "must";
    }
    for (const auto& k : kKeys) {
      if (one_in(20)) out.cannot_open[key(k)] = "busy";
    }
    return out;
  }

  // Every old socket is kept, handed over or closed, once; every new one kept, adopted or opened.
  void check_sockets(const ReloadPlan& plan) const {
    std::map<BindingKey, std::string> after;
    size_t gone = 0;
    const auto take = [&](const BindingKey& k, const std::string& server) {
      CHECK_MESSAGE(after.emplace(k, server).second, short_name(k) << " is held twice");
    };
    for (const auto& server : plan.servers) {
      for (const auto& k : server.keep) {
        CHECK(table_.holder_of(k) == server.server);
        take(k, server.server);
      }
      for (const auto& k : server.open) {
        CHECK(table_.holder_of(k).empty());
        take(k, server.server);
      }
      for (const auto& [k, from] : server.adopt) {
        CHECK(table_.holder_of(k) == from);
        CHECK(from != server.server);
        const auto& left = plan.find(from)->hand_over;
        CHECK(std::count(left.begin(), left.end(), k) == 1);
        take(k, server.server);
      }
      for (const auto& k : server.hand_over) CHECK(table_.holder_of(k) == server.server);
      for (const auto& k : server.close) {
        CHECK(table_.holder_of(k) == server.server);
        CHECK(plan.next.holder_of(k).empty());
        ++gone;
      }
    }
    CHECK(after == plan.next.sockets());
    size_t kept = 0;
    for (const auto& [k, holder] : table_.sockets()) kept += after.contains(k) ? 1 : 0;
    CHECK(kept + gone == table_.sockets().size());
  }

  void check_servers(const ReloadPlan& plan, const ConfigSnapshot& snapshot,
                     const PlanConditions& conditions) const {
    CHECK(plan.next.servers().size() == snapshot.servers.size());
    for (const auto& file : snapshot.servers) {
      const auto& next = plan.next.servers().at(file->id);
      const auto old = table_.servers().find(file->id);
      const bool ran = old != table_.servers().end() && old->second.standing == Standing::listening;
      const bool stops =
          conditions.stop.contains(file->id) || conditions.must_stop.contains(file->id);
      if (ran && !stops) check_still_running(plan, old->second, *file, next);
      if (stops) CHECK(next.standing != Standing::listening);
      if (next.standing == Standing::failed) CHECK_FALSE(next.reason.empty());
      if (next.standing != Standing::listening) continue;
      // All or nothing: it holds each binding it claims, and each that it opens can be opened.
      for (const auto& binding : next.bindings) {
        CHECK(plan.next.holder_of(key_of(binding)) == file->id);
      }
      for (const auto& k : plan.find(file->id)->open) {
        CHECK_FALSE(conditions.cannot_open.contains(k));
      }
      if (!ran) CHECK(next.bindings == file->bindings);
    }
  }

  // A reload never stops a running server, and never takes from it what its file still asks for.
  void check_still_running(const ReloadPlan& plan, const BindingTable::Server& old,
                           const VirtualServer& file, const BindingTable::Server& next) const {
    REQUIRE(next.standing == Standing::listening);
    const bool is_new = next.bindings == file.bindings;
    const bool is_old = next.bindings == old.bindings;
    CHECK((is_new || is_old));
    if (!is_new) CHECK_FALSE(next.reason.empty());
    for (const auto& binding : old.bindings) {
      const bool asked =
          std::find(file.bindings.begin(), file.bindings.end(), binding) != file.bindings.end();
      if (!asked) continue;
      const auto& keep = plan.find(file.id)->keep;
      CHECK(std::count(keep.begin(), keep.end(), key_of(binding)) == 1);
    }
  }

  // A socket's holder is its owner: nobody is served by a server that does not claim him.
  void check_owners(const BindingTable& table) const {
    for (const auto& [k, holder] : table.sockets()) {
      if (k.is_wildcard()) continue;
      const auto owner = table.owner_of(*k.address, k.port);
      REQUIRE(owner.has_value());
      CHECK(owner->server == holder);
      CHECK(owner->listening);
    }
  }

  // The same again changes nothing, however odd the state is.
  void check_repeat(const ReloadPlan& plan, const ConfigSnapshot& snapshot,
                    PlanConditions conditions) const {
    conditions.start.clear();
    const ReloadPlan again = plan_reload(plan.next, snapshot, conditions);
    for (const auto& server : again.servers) {
      CHECK(server.close.empty());
      CHECK(server.hand_over.empty());
      CHECK(server.adopt.empty());
      CHECK(server.open.empty());
    }
  }

  std::mt19937 random_;
  std::map<std::string, ServerSketch> config_;
  BindingTable table_;
};

}  // namespace

TEST_CASE("whatever is reloaded, no address is held twice and no unchanged binding moves") {
  for (int seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    Sequence sequence(static_cast<uint32_t>(seed));
    for (int i = 0; i < kStepsPerSeed; ++i) sequence.step();
  }
}

}  // namespace mailroot::config
