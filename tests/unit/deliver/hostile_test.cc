// Next hops that refuse, stall, die, lie (threats 39, 40): bounded, deferred, others not blocked.
#include "world.h"

using namespace mailroot;
using namespace mailroot::deliver::test;

namespace {

// One bad host and one good one; the bad host's mail must be deferred and the good one's arrive.
SinkRules bad_rules;
std::string expected_code;

reactor::task<void> meet_bad_host(World& world) {
  world.settings->delivery.outbound_timeout = 100ms;
  world.settings->delivery.retry_intervals = {1h};
  Sink& bad = world.add_sink(2, bad_rules);
  Sink& good = world.add_sink(3, {});
  world.resolver.set("bad.example", {{10, "127.0.0.2"}});
  world.resolver.set("good.example", {{10, "127.0.0.3"}});
  const QueueId id = world.send({"bob@bad.example"}, kContent);
  world.send({"bob@good.example"}, kContent);
  const bool deferred =
      co_await world.wait_for([&world] { return world.log.count("deferred") > 0; });
  CHECK(deferred);
  CHECK(world.spool.at(id).status == "W");
  CHECK(bad.messages.empty());
  const bool arrived = co_await world.wait_for([&good] { return good.messages.size() == 1; });
  CHECK(arrived);
  if (!expected_code.empty()) CHECK(world.log.field("deferred", "enhanced") == expected_code);
  const bool closed = co_await world.wait_for([&bad] { return bad.open == 0; });
  CHECK(closed);
}

void meet(const std::string& verb, Answer answer, const std::string& code) {
  CAPTURE(verb);
  CAPTURE(answer.text);
  bad_rules = SinkRules();
  bad_rules.answers[verb] = {std::move(answer)};
  expected_code = code;
  run_world(meet_bad_host);
}

}  // namespace

TEST_CASE("silence at each verb") {
  for (const std::string verb : {"GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END"}) {
    meet(verb, {.text = "", .close = false, .stall = true}, "4.4.2");
  }
}

TEST_CASE("closing at each verb") {
  for (const std::string verb : {"GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END"}) {
    meet(verb, {.text = "", .close = true, .stall = false}, "4.4.2");
  }
}

TEST_CASE("half a reply, then silence") {
  for (const std::string verb : {"GREETING", "EHLO", "END"}) {
    meet(verb, {.text = "250-half a rep", .close = false, .stall = true}, "");
  }
}

TEST_CASE("garbage") {
  meet("GREETING", {.text = "\x16\x03\x01 this is not SMTP\r\n", .close = false, .stall = true},
       "4.5.0");
  meet("GREETING", {.text = "HTTP/1.1 400 Bad Request\r\n\r\n", .close = true, .stall = false},
       "4.5.0");
  meet("MAIL", {.text = std::string("250 \0ok\r\n", 9), .close = false, .stall = true}, "4.5.0");
  meet("RCPT", {.text = "354 too early\r\n", .close = false, .stall = true}, "4.5.0");
  meet("END", {.text = "220 hello again\r\n", .close = false, .stall = true}, "4.5.0");
  meet("EHLO", {.text = "250-a\r\n550 b\r\n", .close = false, .stall = true}, "4.5.0");
}

TEST_CASE("endless lines and endless replies") {
  meet("GREETING", {.text = "220 " + std::string(200 * 1024, 'x'), .close = false, .stall = true},
       "4.5.0");
  std::string endless;
  for (int i = 0; i < 100'000; ++i) endless += "220-and on\r\n";
  meet("GREETING", {.text = endless, .close = false, .stall = true}, "4.5.0");
  meet("MAIL", {.text = endless, .close = false, .stall = true}, "4.5.0");
}

TEST_CASE("421 at each verb") {
  for (const std::string verb : {"GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END"}) {
    meet(verb, {.text = "421 4.3.2 closing\r\n", .close = true, .stall = false}, "4.3.2");
  }
}

TEST_CASE("death in the middle of the content: whole again, never cut short") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rules;
    rules.close_in_content = 20'000;
    Sink& sink = world.add_sink(2, rules);
    world.use_smart_hosts({"127.0.0.2"});
    std::string content = "Subject: long\r\n\r\n";
    for (int i = 0; i < 20'000; ++i) content += "line " + std::to_string(i) + "\r\n";
    world.send({"bob@far.example"}, content);
    const bool deferred =
        co_await world.wait_for([&world] { return world.log.count("deferred") > 0; });
    CHECK(deferred);
    CHECK(sink.messages.empty());
    sink.rules.close_in_content = 0;
    co_await world.settle_all();
    REQUIRE(sink.messages.size() == 1);
    CHECK(sink.messages[0].content == content);
  });
}

TEST_CASE("a lost final reply is tried again, not at another host at once") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rules;
    rules.answers["END"] = {{.text = "", .close = true, .stall = false}};
    world.add_sink(2, rules);
    Sink& second = world.add_sink(3, {});
    world.resolver.set("far.example", {{10, "127.0.0.2"}, {20, "127.0.0.3"}});
    world.settings->delivery.retry_intervals = {1h};
    world.send({"bob@far.example"}, kContent);
    const bool deferred =
        co_await world.wait_for([&world] { return world.log.count("deferred") > 0; });
    CHECK(deferred);
    CHECK(second.connections == 0);
  });
}

TEST_CASE("a content that cannot be read is deferred, and the peer gets no end of data") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, {});
    world.use_smart_hosts({"127.0.0.2"});
    world.settings->delivery.retry_intervals = {1h};
    const std::string content = "Subject: x\r\n\r\n" + std::string(400'000, 'x') + "\r\n";
    smtp::Envelope envelope = World::envelope({"bob@far.example"});
    world.start();
    const QueueId id = world.spool.put(envelope, content);
    world.spool.unreadable_after[id] = 20;
    world.dispatcher->admit(id, envelope, "", world.spool.at(id).times, content.size());
    const bool deferred =
        co_await world.wait_for([&world] { return world.log.count("deferred") > 0; });
    CHECK(deferred);
    CHECK(sink.messages.empty());
  });
}

TEST_CASE("bare line feeds are never sent by DATA") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, {});
    world.use_smart_hosts({"127.0.0.2"});
    const QueueId id = world.send({"bob@far.example"}, "Subject: x\r\n\r\na\n.\nb\r\n");
    const bool done = co_await world.wait_for([&world, id] { return world.spool.at(id).done; });
    CHECK(done);
    CHECK(world.spool.at(id).status == "B");
    co_await world.settle_all();
    REQUIRE(sink.messages.size() == 1);  // the report
    CHECK(sink.messages[0].mail.starts_with("MAIL FROM:<>"));
  });
}

TEST_CASE("an idle connection closed by the peer costs no attempt") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rules;
    rules.close_after_messages = 1;
    Sink& sink = world.add_sink(2, rules);
    world.use_smart_hosts({"127.0.0.2"});
    for (int i = 0; i < 10; ++i) {
      const QueueId id = world.send({"bob@far.example"}, kContent);
      const bool done = co_await world.wait_for([&world, id] { return world.spool.at(id).done; });
      CHECK(done);
    }
    CHECK(sink.messages.size() == 10);
    CHECK(world.log.count("deferred") == 0);
  });
}

TEST_CASE("300 messages to dead hosts delay nobody") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules silent;
    silent.answers["GREETING"] = {{.text = "", .close = false, .stall = true}};
    world.add_sink(2, silent);
    Sink& good = world.add_sink(3, {});
    world.settings->delivery.retry_intervals = {1h};
    world.settings->delivery.outbound_timeout = 2s;
    world.resolver.set("good.example", {{10, "127.0.0.3"}});
    for (int i = 0; i < 300; ++i) {
      const std::string domain = "dead" + std::to_string(i) + ".example";
      world.resolver.set(domain, {{10, i % 2 ? "127.0.0.2" : "127.0.0.9"}});
      world.send({"bob@" + domain}, kContent);
    }
    const Instant began = world.reactor.now();
    world.send({"bob@good.example"}, kContent);
    const bool arrived = co_await world.wait_for([&good] { return good.messages.size() == 1; });
    CHECK(arrived);
    MESSAGE("waited ms: " << (world.reactor.now() - began) / 1ms);
  });
}
