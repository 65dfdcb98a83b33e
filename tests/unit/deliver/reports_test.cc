// DSNs by the rules of RFC 3461, Badmail, copies; faults of the spool.
#include "world.h"

using namespace mailroot;
using namespace mailroot::deliver::test;

namespace {

SinkRules refusing() {
  SinkRules rules;
  rules.recipients["<no@far.example>"] = "550 5.1.1 unknown\r\n";
  return rules;
}

}  // namespace

TEST_CASE("no report for the null reverse-path: Badmail, with the reason") {
  run_world([](World& world) -> reactor::task<void> {
    world.add_sink(2, refusing());
    world.use_smart_hosts({"127.0.0.2"});
    smtp::Envelope envelope = World::envelope({"no@far.example"});
    envelope.reverse_path = {};
    const QueueId id = world.send_envelope(envelope, kContent);
    co_await world.settle_all();
    CHECK(world.spool.reports.empty());
    REQUIRE(world.spool.badmail.size() == 1);
    CHECK(world.spool.badmail[0].first == id);
    CHECK(world.spool.badmail[0].second.find("550 5.1.1 unknown") != std::string::npos);
    CHECK(world.spool.at(id).status == "B");
    CHECK(world.counters.badmail.load() == 1);
  });
}

TEST_CASE("an undeliverable report ends in Badmail, not in a loop") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rules = refusing();
    rules.recipients["<ann@sender.example>"] = "550 5.1.1 no such sender\r\n";
    world.add_sink(2, rules);
    world.use_smart_hosts({"127.0.0.2"});
    world.send({"no@far.example"}, kContent);
    co_await world.settle_all();
    CHECK(world.spool.reports.size() == 1);
    REQUIRE(world.spool.badmail.size() == 1);
    CHECK(world.spool.badmail[0].first == world.spool.reports[0]);
  });
}

TEST_CASE("NOTIFY decides") {
  run_world([](World& world) -> reactor::task<void> {
    world.add_sink(2, refusing());
    world.use_smart_hosts({"127.0.0.2"});
    smtp::Envelope never = World::envelope({"no@far.example"});
    never.recipients[0].notify.never = true;
    smtp::Envelope only_success = World::envelope({"no@far.example"});
    only_success.recipients[0].notify.success = true;
    world.send_envelope(never, kContent);
    world.send_envelope(only_success, kContent);
    co_await world.settle_all();
    CHECK(world.spool.reports.empty());
    CHECK(world.spool.badmail.empty());
    CHECK(world.log.count("bounced") == 2);
  });
}

TEST_CASE("success: handed on where DSN is offered, reported as relayed where not, from Drop") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules without;
    without.offers = {"PIPELINING"};
    Sink& modern = world.add_sink(2, {});
    Sink& old = world.add_sink(3, without);
    world.resolver.set("modern.example", {{10, "127.0.0.2"}});
    world.resolver.set("old.example", {{10, "127.0.0.3"}});
    world.resolver.set("sender.example", {{10, "127.0.0.2"}});
    smtp::Envelope envelope =
        World::envelope({"a@modern.example", "b@old.example", "c@local.example"});
    envelope.envelope_id = "env-77";
    envelope.ret = smtp::Return::headers;
    for (auto& recipient : envelope.recipients) {
      recipient.notify.success = true;
      recipient.original_recipient = "rfc822;x@orig.example";
    }
    world.send_envelope(envelope, kContent);
    co_await world.settle_all();
    REQUIRE(old.messages.size() == 1);
    REQUIRE(world.spool.reports.size() == 2);
    REQUIRE(modern.messages.size() == 3);
    bool handed_on = false;
    for (const std::string& command : modern.commands) {
      handed_on |= command.find("NOTIFY=SUCCESS ORCPT=rfc822;x@orig.example") != std::string::npos;
    }
    CHECK(handed_on);
    std::string all;
    for (const QueueId& id : world.spool.reports) all += world.spool.at(id).content;
    CHECK(all.find("Action: relayed") != std::string::npos);
    CHECK(all.find("Action: delivered") != std::string::npos);
    CHECK(all.find("Original-Envelope-Id: env-77") != std::string::npos);
    CHECK(all.find("Original-Recipient: rfc822; x@orig.example") != std::string::npos);
    CHECK(all.find("a@modern.example") == std::string::npos);
  });
}

TEST_CASE("a copy of every failure report for the administrator") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, refusing());
    world.use_smart_hosts({"127.0.0.2"});
    world.settings->ndr_copy_to = "admin@far.example";
    world.send({"no@far.example"}, kContent);
    co_await world.settle_all();
    REQUIRE(world.spool.reports.size() == 2);
    REQUIRE(sink.messages.size() == 2);
    CHECK(sink.messages[0].rcpt != sink.messages[1].rcpt);
    for (const auto& message : sink.messages) CHECK(message.mail.starts_with("MAIL FROM:<>"));
  });
}

TEST_CASE("delay, then expiry: one report each") {
  run_world([](World& world) -> reactor::task<void> {
    SinkRules rules;
    rules.recipients["<slow@far.example>"] = "450 4.2.0 try later\r\n";
    Sink& sink = world.add_sink(2, rules);
    world.use_smart_hosts({"127.0.0.2"});
    world.settings->delivery.delay_notification = 500ms;
    world.settings->delivery.expiration = 1500ms;
    const QueueId id = world.send({"slow@far.example"}, kContent);
    co_await world.settle_all();
    CHECK(world.spool.at(id).status == "B");
    CHECK(world.spool.at(id).times.delay_notified);
    REQUIRE(world.spool.reports.size() == 2);
    const std::string& delayed = world.spool.at(world.spool.reports[0]).content;
    const std::string& failed = world.spool.at(world.spool.reports[1]).content;
    CHECK(delayed.find("Action: delayed") != std::string::npos);
    CHECK(delayed.find("try later") != std::string::npos);
    CHECK(failed.find("Action: failed") != std::string::npos);
    CHECK(failed.find("Status: 4.4.7") != std::string::npos);
    CHECK(failed.find("try later") != std::string::npos);
    CHECK(sink.messages.size() == 2);
    CHECK(world.log.field("bounced", "expired") == "yes");
  });
}

TEST_CASE("a failure whose report cannot be stored is stored later, and mail is not sent twice") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, refusing());
    world.use_smart_hosts({"127.0.0.2"});
    world.spool.settle_faults = {spool::CommitResult::refused, spool::CommitResult::unknown};
    const QueueId id = world.send({"no@far.example", "yes@far.example"}, kContent);
    co_await world.settle_all();
    CHECK(world.log.count("unsettled") == 2);
    CHECK(world.spool.at(id).status == "BD");
    CHECK(world.spool.reports.size() == 1);
    CHECK(sink.messages.size() == 2);
    world.spool.full_drafts = 1;
    world.send({"no@far.example"}, kContent);
    co_await world.settle_all();
    CHECK(world.spool.reports.size() == 2);
    CHECK(sink.messages.size() == 3);
  });
}

TEST_CASE("an outcome without report is the spool's to keep: delivery goes on") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, {});
    world.use_smart_hosts({"127.0.0.2"});
    world.spool.settle_faults = {spool::CommitResult::refused};
    world.send({"bob@far.example"}, kContent);
    co_await world.settle_all();
    CHECK(sink.messages.size() == 1);
    CHECK(world.log.count("unsettled") == 0);
  });
}

TEST_CASE("messages that are gone or damaged are forgotten, unreadable ones wait") {
  run_world([](World& world) -> reactor::task<void> {
    Sink& sink = world.add_sink(2, {});
    world.use_smart_hosts({"127.0.0.2"});
    world.spool.load_faults = {{Errc::not_found, 0}, {Errc::corrupt, 0}, {Errc::io, 5}};
    world.send({"a@far.example"}, kContent);
    world.send({"b@far.example"}, kContent);
    world.send({"c@far.example"}, kContent);
    const bool sent = co_await world.wait_for([&sink] { return sink.messages.size() == 1; });
    CHECK(sent);
    const bool empty = co_await world.wait_for(
        [&world] { return world.dispatcher->queue().counters().messages == 0; });
    CHECK(empty);
    CHECK(world.log.count("forgotten") == 2);
    CHECK(world.log.count("unreadable") == 1);
  });
}
