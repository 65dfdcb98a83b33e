#include "mailroot/config/binding_table.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "plans.h"

namespace mailroot::config {

BindingKey key(std::string_view text) {
  if (text.starts_with("*:")) {
    return {std::nullopt, static_cast<uint16_t>(std::stoi(std::string(text.substr(2))))};
  }
  const auto address = SocketAddress::parse(text);
  REQUIRE(address.has_value());
  return {address->ip, address->port};
}

std::string short_name(const BindingKey& binding) {
  return binding.is_wildcard() ? fmt::format("*:{}", binding.port) : binding.to_string();
}

ConfigSnapshot sketch(const std::vector<ServerSketch>& servers) {
  ConfigSnapshot snapshot;
  for (const auto& server : servers) {
    auto out = std::make_shared<VirtualServer>();
    out->id = server.id;
    out->autostart = server.autostart;
    out->home_directory = "/home/" + server.id;
    out->content_digest = server.note;
    int line = 1;
    for (const auto& text : server.bindings) {
      const BindingKey binding = key(text);
      Binding made;
      made.address = binding.address;
      made.port = binding.port;
      made.place = {server.id + ".yaml", line++, 1};
      out->bindings.push_back(std::move(made));
      out->content_digest += "," + text;
    }
    snapshot.servers.push_back(std::move(out));
  }
  return snapshot;
}

std::string summary(const ReloadPlan& plan) {
  std::string out;
  for (const auto& server : plan.servers) {
    out += fmt::format("{}{} {}", out.empty() ? "" : "; ", server.server, to_string(server.action));
    for (const auto& k : server.keep) out += " keep " + short_name(k);
    for (const auto& k : server.open) out += " open " + short_name(k);
    for (const auto& a : server.adopt) out += " adopt " + short_name(a.key) + "<" + a.from;
    for (const auto& k : server.hand_over) out += " hand over " + short_name(k);
    for (const auto& k : server.close) out += " close " + short_name(k);
  }
  return out;
}

namespace {

BindingTable started(const std::vector<ServerSketch>& servers) {
  return plan_reload(BindingTable(), sketch(servers), {}).next;
}

ReloadPlan reloaded(const BindingTable& table, const std::vector<ServerSketch>& servers,
                    const PlanConditions& conditions = {}) {
  return plan_reload(table, sketch(servers), conditions);
}

std::string owner(const BindingTable& table, std::string_view local) {
  const BindingKey asked = key(local);
  const auto found = table.owner_of(*asked.address, asked.port);
  if (!found) return "nobody";
  return std::string(found->server) + (found->listening ? "" : " (not listening)");
}

}  // namespace

TEST_CASE("cold start: a wildcard beside a specific address is no clash") {
  const auto plan = reloaded({}, {{"a", {"*:25"}}, {"b", {"10.0.0.1:25", "[2001:db8::1]:25"}}});
  CHECK(summary(plan) == "a start open *:25; b start open 10.0.0.1:25 open [2001:db8::1]:25");
  CHECK(owner(plan.next, "10.0.0.1:25") == "b");
  CHECK(owner(plan.next, "10.0.0.2:25") == "a");
  CHECK(owner(plan.next, "[2001:db8::2]:25") == "a");
  CHECK(owner(plan.next, "10.0.0.1:26") == "nobody");
}

TEST_CASE("cold start: the first in name order has the binding, the other does not start") {
  const auto plan = reloaded({}, {{"a", {"10.0.0.1:25"}},
                                  {"b", {"10.0.0.2:25", "10.0.0.1:25"}},
                                  {"c", {"10.0.0.2:25"}},
                                  {"d", {"*:25"}},
                                  {"e", {"*:25"}}});
  // b gets nothing, so c may have what b also wanted.
  CHECK(summary(plan) ==
        "a start open 10.0.0.1:25; b cannot start; c start open 10.0.0.2:25; d start open *:25; "
        "e cannot start");
  CHECK(plan.find("b")->reason ==
        "binding 10.0.0.1:25 of virtual server b (b.yaml:2:1) belongs to virtual server a "
        "(a.yaml:1:1)");
  CHECK(plan.find("e")->reason ==
        "binding all-unassigned:25 of virtual server e (e.yaml:1:1) belongs to virtual server d "
        "(d.yaml:1:1)");
  CHECK(plan.next.servers().at("b").standing == Standing::failed);
  CHECK(owner(plan.next, "10.0.0.2:25") == "c");
}

TEST_CASE("a reload without changes touches nothing") {
  const std::vector<ServerSketch> servers = {
      {"a", {"*:25"}}, {"b", {"10.0.0.1:25"}}, {"c", {"*:26"}, false}};
  const auto plan = reloaded(started(servers), servers);
  CHECK(summary(plan) == "a keep keep *:25; b keep keep 10.0.0.1:25; c stay stopped");
  CHECK(plan.changes_nothing());
}

TEST_CASE("other settings: retuned, its bindings untouched") {
  const auto plan = reloaded(started({{"a", {"*:25"}}}), {{"a", {"*:25"}, true, "new"}});
  CHECK(summary(plan) == "a retune keep *:25");
  CHECK_FALSE(plan.changes_nothing());
  CHECK_FALSE(plan.find("a")->home_changed);
}

TEST_CASE("a binding added, a binding removed") {
  const auto plan =
      reloaded(started({{"a", {"10.0.0.1:25", "10.0.0.2:25"}}}), {{"a", {"10.0.0.2:25", "*:26"}}});
  CHECK(summary(plan) == "a retune keep 10.0.0.2:25 open *:26 close 10.0.0.1:25");
}

TEST_CASE("the running server keeps its binding against a newcomer with an earlier name") {
  const auto table = started({{"m", {"10.0.0.1:25"}}});
  const auto plan = reloaded(table, {{"a", {"10.0.0.1:25"}}, {"m", {"10.0.0.1:25"}}});
  CHECK(summary(plan) == "a cannot start; m keep keep 10.0.0.1:25");
  // It is tried again at every reload, and starts when the way is free.
  const auto again = reloaded(plan.next, {{"a", {"10.0.0.1:25"}}, {"m", {"10.0.0.2:25"}}});
  CHECK(summary(again) ==
        "a start adopt 10.0.0.1:25<m; m retune open 10.0.0.2:25 hand over 10.0.0.1:25");
}

TEST_CASE("a running server edited into a clash keeps its old bindings and is flagged") {
  const auto table = started({{"a", {"10.0.0.1:25"}}, {"b", {"10.0.0.2:25"}}});
  const auto plan =
      reloaded(table, {{"a", {"10.0.0.2:25", "10.0.0.3:25"}}, {"b", {"10.0.0.2:25"}}});
  CHECK(summary(plan) == "a retune keep 10.0.0.1:25; b keep keep 10.0.0.2:25");
  CHECK(plan.find("a")->reason.contains("belongs to virtual server b (b.yaml:1:1)"));
  // Nothing changes while the file stays wrong; once it is right the flag is gone.
  const auto same =
      reloaded(plan.next, {{"a", {"10.0.0.2:25", "10.0.0.3:25"}}, {"b", {"10.0.0.2:25"}}});
  CHECK(same.changes_nothing());
  const auto right = reloaded(plan.next, {{"a", {"10.0.0.3:25"}}, {"b", {"10.0.0.2:25"}}});
  CHECK(summary(right) == "a retune open 10.0.0.3:25 close 10.0.0.1:25; b keep keep 10.0.0.2:25");
  CHECK(right.find("a")->reason.empty());
}

TEST_CASE("what a flagged server keeps is not free for others") {
  const auto table = started({{"a", {"10.0.0.1:25"}}, {"b", {"10.0.0.2:25"}}});
  // a wants b's and would free its own, which c (new) and b (running) count on.
  const auto plan = reloaded(
      table,
      {{"a", {"10.0.0.2:25"}}, {"b", {"10.0.0.2:25", "10.0.0.1:25"}}, {"c", {"10.0.0.1:25"}}});
  CHECK(summary(plan) == "a retune keep 10.0.0.1:25; b retune keep 10.0.0.2:25; c cannot start");
  CHECK(plan.find("b")->reason.contains("belongs to virtual server a"));
  CHECK(plan.find("c")->reason.contains("belongs to virtual server a"));
}

TEST_CASE("two running servers swap their bindings") {
  const auto table = started({{"a", {"10.0.0.1:25"}}, {"b", {"10.0.0.2:25"}}});
  const auto plan = reloaded(table, {{"a", {"10.0.0.2:25"}}, {"b", {"10.0.0.1:25"}}});
  CHECK(summary(plan) ==
        "a retune adopt 10.0.0.2:25<b hand over 10.0.0.1:25; "
        "b retune adopt 10.0.0.1:25<a hand over 10.0.0.2:25");
}

TEST_CASE("a freed specific address goes to the wildcard's server, and comes back") {
  const auto table = started({{"a", {"*:25"}}, {"b", {"10.0.0.1:25", "10.0.0.1:26"}}});
  const auto removed = reloaded(table, {{"a", {"*:25"}}});
  // No wildcard on 26: that one is drained and closed.
  CHECK(summary(removed) ==
        "a keep keep *:25 adopt 10.0.0.1:25<b; b stop hand over 10.0.0.1:25 close 10.0.0.1:26");
  CHECK_FALSE(removed.changes_nothing());
  CHECK(owner(removed.next, "10.0.0.1:25") == "a");
  CHECK(removed.next.holder_of(key("10.0.0.1:25")) == "a");
  CHECK(reloaded(removed.next, {{"a", {"*:25"}}}).changes_nothing());

  const auto back = reloaded(removed.next, {{"a", {"*:25"}}, {"c", {"10.0.0.1:25"}}});
  CHECK(summary(back) == "a keep keep *:25 hand over 10.0.0.1:25; c start adopt 10.0.0.1:25<a");
  CHECK(owner(back.next, "10.0.0.1:25") == "c");

  const auto gone = reloaded(removed.next, {});
  CHECK(summary(gone) == "a stop close *:25 close 10.0.0.1:25");
}

TEST_CASE("adopted sockets follow the wildcard to its next server") {
  const auto table = started({{"a", {"*:25"}}, {"b", {"10.0.0.1:25"}}});
  const auto adopted = reloaded(table, {{"a", {"*:25"}}}).next;
  const auto plan = reloaded(adopted, {{"z", {"*:25"}}});
  CHECK(summary(plan) ==
        "a stop hand over *:25 hand over 10.0.0.1:25; z start adopt *:25<a adopt 10.0.0.1:25<a");
}

TEST_CASE("clients of a stopped server's address are not the wildcard's") {
  const std::vector<ServerSketch> servers = {{"a", {"*:25"}}, {"b", {"10.0.0.1:25"}}};
  PlanConditions stop;
  stop.stop = {"b"};
  const auto stopped = reloaded(started(servers), servers, stop);
  CHECK(summary(stopped) == "a keep keep *:25; b stop close 10.0.0.1:25");
  CHECK(owner(stopped.next, "10.0.0.1:25") == "b (not listening)");
  CHECK(owner(stopped.next, "10.0.0.2:25") == "a");
  // A reload leaves it stopped; told to start, it starts.
  const auto still = reloaded(stopped.next, servers);
  CHECK(still.changes_nothing());
  PlanConditions start;
  start.start = {"b"};
  CHECK(summary(reloaded(stopped.next, servers, start)) ==
        "a keep keep *:25; b start open 10.0.0.1:25");
  // Removed for good: the address is the wildcard's again.
  const auto removed = reloaded(stopped.next, {{"a", {"*:25"}}});
  CHECK(summary(removed) == "a keep keep *:25; b forget");
  CHECK(owner(removed.next, "10.0.0.1:25") == "a");
}

TEST_CASE("a listening server's claim comes before a stopped one's on the same address") {
  const auto table =
      started({{"a", {"10.0.0.1:25"}, false}, {"b", {"10.0.0.1:25"}}, {"c", {"*:25"}}});
  CHECK(owner(table, "10.0.0.1:25") == "b");
  PlanConditions start;
  start.start = {"a"};
  const auto plan = reloaded(
      table, {{"a", {"10.0.0.1:25"}, false}, {"b", {"10.0.0.1:25"}}, {"c", {"*:25"}}}, start);
  CHECK(plan.find("a")->action == ServerAction::cannot_start);
  CHECK(plan.find("b")->action == ServerAction::keep);
}

TEST_CASE("a stopped wildcard server's clients are nobody else's") {
  const std::vector<ServerSketch> servers = {{"a", {"*:25"}}, {"b", {"10.0.0.1:25"}}};
  PlanConditions stop;
  stop.stop = {"a"};
  const auto plan = reloaded(started(servers), servers, stop);
  CHECK(summary(plan) == "a stop close *:25; b keep keep 10.0.0.1:25");
  CHECK(owner(plan.next, "10.0.0.9:25") == "a (not listening)");
}

TEST_CASE("autostart counts for new servers only") {
  const auto table = started({{"a", {"*:25"}, false}});
  CHECK(table.servers().at("a").standing == Standing::stopped);
  CHECK(reloaded(table, {{"a", {"*:25"}, true}}).find("a")->action == ServerAction::stay_stopped);
  const auto running = started({{"a", {"*:25"}, true}});
  CHECK(reloaded(running, {{"a", {"*:25"}, false, "x"}}).find("a")->action == ServerAction::retune);
}

TEST_CASE("a binding that cannot be opened stops a newcomer and flags a running server") {
  PlanConditions busy;
  busy.cannot_open[key("10.0.0.9:25")] = "address in use";
  const auto table = started({{"a", {"10.0.0.1:25"}}});
  const auto plan =
      reloaded(table, {{"a", {"10.0.0.9:25"}}, {"b", {"10.0.0.2:25", "10.0.0.9:25"}}}, busy);
  CHECK(summary(plan) == "a retune keep 10.0.0.1:25; b cannot start");
  CHECK(plan.find("a")->reason == "binding 10.0.0.9:25 (a.yaml:1:1): address in use");
  CHECK(plan.find("b")->reason == "binding 10.0.0.9:25 (b.yaml:2:1): address in use");
  // What we hold needs no opening.
  busy.cannot_open[key("10.0.0.1:25")] = "address in use";
  CHECK(summary(reloaded(table, {{"b", {"10.0.0.1:25"}}}, busy)) ==
        "a stop hand over 10.0.0.1:25; b start adopt 10.0.0.1:25<a");
}

TEST_CASE("a server that cannot start for other reasons, and one that must stop") {
  PlanConditions conditions;
  conditions.cannot_start = {{"a", "home is on NFS"}, {"b", "home is read-only"}};
  const std::vector<ServerSketch> servers = {{"a", {"10.0.0.1:25"}}, {"b", {"10.0.0.2:25"}}};
  const auto table = started({{"a", {"10.0.0.1:25"}}});
  const auto plan = reloaded(table, servers, conditions);
  CHECK(summary(plan) == "a retune keep 10.0.0.1:25; b cannot start");
  CHECK(plan.find("a")->reason == "home is on NFS");
  CHECK(plan.find("b")->reason == "home is read-only");

  PlanConditions lost;
  lost.must_stop = {{"a", "home is lost"}};
  const auto stopped = reloaded(table, {{"a", {"10.0.0.1:25"}}}, lost);
  CHECK(summary(stopped) == "a stop close 10.0.0.1:25");
  CHECK(stopped.find("a")->reason == "home is lost");
  CHECK(stopped.next.servers().at("a").standing == Standing::failed);
  CHECK(summary(reloaded(stopped.next, {{"a", {"10.0.0.1:25"}}})) == "a start open 10.0.0.1:25");
}

TEST_CASE("told to start and to stop at once: stops; unknown ids are ignored") {
  PlanConditions both;
  both.start = {"a", "ghost"};
  both.stop = {"a", "ghost"};
  const auto plan = reloaded(started({{"a", {"*:25"}}}), {{"a", {"*:25"}}}, both);
  CHECK(summary(plan) == "a stop close *:25");
}

TEST_CASE("a changed home is told") {
  const auto table = started({{"a", {"*:25"}}});
  ConfigSnapshot snapshot = sketch({{"a", {"*:25"}, true, "moved"}});
  auto moved = std::make_shared<VirtualServer>(*snapshot.servers[0]);
  moved->home_directory = "/elsewhere";
  snapshot.servers[0] = moved;
  const auto plan = plan_reload(table, snapshot, {});
  CHECK(plan.find("a")->action == ServerAction::retune);
  CHECK(plan.find("a")->home_changed);

  // It cannot start there: it stays, says why, and moves when it can.
  PlanConditions bad;
  bad.cannot_start = {{"a", "/elsewhere is no directory"}};
  const auto stays = plan_reload(table, snapshot, bad);
  CHECK(stays.find("a")->action == ServerAction::retune);
  CHECK_FALSE(stays.find("a")->home_changed);
  CHECK(stays.find("a")->reason == "/elsewhere is no directory");
  CHECK_FALSE(plan_reload(stays.next, snapshot, bad).find("a")->home_changed);
  CHECK(plan_reload(stays.next, snapshot, {}).find("a")->home_changed);
}

}  // namespace mailroot::config
