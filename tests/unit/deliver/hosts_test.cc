// Which host is tried when: MX order, failover, DNS answers, loops.
#include <algorithm>

#include "world.h"

using namespace mailroot;
using namespace mailroot::deliver::test;

TEST_CASE("hosts are tried by preference; a refused connection means the next") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& backup = world.add_sink(3, {});
    world.resolver.set("far.example", {{10, "127.0.0.2"}, {20, "127.0.0.3"}});
    world.send({"bob@far.example"}, kContent);
    co_await world.settle_all();
    CHECK(backup.messages.size() == 1);
    CHECK(world.log.count("deferred") == 0);
    CHECK(world.log.field("connection", "direction") == "out");
    CHECK(world.counters.connections_failed.load() == 1);
    // Dead for a minute: not asked again.
    world.send({"bob@far.example"}, kContent);
    co_await world.settle_all();
    CHECK(backup.messages.size() == 2);
    CHECK(world.counters.connections_failed.load() == 1);
  });
}

TEST_CASE("4yz and 5yz greetings, and 4yz replies, lead to the next host") {
  static const std::vector<std::pair<std::string, std::string>> kRefusals = {
      {"GREETING", "421 4.3.2 busy\r\n"},   {"GREETING", "554 5.7.1 go away\r\n"},
      {"EHLO", "451 4.3.0 later\r\n"},      {"MAIL", "451 4.7.1 later\r\n"},
      {"RCPT", "450 4.7.1 greylisted\r\n"}, {"DATA", "451 4.3.0 no\r\n"},
      {"END", "452 4.3.1 full\r\n"}};
  for (const auto& [verb, reply] : kRefusals) {
    CAPTURE(verb);
    CAPTURE(reply);
    static std::string at, said;
    at = verb;
    said = reply;
    run_world([](World& world) -> reactor::task<void> {
      SinkRules rude;
      rude.answers[at] = {{.text = said}};
      Sink& first = world.add_sink(2, rude);
      Sink& second = world.add_sink(3, {});
      world.resolver.set("far.example", {{10, "127.0.0.2"}, {20, "127.0.0.3"}});
      const QueueId id = world.send({"bob@far.example"}, kContent);
      co_await world.settle_all();
      CHECK(first.connections == 1);
      CHECK(first.messages.empty());
      REQUIRE(second.messages.size() == 1);
      CHECK(second.messages[0].content == kContent);
      CHECK(world.spool.at(id).times.attempts == 1);
      CHECK(world.log.count("deferred") == 0);
    });
  }
}

TEST_CASE("5yz to the message is final: no other host is asked") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rude;
    rude.answers["MAIL"] = {{.text = "550 5.7.1 not from you\r\n"}};
    world.add_sink(2, rude);
    Sink& second = world.add_sink(3, {});
    world.resolver.set("far.example", {{10, "127.0.0.2"}, {20, "127.0.0.3"}});
    world.resolver.set_failure("sender.example", dns::Failure::server_failure);
    const QueueId id = world.send({"bob@far.example"}, kContent);
    const bool done = co_await world.wait_for([&world, id] { return world.spool.at(id).done; });
    CHECK(done);
    CHECK(world.spool.at(id).status == "B");
    CHECK(second.connections == 0);
    CHECK(world.log.field("bounced", "code") == "550");
    CHECK(world.spool.reports.size() == 1);
  });
}

TEST_CASE("a 554 greeting of every host is final, of one of two it is not") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rude;
    rude.greeting = "554 5.3.2 no mail here\r\n";
    world.add_sink(2, rude);
    Sink& second = world.add_sink(3, rude);
    world.resolver.set("far.example", {{10, "127.0.0.2"}, {20, "127.0.0.3"}});
    world.resolver.set_failure("sender.example", dns::Failure::server_failure);
    const QueueId id = world.send({"bob@far.example"}, kContent);
    const bool done = co_await world.wait_for([&world, id] { return world.spool.at(id).done; });
    CHECK(done);
    CHECK(second.connections == 1);
    CHECK(world.spool.at(id).status == "B");
  });
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rude;
    rude.greeting = "554 5.3.2 no mail here\r\n";
    world.add_sink(2, rude);
    world.resolver.set("far.example", {{10, "127.0.0.2"}, {20, "127.0.0.9"}});  // .9: refused
    const QueueId id = world.send({"bob@far.example"}, kContent);
    const bool tried =
        co_await world.wait_for([&world] { return world.log.count("deferred") > 0; });
    CHECK(tried);
    CHECK_FALSE(world.spool.at(id).done);
  });
}

TEST_CASE("smart hosts in order of preference, with failover") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& second = world.add_sink(3, {});
    world.use_smart_hosts({"127.0.0.2", "127.0.0.3"});
    world.send({"bob@far.example"}, kContent);
    world.send({"eve@elsewhere.example"}, kContent);
    co_await world.settle_all();
    CHECK(second.messages.size() == 2);
    CHECK(world.resolver.asked == 0);
  });
}

TEST_CASE("DNS answers are permanent or temporary exactly as the RFCs say") {
  struct Case {
    dns::Failure failure;
    bool is_permanent;
    std::string code;
  };
  static const std::vector<Case> kCases = {
      {dns::Failure::no_such_domain, true, "5.1.2"}, {dns::Failure::null_mx, true, "5.1.10"},
      {dns::Failure::no_addresses, true, "5.4.4"},   {dns::Failure::alias_mx, true, "5.4.4"},
      {dns::Failure::timed_out, false, "4.4.3"},     {dns::Failure::server_failure, false, "4.4.3"},
      {dns::Failure::bogus, false, "4.7.27"}};
  for (const Case& one : kCases) {
    CAPTURE(one.code);
    static const Case* now = nullptr;
    now = &one;
    run_world([](World& world) -> reactor::task<void> {
      world.resolver.set_failure("far.example", now->failure);
      world.resolver.set_failure("sender.example", dns::Failure::server_failure);
      world.settings->delivery.retry_intervals = {1h};
      const QueueId id = world.send({"bob@far.example"}, kContent);
      const std::string event = now->is_permanent ? "bounced" : "deferred";
      const bool seen =
          co_await world.wait_for([&world, &event] { return world.log.count(event) > 0; });
      CHECK(seen);
      CHECK(world.spool.at(id).done == now->is_permanent);
      for (const auto& line : world.log.events) {
        if (line.name() != event) continue;
        for (const auto& [key, value] : line.fields()) {
          if (key == "enhanced") CHECK(std::get<std::string>(value) == now->code);
        }
        break;
      }
    });
  }
}

TEST_CASE("an unknown smart host defers: it is the administrator's mistake") {
  run_world([](World& world) -> reactor::task<void> {
    world.settings->delivery.smart_host = {
        {.host = "nowhere.example", .is_literal = false, .port = 25, .preset = {}}};
    const QueueId id = world.send({"bob@far.example"}, kContent);
    const bool tried =
        co_await world.wait_for([&world] { return world.log.count("deferred") > 0; });
    CHECK(tried);
    CHECK_FALSE(world.spool.at(id).done);
    CHECK(world.log.field("deferred", "enhanced") == "4.3.5");
  });
}

TEST_CASE("MX hosts at or behind our own preference are dropped; being the best is a loop") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& better = world.add_sink(2, {});
    Sink& own = world.add_sink(3, {});
    Sink& worse = world.add_sink(4, {});
    world.settings->bindings = {
        {.address = IpAddress::parse("127.0.0.3"), .port = world.port, .place = {}}};
    world.resolver.set("good.example", {{10, "127.0.0.2"}, {20, "127.0.0.3"}, {30, "127.0.0.4"}});
    world.resolver.set("loop.example", {{10, "127.0.0.3"}, {20, "127.0.0.4"}});
    world.resolver.set_failure("sender.example", dns::Failure::server_failure);
    const QueueId good = world.send({"bob@good.example"}, kContent);
    const QueueId loop = world.send({"bob@loop.example"}, kContent);
    const bool done = co_await world.wait_for(
        [&] { return world.spool.at(good).done && world.spool.at(loop).done; });
    CHECK(done);
    CHECK(better.messages.size() == 1);
    CHECK(own.connections == 0);
    CHECK(worse.connections == 0);
    CHECK(world.spool.at(loop).status == "B");
    CHECK(world.log.field("bounced", "enhanced") == "5.4.6");
  });
}

TEST_CASE("direct first: the smart host is used when the domain cannot be found or reached") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& smart = world.add_sink(3, {});
    world.use_smart_hosts({"127.0.0.3"});
    world.settings->delivery.attempt_direct_delivery_first = true;
    world.resolver.set("dead.example", {{10, "127.0.0.9"}});
    world.send({"bob@dead.example"}, kContent);
    world.send({"bob@unknown.example"}, kContent);
    co_await world.settle_all();
    CHECK(smart.messages.size() == 2);
  });
}

namespace {

// One message for near.example, whose host answers RCPT so; is the smart host asked for it too?
reactor::task<bool> asks_smart_host_after(World& world, std::string reply) {
  SinkRules rules;
  rules.recipients["<bob@near.example>"] = std::move(reply);
  Sink& direct = world.add_sink(2, std::move(rules));
  Sink& smart = world.add_sink(3, {});
  world.use_smart_hosts({"127.0.0.3"});
  world.settings->delivery.attempt_direct_delivery_first = true;
  world.resolver.set("near.example", {{10, "127.0.0.2"}});
  world.send({"bob@near.example"}, kContent);
  const bool over = co_await world.wait_for(
      [&world] { return world.log.count("deferred") + world.log.count("bounced") > 0; });
  CHECK(over);
  CHECK(direct.connections > 0);
  co_return std::ranges::any_of(smart.commands, [](const std::string& command) {
    return command.find("bob@near.example") != std::string::npos;
  });
}

}  // namespace

TEST_CASE("direct first: what a host of the domain says is not asked of the smart host again") {
  run_world([](World& world) -> reactor::task<void> {
    const bool asked = co_await asks_smart_host_after(world, "451 4.2.1 later\r\n");
    CHECK_FALSE(asked);
    CHECK(world.log.field("deferred", "enhanced") == "4.2.1");
  });
  run_world([](World& world) -> reactor::task<void> {
    const bool asked = co_await asks_smart_host_after(world, "550 5.1.1 nobody\r\n");
    CHECK_FALSE(asked);
    CHECK(world.log.field("bounced", "enhanced") == "5.1.1");
  });
}

TEST_CASE("recipients_limit also divides what goes out") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, {});
    world.use_smart_hosts({"127.0.0.2"});
    world.settings->recipients_limit = 2;
    world.send({"a@x.example", "b@x.example", "c@x.example", "d@x.example", "e@x.example"},
               kContent);
    co_await world.settle_all();
    REQUIRE(sink.messages.size() == 3);
    CHECK(sink.messages[0].rcpt.size() == 2);
    CHECK(sink.messages[1].rcpt.size() == 2);
    CHECK(sink.messages[2].rcpt.size() == 1);
  });
}

TEST_CASE("binding to a local address") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, {});
    world.use_smart_hosts({"127.0.0.2"});
    world.settings->delivery.outbound_bind = {*IpAddress::parse("127.0.0.77")};
    world.send({"bob@far.example"}, kContent);
    co_await world.settle_all();
    CHECK(sink.messages.size() == 1);
  });
  run_world([](World& world) -> reactor::task<void> {
    world.add_sink(2, {});
    world.use_smart_hosts({"127.0.0.2"});
    world.settings->delivery.outbound_bind = {*IpAddress::parse("192.0.2.77")};  // not ours
    world.send({"bob@far.example"}, kContent);
    const bool tried =
        co_await world.wait_for([&world] { return world.log.count("deferred") > 0; });
    CHECK(tried);
    CHECK(world.log.field("deferred", "enhanced") == "4.3.5");
  });
}
