// Clients that are slow, rude, many or gone, and a server that stops.
#include "smtp_rig.h"

namespace mailroot::receive::test {

namespace {

constexpr std::string_view kSession =
    "EHLO c.example.org\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"
    "x: y\r\n\r\n..z\r\n.\r\nQUIT\r\n";

}  // namespace

TEST_CASE_TEMPLATE("a client may send byte by byte", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    Client client(rig);
    co_await client.connect();
    for (const char c : kSession) {
      const bool sent = co_await client.send(std::string(1, c));
      REQUIRE(sent);
      co_await rig.pause(1);
    }
    const bool alone = co_await rig.until_alone();
    CHECK(alone);
    REQUIRE(rig.spool().stored.size() == 1);
    CHECK(rig.spool().stored[0].content.ends_with("x: y\r\n\r\n.z\r\n"));
    co_await client.finish();
  });
}

TEST_CASE_TEMPLATE("a client may leave at every byte, politely or not", World,
                   MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    const size_t end_of_data = kSession.find("\r\n.\r\n") + 5;
    size_t complete = 0;
    for (size_t size = 0; size <= kSession.size(); ++size) {
      for (const bool politely : {true, false}) {
        Client client(rig);
        co_await client.connect();
        const auto banner = co_await client.reply();
        CHECK(banner.starts_with("220"));
        if (size > 0) {
          co_await client.send(std::string(kSession.substr(0, size)));
        }
        if (politely) {
          co_await client.finish();
        } else {
          co_await client.reset();
        }
      }
      if (size >= end_of_data) complete += 2;
    }
    const bool alone = co_await rig.until_alone();
    CHECK(alone);
    CHECK(rig.connections.running() == 0);
    CHECK(rig.spool().drafts_open == 0);
    // A reset may overtake what was sent; half a message is never stored.
    CHECK(rig.spool().stored.size() <= complete);
    CHECK(rig.spool().stored.size() >= complete / 2);
    for (const Stored& message : rig.spool().stored) {
      CHECK(message.content.ends_with("x: y\r\n\r\n.z\r\n"));
    }
  });
}

TEST_CASE_TEMPLATE("a client may leave while its message is committed", World,
                   MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    rig.spool().commit_delay = std::chrono::milliseconds(100);
    Client client(rig);
    co_await client.connect();
    const auto banner = co_await client.reply();
    CHECK(banner.starts_with("220"));
    co_await client.send(std::string(kSession));
    for (int i = 0; i < 1000 && rig.spool().commits == 0; ++i) {
      co_await rig.pause(2);
    }
    REQUIRE(rig.spool().commits == 1);
    co_await client.reset();
    const bool alone = co_await rig.until_alone();
    CHECK(alone);
    CHECK(rig.service.queued.size() == 1);  // accepted is accepted
  });
}

TEST_CASE("a command must be complete within its time, however it drips in") {
  run_in<EpollWorld, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.service.values.connection_timeout = std::chrono::milliseconds(300);
    rig.start();
    Client client(rig);
    co_await client.connect();
    auto answer = co_await client.reply();
    for (int i = 0; i < 40 && rig.service.admission().open() > 0; ++i) {
      co_await client.send("E");
      co_await rig.pause(25);
    }
    CHECK(rig.service.admission().open() == 0);
    answer = co_await client.reply();
    CHECK(answer.starts_with("421 4.4.2"));
    co_await client.finish();
    CHECK(rig.service.sink.count("reason=timed out waiting for the client") == 1);
  });
}

TEST_CASE_TEMPLATE("a client that never reads costs no memory and does not hold the stop", World,
                   MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start(4096);
    Client client(rig);
    co_await client.connect();
    const int small = 4096;
    REQUIRE(::setsockopt(client.socket(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    std::string commands = "EHLO c.example.org\r\nMAIL FROM:<a@example.org>\r\n";
    while (commands.size() < 32 * kMiB) commands += "RCPT TO:<b@example.net>\r\n";
    // Its input is not taken for ever: the server waits for it to read.
    const Instant deadline = rig.reactor.now() + std::chrono::milliseconds(1500);
    const bool taken = co_await client.send_until(std::move(commands), deadline);
    CHECK_FALSE(taken);
    CHECK(rig.service.admission().open() == 1);
    const Instant began = rig.reactor.now();
    co_await rig.stop();
    CHECK(rig.reactor.now() - began < std::chrono::seconds(30));  // kReplyTimeout is far longer
    CHECK(rig.service.sink.count("reason=client does not read its replies") == 1);
    co_await client.finish();
  });
}

TEST_CASE_TEMPLATE("a million lines need little memory", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.service.values.size_limit_bytes = 0;
    rig.start();
    Client client(rig);
    co_await client.connect();
    const bool begun = co_await client.begin();
    REQUIRE(begun);
    auto answer = co_await client.ask("DATA");
    REQUIRE(answer.starts_with("354"));
    std::string lines;
    for (int i = 0; i < 100'000; ++i) lines += "..x\r\n";
    for (int i = 0; i < 10; ++i) {
      const bool sent = co_await client.send(lines);
      REQUIRE(sent);
    }
    answer = co_await client.ask(".");
    CHECK(answer.starts_with("250 2.6.0"));
    REQUIRE(rig.spool().stored.size() == 1);
    CHECK(rig.spool().stored[0].content.size() > 4'000'000);
    CHECK(rig.spool().pending_peak <= FakeSpool::kFlushAbove + reactor::kReceiveUnitBytes);
    co_await client.finish();
  });
}

TEST_CASE_TEMPLATE("connection limits answer 421", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.service.values.connections_limit = 2;
    rig.start();
    Client first(rig), second(rig), third(rig);
    co_await first.connect();
    auto answer = co_await first.reply();
    CHECK(answer.starts_with("220"));
    co_await second.connect();
    answer = co_await second.reply();
    CHECK(answer.starts_with("220"));
    co_await third.connect();
    answer = co_await third.reply();
    CHECK(answer == "421 4.7.0 Too many connections to this server, try again later");
    answer = co_await third.reply();
    CHECK(answer == "closed");
    co_await third.finish();
    co_await first.finish();
    for (int i = 0; i < 1000 && rig.service.admission().open() > 1; ++i) {
      co_await rig.pause(2);
    }
    rig.service.values.connections_limit = 0;
    rig.service.values.per_client_limit = 1;
    co_await third.connect();
    answer = co_await third.reply();
    CHECK(answer == "421 4.7.0 Too many connections from your address, try again later");
    co_await third.finish();
    CHECK(rig.service.counters().connections_refused == 2);
    rig.service.connection_refusal = "554 5.7.1 Access denied";
    co_await third.connect();
    answer = co_await third.reply();
    CHECK(answer == "554 5.7.1 Access denied");
    co_await third.finish();
    CHECK(rig.service.admission().open() == 1);
    co_await second.finish();
  });
}

TEST_CASE_TEMPLATE("a stop says 421 to who idles and lets a message finish", World,
                   MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    Client idle(rig), sending(rig);
    co_await idle.connect();
    auto answer = co_await idle.reply();
    co_await sending.connect();
    const bool begun = co_await sending.begin();
    REQUIRE(begun);
    answer = co_await sending.ask("DATA");
    REQUIRE(answer.starts_with("354"));
    co_await sending.send("x: y\r\n\r\nhalf");
    co_await rig.pause(50);
    rig.scope.cancel();
    answer = co_await idle.reply();
    CHECK(answer.starts_with("421 4.3.2"));
    answer = co_await idle.reply();
    CHECK(answer == "closed");
    answer = co_await sending.ask(" and half\r\n.");
    CHECK(answer.starts_with("250 2.6.0"));
    answer = co_await sending.reply();
    CHECK(answer.starts_with("421 4.3.2"));
    answer = co_await sending.reply();
    CHECK(answer == "closed");
    REQUIRE(rig.spool().stored.size() == 1);
    CHECK(rig.spool().stored[0].content.ends_with("half and half\r\n"));
    co_await idle.finish();
    co_await sending.finish();
  });
}

TEST_CASE_TEMPLATE("who waits at a retired listener hears 421", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    Client before(rig), after(rig);
    co_await before.connect();
    auto answer = co_await before.reply();
    CHECK(answer.starts_with("220"));
    rig.listener->retire(kRetireTime);
    co_await after.connect();
    answer = co_await after.reply();
    CHECK(answer.starts_with("421 4.3.2"));
    co_await rig.listening.join();
    auto refused = co_await rig.reactor.connect(
        rig.address, nullptr, {rig.reactor.now() + std::chrono::seconds(5), nullptr});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == Errc::refused);
    // Sessions outlive their listener.
    answer = co_await before.ask("NOOP");
    CHECK(answer.starts_with("250"));
    co_await before.finish();
    co_await after.finish();
  });
}

TEST_CASE("an adopted listener serves another virtual server") {
  run_in<EpollWorld, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    FakeService other(rig.reactor);
    other.values.fqdn = "other.example.com";
    rig.listener->adopt(other, {&rig.scope, &rig.connections});
    Client client(rig);
    co_await client.connect();
    const auto answer = co_await client.reply();
    CHECK(answer.starts_with("220 other.example.com"));
    co_await client.finish();
    for (int i = 0; i < 1000 && other.admission().open() > 0; ++i) {
      co_await rig.pause(2);
    }
    CHECK(other.admission().open() == 0);
    CHECK(rig.service.counters().connections == 0);
    co_await rig.stop();
  });
}

}  // namespace mailroot::receive::test
