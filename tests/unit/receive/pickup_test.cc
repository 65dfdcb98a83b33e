// What PickupReader makes of the files that programs write.
#include "mailroot/message/queue_file.h"
#include "pickup_rig.h"

namespace mailroot::receive::test {

namespace {

using smtp::BodyType;
using smtp::Mailbox;

std::string content_after_trace(const Stored& message) { return below(message.content, "From: "); }

}  // namespace

TEST_CASE_TEMPLATE("a file becomes a message and is removed", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/order.eml", kPlain);
    rig.start();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    const bool handed_over = co_await rig.until_told("accepted server=default");
    REQUIRE(handed_over);
    REQUIRE(rig.stored().size() == 1);
    const Stored& message = rig.stored()[0];
    CHECK(message.envelope.reverse_path == Mailbox{"app", "example.com"});
    REQUIRE(message.envelope.recipients.size() == 1);
    CHECK(message.envelope.recipients[0].address == Mailbox{"ann", "example.net"});
    CHECK(message.envelope.body == BodyType::seven_bit);
    CHECK(message.content.starts_with("Received: by relay.example.com (Pickup) id "));
    CHECK(content_after_trace(message) == "From: app@example.com\r\nSubject: hi\r\n\r\nhello\r\n");
    CHECK(rig.service.queued == std::vector<QueueId>{message.id});
    CHECK(rig.service.sink.count("accepted server=default") == 1);
    CHECK(rig.service.sink.count("peer=pickup file=order.eml from=<app@example.com>") == 1);
    CHECK(rig.service.counters().messages == 1);
    CHECK(rig.list("Badmail/new").empty());
  });
}

TEST_CASE("Date and Message-ID are added only where they lack and may be") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/a", kPlain);
    rig.start();
    const bool first = co_await rig.until_empty();
    REQUIRE(first);
    CHECK(rig.stored()[0].content.find("\r\nDate: ") != std::string::npos);
    CHECK(rig.stored()[0].content.find("\r\nMessage-ID: <") != std::string::npos);
    rig.service.values.stamp_headers = "never";
    rig.write("Pickup/b", kPlain);
    const bool second = co_await rig.until_empty();
    REQUIRE(second);
    CHECK(rig.stored()[1].content.find("Date: ") == std::string::npos);
    CHECK(rig.stored()[1].content.find("Message-ID: ") == std::string::npos);
  });
}

TEST_CASE("what .NET writes into a pickup directory") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/4f1c2d3e-0000-4000-8000-0123456789ab.eml",
              "X-Sender: app@corp.example.com\r\n"
              "X-Receiver: ann@example.net\r\n"
              "X-Receiver: \"Bob\" <bob@example.org>\r\n"
              "MIME-Version: 1.0\r\n"
              "From: app@corp.example.com\r\n"
              "To: ann@example.net\r\n"
              "Cc: \"Bob\" <bob@example.org>\r\n"
              "Date: 5 Mar 2026 09:30:00 +0100\r\n"
              "Subject: introduction\r\n"
              "Content-Type: text/plain; charset=us-ascii\r\n"
              "Content-Transfer-Encoding: quoted-printable\r\n"
              "\r\n"
              "hello\r\n");
    rig.start();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    REQUIRE(rig.stored().size() == 1);
    const Stored& message = rig.stored()[0];
    REQUIRE(message.envelope.recipients.size() == 2);
    CHECK(message.envelope.recipients[1].address == Mailbox{"bob", "example.org"});
    CHECK(message.content.find("X-Sender") == std::string::npos);
    CHECK(message.content.find("X-Receiver") == std::string::npos);
    CHECK(message.content.find("Message-ID: <") != std::string::npos);
    const size_t date = message.content.find("Date: ");
    CHECK(message.content.find("Date: ", date + 1) == std::string::npos);
    CHECK(below(message.content, "MIME-Version") ==
          "MIME-Version: 1.0\r\n"
          "From: app@corp.example.com\r\n"
          "To: ann@example.net\r\n"
          "Cc: \"Bob\" <bob@example.org>\r\n"
          "Date: 5 Mar 2026 09:30:00 +0100\r\n"
          "Subject: introduction\r\n"
          "Content-Type: text/plain; charset=us-ascii\r\n"
          "Content-Transfer-Encoding: quoted-printable\r\n"
          "\r\n"
          "hello\r\n");
    // More than one recipient: the trace names none of them.
    CHECK(message.content.find("for <") == std::string::npos);
  });
}

TEST_CASE("without an envelope To, Cc and Bcc are the recipients, and Bcc is not shown") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/a.txt",
              "From: \"The app\" <app@example.com>\nTo: ann\nBcc: eve@example.org,\n"
              " mallory@example.org\nSubject: hi\n\nbody");
    rig.start();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    REQUIRE(rig.stored().size() == 1);
    const Stored& message = rig.stored()[0];
    REQUIRE(message.envelope.recipients.size() == 3);
    CHECK(message.envelope.recipients[0].address == Mailbox{"ann", "example.com"});
    CHECK(message.envelope.recipients[2].address == Mailbox{"mallory", "example.org"});
    CHECK(message.content.find("eve") == std::string::npos);
    CHECK(message.content.find("mallory") == std::string::npos);
    CHECK(content_after_trace(message) ==
          "From: \"The app\" <app@example.com>\r\nTo: ann\r\nSubject: hi\r\n\r\nbody\r\n");
  });
}

TEST_CASE("leading dots: auto, stuffed and raw") {
  struct Row {
    const char* setting;
    const char* body;
    const char* sent;
  };
  static constexpr std::array kRows = {
      Row{"auto", "..dots\r\ntext\r\n...\r\n", ".dots\r\ntext\r\n..\r\n"},
      Row{"auto", ".dots\r\n..two\r\n", ".dots\r\n..two\r\n"},
      Row{"raw", "..dots\r\n", "..dots\r\n"},
      Row{"stuffed", ".dots\r\n..two\r\n", "dots\r\n.two\r\n"},
  };
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.start();
    for (const Row& row : kRows) {
      rig.service.values.pickup_dot_stuffing = row.setting;
      rig.write("Pickup/dots",
                std::string("From: a@example.com\r\nTo: b@example.com\r\n\r\n") + row.body);
      const bool empty = co_await rig.until_empty();
      REQUIRE(empty);
      CHECK(below(rig.stored().back().content, "\r\n\r\n") == std::string("\r\n\r\n") + row.sent);
    }
  });
}

TEST_CASE("8-bit content asks for 8BITMIME, whichever part it stands in") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/a", "From: a@example.com\nTo: b@example.com\n\ncaf\xC3\xA9\n");
    rig.write("Pickup/b", "From: a@example.com\nTo: b@example.com\nSubject: caf\xC3\xA9\n\nx\n");
    rig.start();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    REQUIRE(rig.stored().size() == 2);
    CHECK(rig.stored()[0].envelope.body == BodyType::eight_bit_mime);
    CHECK(rig.stored()[1].envelope.body == BodyType::eight_bit_mime);
  });
}

TEST_CASE("a queue file moved back goes to its unsettled recipients, byte for byte") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    // Dots, a bare LF and no line end: nothing of it may change.
    const std::string content = "X-Receiver: not@an.envelope\r\nBcc: kept\r\n\r\n..x\n.y\r\nend";
    message::QueueFileHeader header;
    header.id = {1, 0, 7};
    header.envelope.reverse_path = {"app", "example.com"};
    header.envelope.body = BodyType::binary_mime;
    header.envelope.envelope_id = "abc";
    for (const char* const name : {"done", "waiting", "failed", "bounced"}) {
      header.envelope.recipients.push_back({{name, "example.org"}, {}, "rfc822;x@example.org"});
    }
    using enum message::RecipientStatus;
    header.status = {delivered, waiting, failed, bounced};
    header.content_size_bytes = content.size();
    header.content_crc32c = 0;
    rig.write("Pickup/00000001000000000007.eml",
              message::encode_queue_header(header, 0).bytes + content);
    rig.start();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    REQUIRE(rig.stored().size() == 1);
    const Stored& message = rig.stored()[0];
    CHECK(message.id != header.id);
    REQUIRE(message.envelope.recipients.size() == 2);
    CHECK(message.envelope.recipients[0].address.local_part == "waiting");
    CHECK(message.envelope.recipients[1].address.local_part == "failed");
    CHECK(message.envelope.recipients[1].original_recipient == "rfc822;x@example.org");
    CHECK(message.envelope.body == BodyType::binary_mime);
    CHECK(message.envelope.envelope_id == "abc");
    CHECK(message.content.starts_with("Received: by relay.example.com (Pickup)"));
    CHECK(message.content.find("Message-ID") == std::string::npos);
    CHECK(below(message.content, "X-Receiver") == content);
  });
}

TEST_CASE_TEMPLATE("a large file passes in windows", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, PickupRig>([](PickupRig& rig) -> task<void> {
    std::string text(kPlain);
    std::string sent = "From: app@example.com\r\nSubject: hi\r\n\r\nhello\r\n";
    for (int i = 0; i < 200'000; ++i) {
      const std::string line = "line " + std::to_string(i) + std::string(i % 40, 'x');
      text += line + "\n";
      sent += line + "\r\n";
    }
    rig.write("Pickup/large", text);
    rig.start();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    REQUIRE(rig.stored().size() == 1);
    const bool is_equal = content_after_trace(rig.stored()[0]) == sent;
    CHECK(is_equal);
    // One window and its line ends above the spool's own mark.
    CHECK(rig.service.fake_spool().pending_peak < FakeSpool::kFlushAbove + 64 * 1024);
  });
}

TEST_CASE("a header section of many windows is read whole") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    std::string text = "X-Sender: a@example.com\r\n";
    for (int i = 0; i < 20'000; ++i) {
      text += "X-Receiver: user" + std::to_string(i) + "@example.org\r\n";
    }
    rig.write("Pickup/many", text + "Subject: many\r\n\r\nbody\r\n");
    rig.start();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    REQUIRE(rig.stored().size() == 1);
    CHECK(rig.stored()[0].envelope.recipients.size() == 20'000);
    CHECK(below(rig.stored()[0].content, "Subject") == "Subject: many\r\n\r\nbody\r\n");
  });
}

TEST_CASE("the oldest file is first, equal times by name, whichever directory") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    const auto file = [&](const std::string& name, const std::string& who, int age) {
      rig.write(name, "From: " + who + "@example.com\nTo: b@example.com\n\n");
      rig.age(name, age);
    };
    file("Pickup/a", "third", 100);
    file("Pickup/new/z", "first", 300);
    file("Pickup/cur/y", "second", 200);
    file("Pickup/b", "fourth", 100);
    rig.start();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    REQUIRE(rig.stored().size() == 4);
    CHECK(rig.stored()[0].envelope.reverse_path.local_part == "first");
    CHECK(rig.stored()[1].envelope.reverse_path.local_part == "second");
    CHECK(rig.stored()[2].envelope.reverse_path.local_part == "third");
    CHECK(rig.stored()[3].envelope.reverse_path.local_part == "fourth");
  });
}

TEST_CASE("more files than one batch are all taken") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    for (int i = 0; i < 600; ++i) rig.write("Pickup/" + std::to_string(i), kPlain);
    rig.start();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    CHECK(rig.stored().size() == 600);
  });
}

}  // namespace mailroot::receive::test
