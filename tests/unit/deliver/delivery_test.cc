// The happy paths: one message, many, recipients in batches, local mail.
#include "world.h"

using namespace mailroot;
using namespace mailroot::deliver::test;

TEST_CASE("a message reaches its smart host byte for byte") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, {});
    world.use_smart_hosts({"127.0.0.2"});
    const QueueId id = world.send({"bob@far.example"}, kContent);
    co_await world.settle_all();
    REQUIRE(sink.messages.size() == 1);
    CHECK(sink.messages[0].content == kContent);
    CHECK(sink.messages[0].mail ==
          "MAIL FROM:<ann@sender.example> SIZE=" + std::to_string(kContent.size()));
    CHECK(sink.messages[0].rcpt == std::vector<std::string>{"<bob@far.example>"});
    CHECK(world.spool.at(id).status == "D");
    CHECK(world.log.count("delivered") == 1);
    CHECK(world.log.field("delivered", "to") == "<bob@far.example>");
    CHECK(world.log.field("delivered", "enhanced") == "2.0.0");
    CHECK(world.log.field("delivered", "queue_id") == to_string(id));
    CHECK(world.counters.delivered.load() == 1);
    CHECK(world.spool.reports.empty());
  });
}

TEST_CASE("BDAT is used where it is offered") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rules;
    rules.offers.push_back("CHUNKING");
    Sink& sink = world.add_sink(2, rules);
    world.use_smart_hosts({"127.0.0.2"});
    world.send({"bob@far.example"}, kContent);
    const std::string big = "Subject: big\r\n\r\n" + std::string(300'000, 'x') + "\r\n";
    world.send({"bob@far.example"}, big);
    co_await world.settle_all();
    REQUIRE(sink.messages.size() == 2);
    for (const SinkMessage& message : sink.messages) {
      CHECK(message.by_bdat);
      CHECK((message.content == kContent || message.content == big));
    }
  });
}

TEST_CASE("a host that knows nothing but HELO gets mail too") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rules;
    rules.offers.clear();
    rules.answers["EHLO"] = {{.text = "502 5.5.1 what?\r\n"}};
    rules.byte_by_byte = true;
    Sink& sink = world.add_sink(2, rules);
    world.use_smart_hosts({"127.0.0.2"});
    world.send({"bob@far.example", "eve@far.example"}, kContent);
    co_await world.settle_all();
    REQUIRE(sink.messages.size() == 1);
    CHECK(sink.messages[0].rcpt.size() == 2);
    CHECK(sink.messages[0].mail == "MAIL FROM:<ann@sender.example>");
  });
}

TEST_CASE("many messages share few connections, and every one ends with QUIT") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, {});
    world.use_smart_hosts({"127.0.0.2"});
    for (int i = 0; i < 200; ++i) world.send({"bob@far.example"}, kContent);
    co_await world.settle_all();
    CHECK(sink.messages.size() == 200);
    CHECK(sink.connections >= 200 / 20);
    CHECK(sink.connections <= 60);
    std::map<int, int> by_connection;
    for (const auto& message : sink.messages) ++by_connection[message.connection];
    for (const auto& [connection, count] : by_connection) CHECK(count <= 20);
    const bool closed = co_await world.wait_for([&sink] { return sink.open == 0; });
    CHECK(closed);
    CHECK(sink.quits == sink.connections);
  });
}

TEST_CASE("per_domain limits the connections to a destination") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, {});
    world.settings->delivery.outbound_per_domain = 3;
    world.use_smart_hosts({"127.0.0.2"});
    for (int i = 0; i < 100; ++i) world.send({"bob@far.example"}, kContent);
    co_await world.settle_all();
    CHECK(sink.messages.size() == 100);
    CHECK(sink.most_open <= 3);
  });
}

TEST_CASE("250 recipients go out in batches of 100, each once") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, {});
    world.use_smart_hosts({"127.0.0.2"});
    std::vector<std::string> recipients;
    for (int i = 0; i < 250; ++i) recipients.push_back("r" + std::to_string(i) + "@far.example");
    const QueueId id = world.send(recipients, kContent);
    co_await world.settle_all();
    REQUIRE(sink.messages.size() == 3);
    std::map<std::string, int> seen;
    for (const auto& message : sink.messages) {
      CHECK(message.rcpt.size() <= 100);
      for (const auto& path : message.rcpt) ++seen[path];
    }
    CHECK(seen.size() == 250);
    for (const auto& [path, count] : seen) CHECK(count == 1);
    CHECK(world.spool.at(id).status == std::string(250, 'D'));
    // The parts were made durable on the way.
    CHECK(world.spool.settlements.size() == 3);
  });
}

TEST_CASE("a success that is asked for is recorded together with its report") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rules;  // no DSN: the report is ours to make
    rules.offers = {"PIPELINING", "LIMITS RCPTMAX=2"};
    Sink& sink = world.add_sink(2, rules);
    world.use_smart_hosts({"127.0.0.2"});
    smtp::Envelope envelope = World::envelope({"a@far.example", "b@far.example", "c@far.example"});
    envelope.recipients[0].notify.success = true;
    const QueueId id = world.send_envelope(std::move(envelope), kContent);
    co_await world.settle_all();
    CHECK(world.spool.at(id).status == "DDD");
    CHECK(world.spool.reports.size() == 1);
    CHECK(sink.messages.size() == 3);  // two parts and the report
    // That of the message and that of the report; no part before the report was made.
    CHECK(world.spool.settlements.size() == 2);
  });
}

TEST_CASE("452 after some recipients: the rest in another transaction") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rules;
    rules.offers.push_back("LIMITS RCPTMAX=2");
    Sink& sink = world.add_sink(2, rules);
    world.use_smart_hosts({"127.0.0.2"});
    world.send(
        {"a@far.example", "b@far.example", "c@far.example", "d@far.example", "e@far.example"},
        kContent);
    co_await world.settle_all();
    CHECK(sink.messages.size() == 3);
  });
}

TEST_CASE("recipients have their own outcomes") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rules;
    rules.recipients["<no@far.example>"] = "550 5.1.1 unknown\r\n";
    rules.recipients["<later@far.example>"] = "450 4.2.1 busy\r\n";
    Sink& sink = world.add_sink(2, rules);
    world.use_smart_hosts({"127.0.0.2"});
    const QueueId id =
        world.send({"yes@far.example", "no@far.example", "later@far.example"}, kContent);
    const bool tried =
        co_await world.wait_for([&world, id] { return world.spool.at(id).status == "DBW"; });
    CHECK(tried);
    sink.rules.recipients.erase("<later@far.example>");
    co_await world.settle_all();
    CHECK(world.spool.at(id).status == "DBD");
    REQUIRE(world.spool.reports.size() == 1);
    const StoredMessage& report = world.spool.at(world.spool.reports[0]);
    CHECK(report.envelope.reverse_path.is_null());
    CHECK(smtp::to_string(report.envelope.recipients[0].address) == "ann@sender.example");
    CHECK(report.content.find("no@far.example") != std::string::npos);
    CHECK(report.content.find("yes@far.example") == std::string::npos);
    CHECK(sink.messages.size() == 3);  // two deliveries and the report
  });
}

TEST_CASE("local mail goes to Drop with its return path") {
  run_world([](World& world) -> reactor::task<void> {
    const QueueId id = world.send({"bob@local.example", "eve@local.example"}, kContent);
    co_await world.settle_all();
    REQUIRE(world.spool.dropped.size() == 1);
    CHECK(world.spool.dropped[0].id == id);
    CHECK(world.spool.dropped[0].recipients == std::vector<size_t>{0, 1});
    CHECK(world.spool.dropped[0].trace == "Return-Path: <ann@sender.example>\r\n");
    CHECK(world.counters.dropped.load() == 2);
    CHECK(world.log.field("delivered", "peer") == "Drop");
  });
}

TEST_CASE("a full Drop defers with 4.2.2 and is tried again") {
  run_world([](World& world) -> reactor::task<void> {
    world.spool.drop_faults = {{Errc::limit, 0}, {Errc::io, 5}};
    world.send({"bob@local.example"}, kContent);
    co_await world.settle_all();
    CHECK(world.spool.dropped.size() == 1);
    REQUIRE(world.log.count("deferred") == 2);
    CHECK(world.log.field("deferred", "enhanced") == "4.3.0");
    CHECK(world.spool.reports.empty());
  });
}

TEST_CASE("one message, three destinations, each settled by itself") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& first = world.add_sink(2, {});
    Sink& second = world.add_sink(3, {});
    world.resolver.set("one.example", {{10, "127.0.0.2"}});
    world.resolver.set("two.example", {{10, "127.0.0.3"}});
    const QueueId id = world.send(
        {"a@one.example", "b@two.example", "c@local.example", "d@one.example"}, kContent);
    co_await world.settle_all();
    CHECK(world.spool.at(id).status == "DDDD");
    REQUIRE(first.messages.size() == 1);
    CHECK(first.messages[0].rcpt.size() == 2);
    CHECK(second.messages.size() == 1);
    CHECK(world.spool.dropped.size() == 1);
    // No settlement takes back what an earlier one said.
    std::string before(4, 'W');
    for (const auto& settlement : world.spool.settlements) {
      for (size_t i = 0; i < 4; ++i) {
        if (before[i] == 'D') CHECK(settlement.status[i] == 'D');
      }
      before = settlement.status;
    }
  });
}

TEST_CASE("8-bit text is downgraded for a 7-bit host") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rules;
    rules.offers = {"PIPELINING"};
    Sink& sink = world.add_sink(2, rules);
    world.use_smart_hosts({"127.0.0.2"});
    smtp::Envelope envelope = World::envelope({"bob@far.example"});
    envelope.body = smtp::BodyType::eight_bit_mime;
    world.send_envelope(
        envelope,
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\ngr\xC3\xBC\xC3\x9F dich\r\n.dot\r\n");
    co_await world.settle_all();
    REQUIRE(sink.messages.size() == 1);
    CHECK(sink.messages[0].content.find("gr=C3=BC=C3=9F dich") != std::string::npos);
    CHECK(sink.messages[0].content.find("quoted-printable") != std::string::npos);
    CHECK(sink.messages[0].mail == "MAIL FROM:<ann@sender.example>");
  });
}

TEST_CASE("the reverse-path is masqueraded for the next hop") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, {});
    world.use_smart_hosts({"127.0.0.2"});
    world.settings->delivery.masquerade_domain = "public.example";
    smtp::Envelope envelope = World::envelope({"bob@far.example"});
    envelope.reverse_path.domain = "local.example";
    world.send_envelope(envelope, kContent);
    co_await world.settle_all();
    REQUIRE(sink.messages.size() == 1);
    CHECK(sink.messages[0].mail.starts_with("MAIL FROM:<ann@public.example>"));
  });
}
