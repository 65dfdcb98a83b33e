// Our client against our server, with no network between: what one reads is what the other sent.
#include <doctest/doctest.h>

#include <deque>

#include "client_fixture.h"
#include "mailroot/smtp/server_session.h"

namespace mailroot::smtp {

namespace {

SessionRules server_rules(std::string disabled) {
  SessionRules rules;
  rules.fqdn = "mx.example.org";
  rules.default_domain = "example.org";
  rules.disabled_keywords = std::move(disabled);
  return rules;
}

// One message after the other over one connection, in segments of `step` bytes both ways.
class Loopback {
 public:
  Loopback(std::string disabled, size_t step)
      : step_(step),
        server_(server_rules(std::move(disabled)), *SocketAddress::parse("192.0.2.1:1")),
        client_(plain_rules(), "mx") {
    server_.greet(server_actions_);
    answer_server();
    client_.start(client_actions_);
    run();
  }

  // The outcomes, one letter a recipient.
  std::string send(const Envelope& envelope, std::string_view content) {
    content_ = content;
    outcomes_.clear();
    Transaction transaction;
    transaction.envelope = &envelope;
    for (uint32_t i = 0; i < envelope.recipients.size(); ++i) transaction.recipients.push_back(i);
    transaction.size_bytes = content.size();
    ContentScan scan;
    scan.add(as_bytes(content));
    transaction.content = scan.traits();
    REQUIRE(client_.ready());
    client_.begin(transaction, client_actions_);
    run();
    return outcomes_;
  }
  const std::vector<std::string>& received() const { return received_; }
  const Envelope& received_envelope() const { return received_envelope_; }

 private:
  void run() {
    do {
      drive_client();
      drive_server();
    } while (!to_client_.empty() || !client_actions_.send.empty());
  }

  void drive_client() {
    std::string bytes = std::exchange(to_client_, {});
    for (size_t at = 0; at < bytes.size(); at += step_)
      client_.feed(as_bytes(std::string_view(bytes).substr(at, step_)), client_actions_);
    to_server_ += client_actions_.send;
    const ContentForm form = client_actions_.content;
    for (const DeliveryOutcome& outcome : client_actions_.outcomes)
      outcomes_ += std::string_view("DTFN")[static_cast<size_t>(outcome.disposition)];
    REQUIRE_FALSE(client_actions_.close);
    client_actions_.clear();
    if (form == ContentForm::none) return;
    if (form == ContentForm::bdat) {
      to_server_ += content_;
    } else {
      DotStuffer stuffer;
      std::vector<ByteView> out;
      REQUIRE(stuffer.add(as_bytes(content_), out));
      REQUIRE(stuffer.finish(out));
      for (const ByteView view : out) to_server_ += as_text(view);
    }
    client_.content_sent(client_actions_);
  }

  void drive_server() {
    std::string bytes = std::exchange(to_server_, {});
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const std::string_view piece = rest.substr(0, step_);
      const size_t used = server_.feed(as_bytes(piece), server_actions_);
      answer_server();
      rest.remove_prefix(used);
    }
  }

  void answer_server() {
    for (;;) {
      for (const ByteView piece : server_actions_.content) draft_ += as_text(piece);
      to_client_ += server_actions_.reply;
      const Question question = server_actions_.question;
      server_actions_.clear();
      if (question == Question::none) return;
      Answer answer;
      if (question == Question::may_relay &&
          server_.pending_recipient().address.local_part == "refused") {
        answer.accept = false;
        answer.reply = "550 5.7.1 Unable to relay";
      } else if (question == Question::begin_content) {
        draft_.clear();
      } else if (question == Question::commit) {
        received_.push_back(draft_);
        received_envelope_ = server_.take_envelope();
        answer.queue_id = "1";
      }
      server_.answer(answer, server_actions_);
    }
  }

  size_t step_;
  ServerSession server_;
  ClientSession client_;
  Actions server_actions_;
  ClientActions client_actions_;
  std::string to_client_, to_server_, content_, draft_, outcomes_;
  std::vector<std::string> received_;
  Envelope received_envelope_;
};

const std::string kContent = "Subject: x\r\n\r\n.\r\n..\r\na\r\n.b\r\n";

}  // namespace

TEST_CASE("messages pass whole, with and without PIPELINING and CHUNKING, in any segments") {
  for (const char* disabled : {"", "CHUNKING", "PIPELINING", "PIPELINING CHUNKING", "DSN SIZE"}) {
    for (const size_t step : {1UL, 2UL, 7UL, 100000UL}) {
      CAPTURE(disabled);
      CAPTURE(step);
      Loopback loopback(disabled, step);
      const Envelope envelope = envelope_for({"bob", "refused", "eve"});
      CHECK(loopback.send(envelope, kContent) == "DFD");
      CHECK(loopback.send(envelope_for({"refused"}), kContent) == "F");
      CHECK(loopback.send(envelope_for({"bob"}), "Subject: second\r\n\r\n" + kContent) == "D");
      REQUIRE(loopback.received().size() == 2);
      CHECK(loopback.received()[0] == kContent);
      CHECK(loopback.received()[1] == "Subject: second\r\n\r\n" + kContent);
    }
  }
}

TEST_CASE("a large message passes by DATA and by BDAT") {
  std::string content = "Subject: x\r\n\r\n";
  while (content.size() < 300000) content += ".line " + std::to_string(content.size()) + "\r\n";
  for (const char* disabled : {"", "CHUNKING"}) {
    Loopback loopback(disabled, 4096);
    CHECK(loopback.send(envelope_for({"bob"}), content) == "D");
    REQUIRE(loopback.received().size() == 1);
    CHECK(loopback.received()[0] == content);
  }
}

TEST_CASE("the envelope arrives with all its parameters") {
  Envelope envelope = envelope_for({"bob", "a \"b\\"});
  envelope.ret = Return::headers;
  envelope.envelope_id = "id+1 =";
  envelope.body = BodyType::eight_bit_mime;
  envelope.smtputf8 = true;
  envelope.recipients[0].address.local_part =
      "b\xC3\xB6"
      "b";
  envelope.recipients[0].notify = {
      .never = false, .success = true, .failure = false, .delay = true};
  envelope.recipients[1].notify.never = true;
  envelope.recipients[1].original_recipient = "rfc822;a+b@example.org";
  Loopback loopback("", 3);
  const std::string content = "Subject: caf\xC3\xA9\r\n\r\ncaf\xC3\xA9\r\n";
  CHECK(loopback.send(envelope, content) == "DD");
  Envelope received = loopback.received_envelope();
  CHECK(received.declared_size_bytes == content.size());
  received.declared_size_bytes.reset();
  CHECK(received == envelope);
}

TEST_CASE("binary content passes, and content the server lacks the means for does not") {
  using namespace std::string_view_literals;
  const std::string binary("Subject: x\r\n\r\na\nb\rc\0d"sv);
  Envelope envelope = envelope_for({"bob"});
  envelope.body = BodyType::binary_mime;
  {
    Loopback loopback("", 5);
    CHECK(loopback.send(envelope, binary) == "D");
    CHECK(loopback.received().at(0) == binary);
  }
  {
    Loopback loopback("BINARYMIME", 5);
    CHECK(loopback.send(envelope, binary) == "F");
    CHECK(loopback.send(envelope_for({"bob"}), kContent) == "D");
  }
  {
    Loopback loopback("8BITMIME", 5);
    envelope.body = BodyType::eight_bit_mime;
    CHECK(loopback.send(envelope, "Subject: x\r\n\r\ncaf\xC3\xA9\r\n") == "F");
    CHECK(loopback.received().empty());
  }
}

}  // namespace mailroot::smtp
