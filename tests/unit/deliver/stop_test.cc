// Stopping at every point: what was under way stays queued or is settled, never both or neither.
#include "world.h"

using namespace mailroot;
using namespace mailroot::deliver::test;

namespace {

std::string stall_at;

reactor::task<void> stop_while_stalled(World& world) {
  SinkRules rules;
  rules.answers[stall_at] = {{.text = "", .close = false, .stall = true}};
  Sink& sink = world.add_sink(2, rules);
  world.use_smart_hosts({"127.0.0.2"});
  const QueueId id = world.send({"bob@far.example"}, kContent);
  const bool reached = co_await world.wait_for([&sink] { return sink.connections == 1; });
  CHECK(reached);
  co_await world.reactor.sleep_until(world.reactor.now() + 50ms, reactor::Wait{});
  co_await world.dispatcher->stop();
  CHECK(world.spool.at(id).status == "W");
  CHECK(world.spool.settlements.empty());
  CHECK(world.dispatcher->queue().counters().messages == 1);
  CHECK(world.dispatcher->queue().counters().in_transaction == 0);
}

}  // namespace

TEST_CASE("a stalled conversation is given up and its mail stays queued") {
  for (const std::string verb : {"GREETING", "EHLO", "MAIL", "RCPT", "DATA"}) {
    CAPTURE(verb);
    stall_at = verb;
    run_world(stop_while_stalled);
  }
}

TEST_CASE("a final reply that comes soon is heard") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rules;
    rules.byte_by_byte = true;
    Sink& sink = world.add_sink(2, rules);
    world.use_smart_hosts({"127.0.0.2"});
    std::vector<QueueId> ids;
    for (int i = 0; i < 20; ++i) ids.push_back(world.send({"bob@far.example"}, kContent));
    const bool some = co_await world.wait_for([&sink] { return sink.messages.size() >= 2; });
    CHECK(some);
    co_await world.dispatcher->stop();
    size_t settled = 0;
    for (const QueueId& id : ids) settled += world.spool.at(id).done;
    CHECK(settled == sink.messages.size());
    CHECK(world.dispatcher->queue().counters().messages == 20 - settled);
  });
}

TEST_CASE("what the next hop has whole is not cut, whichever reply is due") {
  run_world([](World& world) -> reactor::task<void> {
    // With CHUNKING the whole message leaves behind MAIL, whose reply is slow.
    SinkRules rules;
    rules.offers.push_back("CHUNKING");
    rules.answers["MAIL"] = {{.text = "250 2.1.0 ok\r\n", .delay = 300ms}};
    Sink& sink = world.add_sink(2, rules);
    world.use_smart_hosts({"127.0.0.2"});
    const QueueId id = world.send({"bob@far.example"}, kContent);
    const bool reached = co_await world.wait_for([&sink] { return sink.commands.size() == 2; });
    CHECK(reached);  // EHLO, MAIL
    co_await world.dispatcher->stop();
    CHECK(sink.messages.size() == 1);
    CHECK(world.spool.at(id).done);
    CHECK(world.dispatcher->queue().counters().messages == 0);
  });
}

TEST_CASE("idle connections say QUIT") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, {});
    world.use_smart_hosts({"127.0.0.2"});
    world.send({"bob@far.example"}, kContent);
    co_await world.settle_all();
    CHECK(sink.open == 1);
    co_await world.dispatcher->stop();
    CHECK(sink.quits == 1);
  });
}

TEST_CASE("stopping with a report that cannot be stored does not hang") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rules;
    rules.answers["MAIL"] = {{.text = "550 5.7.1 no\r\n"}};
    world.add_sink(2, rules);
    world.use_smart_hosts({"127.0.0.2"});
    world.spool.settle_faults.assign(1000, spool::CommitResult::refused);
    const QueueId id = world.send({"bob@far.example"}, kContent);
    const bool tried =
        co_await world.wait_for([&world] { return world.log.count("unsettled") > 0; });
    CHECK(tried);
    co_await world.dispatcher->stop();
    CHECK(world.spool.at(id).status == "W");
    CHECK(world.dispatcher->queue().counters().messages == 1);
  });
}
