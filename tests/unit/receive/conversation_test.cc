// A message from the banner to the spool, and what the client hears when it is not stored.
#include "smtp_rig.h"

namespace mailroot::receive::test {

TEST_CASE_TEMPLATE("a message is accepted", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    Client client(rig);
    co_await client.connect();
    auto answer = co_await client.reply();
    CHECK(answer.starts_with("220 relay.example.com"));
    answer = co_await client.ask("EHLO client.example.org");
    CHECK(answer.starts_with("250-relay.example.com"));
    CHECK(answer.find("STARTTLS") == std::string::npos);
    answer = co_await client.ask("MAIL FROM:<ann@example.org> BODY=8BITMIME");
    CHECK(answer.starts_with("250 2.1.0"));
    answer = co_await client.ask("RCPT TO:<bob@example.net>");
    CHECK(answer.starts_with("250 2.1.5"));
    answer = co_await client.ask("DATA");
    CHECK(answer.starts_with("354"));
    answer = co_await client.ask("Subject: hi\r\n\r\n..dot\r\n.");
    CHECK(answer.starts_with("250 2.6.0"));
    REQUIRE(rig.spool().stored.size() == 1);
    const Stored& message = rig.spool().stored[0];
    CHECK(answer.find(to_string(message.id)) != std::string::npos);
    CHECK(message.content.starts_with("Received: from client.example.org ([127.0.0.1])"));
    CHECK(message.content.ends_with("Subject: hi\r\n\r\n.dot\r\n"));
    CHECK(message.envelope.reverse_path == smtp::Mailbox{"ann", "example.org"});
    CHECK(message.envelope.body == smtp::BodyType::eight_bit_mime);
    REQUIRE(message.envelope.recipients.size() == 1);
    CHECK(rig.service.queued == std::vector<QueueId>{message.id});
    answer = co_await client.ask("QUIT");
    CHECK(answer.starts_with("221"));
    answer = co_await client.reply();
    CHECK(answer == "closed");
    co_await client.finish();
    CHECK(rig.service.counters().messages == 1);
    CHECK(rig.service.sink.count("accepted server=default") == 1);
  });
}

namespace {

// What the spool has below Received.
task<std::string> stored_content(SmtpRig& rig, std::string content) {
  Client client(rig);
  co_await client.connect();
  const bool begun = co_await client.begin();
  REQUIRE(begun);
  auto answer = co_await client.ask("DATA");
  REQUIRE(answer.starts_with("354"));
  const size_t before = rig.spool().stored.size();
  for (const char byte : content) {  // every byte may come alone
    const bool sent = co_await client.send(std::string(1, byte));
    REQUIRE(sent);
  }
  answer = co_await client.ask(".");
  CHECK(answer.starts_with("250"));
  REQUIRE(rig.spool().stored.size() == before + 1);
  co_await client.finish();
  std::string all = rig.spool().stored.back().content;
  const size_t end = all.find("+0000\r\n");  // of Received
  REQUIRE(end != std::string::npos);
  co_return all.substr(end + 7);
}

}  // namespace

TEST_CASE("what relay clients submit gets the fields it lacks, on top") {
  run_in<EpollWorld, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    rig.service.relay_client = true;
    const std::string id_end = "@relay.example.com>\r\n";
    auto content = co_await stored_content(rig, "Subject: x\r\n\r\nbody\r\n");
    CHECK(content.starts_with("Date: "));
    CHECK(content.find("Message-ID: <") != std::string::npos);
    CHECK(content.ends_with(id_end + "Subject: x\r\n\r\nbody\r\n"));
    content = co_await stored_content(rig, "Date: then\r\nSubject: x\r\n\r\nbody\r\n");
    CHECK(content.starts_with("Message-ID: <"));
    content = co_await stored_content(rig, "Date: a\r\nMessage-ID: <b>\r\n\r\nbody\r\n");
    CHECK(content == "Date: a\r\nMessage-ID: <b>\r\n\r\nbody\r\n");
    content = co_await stored_content(rig, "Subject: no body\r\n");
    CHECK(content.ends_with(id_end + "Subject: no body\r\n"));
    content = co_await stored_content(rig, "\r\nno header\r\n");
    CHECK(content.ends_with(id_end + "\r\nno header\r\n"));
    content = co_await stored_content(rig, "");
    CHECK(content.ends_with(id_end));
  });
}

TEST_CASE("what relay clients submit gets the default domain where an address has none") {
  run_in<EpollWorld, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    const std::string fields = "Date: a\r\nMessage-ID: <b>\r\n";
    const std::string bare = fields + "From: ann\r\nTo: <bob>,\r\n carl@x\r\n\r\nTo: dora\r\n";
    auto content = co_await stored_content(rig, bare);
    CHECK(content == bare);  // a stranger's
    rig.service.relay_client = true;
    content = co_await stored_content(rig, bare);
    CHECK(content == fields +
                         "From: ann@example.com\r\nTo: <bob@example.com>,\r\n carl@x\r\n\r\n"
                         "To: dora\r\n");
    rig.service.values.stamp_headers = "never";
    content = co_await stored_content(rig, bare);
    CHECK(content == bare);
  });
}

namespace {

// The first line of Received that a message from 127.0.0.1 as client.example gets.
task<std::string> received_line(SmtpRig& rig) {
  Client client(rig);
  co_await client.connect();
  const bool begun = co_await client.begin();
  REQUIRE(begun);
  auto answer = co_await client.ask("DATA");
  answer = co_await client.ask("x: y\r\n\r\n.");
  CHECK(answer.starts_with("250"));
  co_await client.finish();
  const std::string all = rig.spool().stored.back().content;
  co_return all.substr(0, all.find("\r\n"));
}

}  // namespace

TEST_CASE("a reverse lookup is told in Received and refuses nobody") {
  run_in<EpollWorld, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    auto line = co_await received_line(rig);
    CHECK(line == "Received: from client.example.org ([127.0.0.1])");
    CHECK(rig.service.fake_resolver.asked == 0);
    rig.service.values.delivery.reverse_dns_lookup = true;
    line = co_await received_line(rig);
    CHECK(line == "Received: from client.example.org ([127.0.0.1] unverified)");
    rig.service.fake_resolver.name = "client.example.org";
    line = co_await received_line(rig);  // the name does not lead back
    CHECK(line == "Received: from client.example.org ([127.0.0.1] unverified)");
    rig.service.fake_resolver.addresses_of_name = {*IpAddress::parse("127.0.0.1")};
    line = co_await received_line(rig);
    CHECK(line == "Received: from client.example.org (client.example.org [127.0.0.1])");
    rig.service.fake_resolver.name = "other.example";
    line = co_await received_line(rig);
    CHECK(line == "Received: from client.example.org (other.example [127.0.0.1] unverified)");
    CHECK(rig.service.fake_resolver.asked == 4);
  });
}

TEST_CASE("a reverse lookup that hangs is given up, and ends with its connection") {
  run_in<EpollWorld, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    rig.service.values.delivery.reverse_dns_lookup = true;
    rig.service.fake_resolver.hangs = true;
    {
      Client client(rig);
      co_await client.connect();
      const bool begun = co_await client.begin();
      CHECK(begun);
      co_await client.finish();
    }
    const bool alone = co_await rig.until_alone();
    CHECK(alone);
    auto line = co_await received_line(rig);
    CHECK(line == "Received: from client.example.org ([127.0.0.1] unverified)");
  });
}

TEST_CASE("a client that may no longer connect is told at its next MAIL") {
  run_in<EpollWorld, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    Client client(rig);
    co_await client.connect();
    const bool begun = co_await client.begin();
    REQUIRE(begun);
    rig.service.client_refusal = "550 5.7.1 Access denied";
    auto answer = co_await client.ask("DATA");
    CHECK(answer.starts_with("354"));
    answer = co_await client.ask("x: y\r\n\r\n.");
    CHECK(answer.starts_with("250"));
    answer = co_await client.ask("MAIL FROM:<a@b.example>");
    CHECK(answer.starts_with("550 5.7.1"));
    answer = co_await client.ask("MAIL FROM:<a@b.example>");
    CHECK(answer.starts_with("550 5.7.1"));
    co_await client.finish();
  });
}

TEST_CASE("a header section that is too long to keep passes as it is") {
  run_in<EpollWorld, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    rig.service.relay_client = true;
    Client client(rig);
    co_await client.connect();
    const bool begun = co_await client.begin();
    REQUIRE(begun);
    auto answer = co_await client.ask("DATA");
    std::string content;
    for (int line = 0; line < 1000; ++line) content += "X-Line: " + std::string(90, 'x') + "\r\n";
    answer = co_await client.ask(content + "\r\nbody\r\n.");
    CHECK(answer.starts_with("250"));
    REQUIRE(rig.spool().stored.size() == 1);
    CHECK(rig.spool().stored[0].content.ends_with("+0000\r\n" + content + "\r\nbody\r\n"));
    co_await client.finish();
  });
}

TEST_CASE("stamp_headers decides who is stamped") {
  run_in<EpollWorld, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    const std::string plain = "Subject: x\r\n\r\nbody\r\n";
    auto content = co_await stored_content(rig, plain);
    CHECK(content == plain);  // auto, and a stranger
    rig.service.values.stamp_headers = "always";
    content = co_await stored_content(rig, plain);
    CHECK(content != plain);
    rig.service.values.stamp_headers = "never";
    rig.service.relay_client = true;
    content = co_await stored_content(rig, plain);
    CHECK(content == plain);
  });
}

TEST_CASE_TEMPLATE("250 is said after the commit, not before", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    rig.spool().commit_delay = std::chrono::milliseconds(150);
    Client client(rig);
    co_await client.connect();
    const bool begun = co_await client.begin();
    REQUIRE(begun);
    auto answer = co_await client.ask("DATA");
    REQUIRE(answer.starts_with("354"));
    // What is pipelined behind the message waits too.
    co_await client.send("x: y\r\n\r\nz\r\n.\r\nNOOP\r\n");
    answer = co_await client.reply();
    CHECK(answer.starts_with("250 2.6.0"));
    // The fake stores when the delay is over: nothing was said before.
    CHECK(rig.spool().stored.size() == 1);
    answer = co_await client.reply();
    CHECK(answer.starts_with("250"));
    co_await client.finish();
  });
}

TEST_CASE_TEMPLATE("a refused commit is 451 and the session goes on", World,
                   MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    rig.spool().next_result = CommitResult::refused;
    Client client(rig);
    co_await client.connect();
    const bool begun = co_await client.begin();
    REQUIRE(begun);
    auto answer = co_await client.ask("DATA");
    answer = co_await client.ask("x: y\r\n\r\nz\r\n.");
    CHECK(answer.starts_with("451 4.3.0"));
    CHECK(rig.service.queued.empty());
    rig.spool().next_result = CommitResult::durable;
    answer = co_await client.ask("MAIL FROM:<ann@example.org>");
    CHECK(answer.starts_with("250"));
    answer = co_await client.ask("RCPT TO:<bob@example.net>");
    answer = co_await client.ask("DATA");
    answer = co_await client.ask("x: y\r\n\r\nz\r\n.");
    CHECK(answer.starts_with("250"));
    CHECK(rig.service.queued.size() == 1);
    CHECK(rig.service.counters().messages_refused == 1);
    co_await client.finish();
  });
}

TEST_CASE_TEMPLATE("an unknown commit closes without a reply", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    rig.spool().next_result = CommitResult::unknown;
    Client client(rig);
    co_await client.connect();
    const bool begun = co_await client.begin();
    REQUIRE(begun);
    auto answer = co_await client.ask("DATA");
    answer = co_await client.ask("x: y\r\n\r\nz\r\n.");
    CHECK(answer == "closed");
    co_await client.finish();
    CHECK(rig.service.queued.empty());
  });
}

TEST_CASE("memory that ends in a message is 452 at its end, small or large") {
  struct Row {
    uint64_t memory;
    size_t body;
  };
  static constexpr std::array kRows = {Row{100, 10}, Row{400, 1000}, Row{50'000, 300'000}};
  run_in<EpollWorld, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    for (const Row& row : kRows) {
      rig.spool().memory_left = row.memory;
      Client client(rig);
      co_await client.connect();
      const bool begun = co_await client.begin();
      REQUIRE(begun);
      auto answer = co_await client.ask("DATA");
      if (answer.starts_with("354")) {
        std::string body;
        while (body.size() < row.body) body += "a line of some text\r\n";
        answer = co_await client.ask("x: y\r\n\r\n" + body + ".");
      }
      CHECK(answer.starts_with("452 4.3.1"));
      CHECK(rig.spool().drafts_open == 0);
      // The conversation is still in step.
      answer = co_await client.ask("NOOP");
      CHECK(answer.starts_with("250"));
      co_await client.finish();
    }
    CHECK(rig.spool().stored.empty());
  });
}

TEST_CASE("a disk that fails in a message is said by its kind") {
  run_in<EpollWorld, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    for (const Errc code : {Errc::no_space, Errc::io}) {
      rig.spool().flush_failure = Error{code};
      Client client(rig);
      co_await client.connect();
      const bool begun = co_await client.begin();
      REQUIRE(begun);
      auto answer = co_await client.ask("DATA");
      std::string body;
      while (body.size() < 200'000) body += "a line of some text\r\n";
      answer = co_await client.ask("x: y\r\n\r\n" + body + ".");
      CHECK(answer.starts_with(code == Errc::no_space ? "452 4.3.1" : "451 4.3.0"));
      co_await client.finish();
    }
    CHECK(rig.spool().stored.empty());
  });
}

TEST_CASE("policy speaks at MAIL and RCPT, and is asked anew") {
  run_in<EpollWorld, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    rig.spool().refusal_now = "452 4.3.1 Insufficient system storage";
    Client client(rig);
    co_await client.connect();
    auto answer = co_await client.reply();
    answer = co_await client.ask("EHLO client.example.org");
    answer = co_await client.ask("MAIL FROM:<ann@example.org>");
    CHECK(answer == "452 4.3.1 Insufficient system storage");
    rig.spool().refusal_now.reset();
    rig.service.recipient_refusal = "550 5.7.1 Unable to relay";
    answer = co_await client.ask("MAIL FROM:<ann@example.org>");
    CHECK(answer.starts_with("250"));
    answer = co_await client.ask("RCPT TO:<bob@example.net>");
    CHECK(answer == "550 5.7.1 Unable to relay");
    CHECK(rig.service.counters().recipients_refused == 1);
    answer = co_await client.ask("DATA");
    CHECK(answer.starts_with("5"));
    co_await client.finish();
  });
}

TEST_CASE_TEMPLATE("a looping message is 554 5.4.6", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    rig.start();
    rig.service.values.delivery.hop_limit = 5;
    for (const int hops : {5, 6}) {
      Client client(rig);
      co_await client.connect();
      const bool begun = co_await client.begin();
      REQUIRE(begun);
      auto answer = co_await client.ask("DATA");
      std::string content;
      for (int i = 0; i < hops; ++i) content += "Received: by a.example.org; now\r\n";
      answer = co_await client.ask(content + "\r\n.");
      CHECK(answer.starts_with(hops == 5 ? "250 2.6.0" : "554 5.4.6"));
      co_await client.finish();
    }
    CHECK(rig.spool().stored.size() == 1);
  });
}

}  // namespace mailroot::receive::test
