// Deferral and what the queue makes of it, seen from outside.
#include "world.h"

using namespace mailroot;
using namespace mailroot::deliver::test;

TEST_CASE("4yz at each stage is tried again until it works, each recipient once") {
  for (const std::string verb : {"MAIL", "RCPT", "DATA", "END"}) {
    CAPTURE(verb);
    static std::string at;
    at = verb;
    run_world([](World& world) -> reactor::task<void> {
      SinkRules rules;
      rules.answers[at] = {{.text = "451 4.3.0 later\r\n"}};
      Sink& sink = world.add_sink(2, rules);
      world.use_smart_hosts({"127.0.0.2"});
      const QueueId id = world.send({"a@far.example", "b@far.example"}, kContent);
      const bool twice =
          co_await world.wait_for([&world] { return world.log.count("deferred") >= 4; });
      CHECK(twice);
      sink.rules.answers.clear();
      co_await world.settle_all();
      REQUIRE(sink.messages.size() == 1);
      CHECK(sink.messages[0].rcpt.size() == 2);
      CHECK(sink.messages[0].content == kContent);
      CHECK(world.spool.at(id).times.attempts >= 3);
      CHECK(world.log.field("delivered", "attempt") ==
            std::to_string(world.spool.at(id).times.attempts));
    });
  }
}

TEST_CASE("a dead host is probed and then gets its backlog") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& placeholder = world.add_sink(2, {});
    static_cast<void>(placeholder);
    world.use_smart_hosts({"127.0.0.3"});
    for (int i = 0; i < 50; ++i) world.send({"bob@far.example"}, kContent);
    const bool failed =
        co_await world.wait_for([&world] { return world.counters.connections_failed.load() >= 3; });
    CHECK(failed);
    CHECK(world.counters.connections_failed.load() <= 6);  // not one per message
    Sink& sink = world.add_sink(3, {});
    co_await world.settle_all();
    CHECK(sink.messages.size() == 50);
  });
}

TEST_CASE("recipients follow a new route at once") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& other = world.add_sink(3, {});
    world.use_smart_hosts({"127.0.0.2"});  // nobody there
    world.settings->delivery.retry_intervals = {1h};
    const QueueId id = world.send({"bob@far.example"}, kContent);
    const bool deferred =
        co_await world.wait_for([&world] { return world.log.count("deferred") > 0; });
    CHECK(deferred);
    auto changed = std::make_shared<config::VirtualServer>(*world.settings);
    changed->delivery.smart_host = {
        {.host = "127.0.0.3", .is_literal = true, .port = world.port, .preset = {}}};
    world.dispatcher->use(changed, std::make_shared<route::Router>(changed));
    co_await world.settle_all();
    CHECK(other.messages.size() == 1);
    CHECK(world.spool.at(id).status == "D");
  });
}

TEST_CASE("mail found again at start keeps its letters, attempts and waits") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, {});
    world.use_smart_hosts({"127.0.0.2"});
    world.start();
    const smtp::Envelope envelope =
        World::envelope({"a@far.example", "b@far.example", "c@far.example"});
    const QueueId id = world.spool.put(envelope, kContent);
    StoredMessage& stored = world.spool.at(id);
    stored.status = "DWB";
    stored.times.attempts = 4;
    stored.times.next_attempt = world.reactor.wall_now() + 200ms;
    const Instant before = world.reactor.now();
    world.dispatcher->admit(id, envelope, stored.status, stored.times, kContent.size());
    co_await world.settle_all();
    CHECK(world.reactor.now() - before >= 200ms);
    REQUIRE(sink.messages.size() == 1);
    CHECK(sink.messages[0].rcpt == std::vector<std::string>{"<b@far.example>"});
    CHECK(world.spool.at(id).status == "DDB");
    CHECK(world.spool.at(id).times.attempts == 5);
  });
}
