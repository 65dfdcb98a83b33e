#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "connection.h"
#include "message.h"
#include "reply_reader.h"
#include "text.h"

namespace mailroot::bench {
namespace {

MessageShape shape_of(uint64_t size_bytes) {
  return {.size_bytes = size_bytes,
          .recipients = 2,
          .domains = 3,
          .run = "run.example",
          .sender = "s{seq}@a.example",
          .recipient = "r{n}@d{d}.example"};
}

struct FixedRun final : Shared {
  FixedRun(const Options& o, MessageFactory& f, Statistics& s, uint64_t m)
      : Shared(o, f, s), messages(m) {}
  bool take_sequence(uint64_t& sequence) override {
    sequence = next;
    return next++ < messages;
  }
  uint64_t next = 0;
  uint64_t messages;
};

/// A conversation with a scripted server.
struct Talk {
  explicit Talk(const Options& o, uint64_t messages)
      : options(o),
        factory(shape_of(o.size_bytes)),
        run(options, factory, statistics, messages),
        conversation(run) {
    conversation.begin(1);
  }

  /// Feeds `reply`, answers everything the client sends.
  std::string say(std::string_view reply) {
    outcome = conversation.receive(reply, 2);
    return take();
  }

  std::string take() {
    std::string all;
    conversation.fill(3);
    while (conversation.has_output()) {
      Conversation::Chunk chunks[4];
      size_t count = conversation.output(chunks, 4);
      size_t size = 0;
      for (size_t i = 0; i < count; ++i) {
        all.append(chunks[i].data, chunks[i].size);
        size += chunks[i].size;
      }
      // One byte less than offered: the rest comes again.
      size_t part = size > 1 ? size - 1 : size;
      all.resize(all.size() - (size - part));
      conversation.sent(part, 4);
    }
    return all;
  }

  Options options;
  MessageFactory factory;
  Statistics statistics;
  FixedRun run;
  Conversation conversation;
  Conversation::Outcome outcome = Conversation::Outcome::open;
};

Options small() {
  Options options;
  options.size_bytes = 700;
  return options;
}

void greet(Talk& talk) { CHECK(talk.say("220 x\r\n") == "EHLO source.bench.example\r\n"); }

constexpr std::string_view kHello = "250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SIZE 100\r\n";

}  // namespace

TEST_CASE("messages have the size asked for, whole lines, and a true checksum") {
  for (uint64_t size : {500U, 700U, 701U, 4096U, 4097U, 65535U, 100'000U}) {
    MessageFactory factory(shape_of(size));
    for (uint64_t sequence = 0; sequence < 130; ++sequence) {
      CAPTURE(size);
      CAPTURE(sequence);
      std::string message;
      Body body = factory.compose(sequence, 77, message);
      std::string content = std::string(body.main) + std::string(body.tail);
      size_t at = message.find("crc=");
      REQUIRE(at != std::string::npos);
      CHECK(std::stoul(message.substr(at + 4, 8), nullptr, 16) == crc32c(0, content));
      message += content;
      CHECK(message.size() == size);
      CHECK(message.ends_with("\r\n"));
      CHECK(message.find("\n.") == std::string::npos);
      size_t bare = 0;
      for (size_t i = 0; i < message.size(); ++i) {
        bool lf_next = i + 1 < message.size() && message[i + 1] == '\n';
        bare += (message[i] == '\r') != lf_next ? 1 : 0;
      }
      CHECK(bare == 0);
    }
  }
}

TEST_CASE("a size below the least one gives the least one") {
  MessageFactory factory(shape_of(0));
  std::string message;
  Body body = factory.compose(1, 1, message);
  CHECK(body.main.size() + body.tail.size() == 3);
}

TEST_CASE("templates") {
  MessageFactory factory(shape_of(500));
  std::string text;
  factory.append_recipient(5, 1, text);
  CHECK(text == "r1@d2.example");
  text.clear();
  factory.append_sender(5, text);
  CHECK(text == "s5@a.example");
}

TEST_CASE("reply lines arrive in pieces") {
  const std::string_view all = "250-first\r\n250 last\r\n";
  for (size_t cut = 0; cut <= all.size(); ++cut) {
    ReplyReader reader;
    std::vector<std::string> seen;
    for (std::string_view part : {all.substr(0, cut), all.substr(cut)}) {
      Reply reply;
      while (!part.empty()) {
        if (reader.next(part, reply) == ReplyReader::State::line) {
          seen.push_back(std::string(reply.text) + (reply.last ? "." : "-"));
        }
      }
    }
    CHECK(seen == std::vector<std::string>{"first-", "last."});
  }
}

TEST_CASE("what is no reply is garbage") {
  for (const char* bad :
       {"hello\r\n", "25\r\n", "\r\n", "150 no\r\n", "250xno\r\n", "2x0 no\r\n"}) {
    CAPTURE(bad);
    ReplyReader reader;
    Reply reply;
    std::string_view input = bad;
    CHECK(reader.next(input, reply) == ReplyReader::State::garbage);
  }
  ReplyReader reader;
  Reply reply;
  std::string endless(10'000, '2');
  std::string_view input = endless;
  CHECK(reader.next(input, reply) == ReplyReader::State::garbage);
}

TEST_CASE("lockstep: one command, one reply") {
  Talk talk(small(), 1);
  greet(talk);
  CHECK(talk.say(kHello) == "MAIL FROM:<s0@a.example> SIZE=700\r\n");
  CHECK(talk.say("250 ok\r\n") == "RCPT TO:<r0@d0.example>\r\n");
  CHECK(talk.say("250 ok\r\n") == "DATA\r\n");
  std::string content = talk.say("354 go\r\n");
  CHECK(content.size() == 700 + 3);
  CHECK(content.ends_with("\r\n.\r\n"));
  CHECK(talk.say("250 2.0.0 taken\r\n") == "QUIT\r\n");
  CHECK(talk.statistics.accepted == 1);
  CHECK(talk.say("221 bye\r\n").empty());
  CHECK(talk.outcome == Conversation::Outcome::finished);
}

TEST_CASE("pipelined: the next transaction follows the end of data") {
  Options options = small();
  options.pipeline = true;
  options.depth = 2;
  Talk talk(options, 2);
  greet(talk);
  std::string group = talk.say(kHello);
  CHECK(group == "MAIL FROM:<s0@a.example> SIZE=700\r\nRCPT TO:<r0@d0.example>\r\nDATA\r\n");
  CHECK(talk.say("250 a\r\n250 b\r\n354 c\r\n")
            .ends_with("\r\n.\r\n"
                       "MAIL FROM:<s1@a.example> "
                       "SIZE=700\r\nRCPT TO:<r0@d2.example>\r\nDATA\r\n"));
  CHECK(talk.say("250 taken\r\n250 a\r\n250 b\r\n354 c\r\n").ends_with("\r\n.\r\n"));
  CHECK(talk.say("250 taken\r\n") == "QUIT\r\n");
  CHECK(talk.statistics.accepted == 2);
}

TEST_CASE("chunked: as many transactions as the depth says") {
  Options options = small();
  options.pipeline = options.chunking = true;
  options.depth = 3;
  Talk talk(options, 5);
  greet(talk);
  std::string first = talk.say(kHello);
  CHECK(first.find("BDAT 700 LAST\r\n") != std::string::npos);
  CHECK(first.find("s2@a.example") != std::string::npos);
  CHECK(first.find("s3@a.example") == std::string::npos);
  std::string next = talk.say("250 a\r\n250 b\r\n250 c\r\n");
  CHECK(next.starts_with("MAIL FROM:<s3@a.example>"));
  CHECK(talk.statistics.accepted == 1);
}

TEST_CASE("refusals are counted and the connection goes on") {
  Talk talk(small(), 4);
  greet(talk);
  talk.say(kHello);
  CHECK(talk.say("451 not you\r\n").starts_with("MAIL FROM:<s1@"));
  CHECK(talk.say("250 ok\r\n").starts_with("RCPT"));
  CHECK(talk.say("550-no\r\n550 such user\r\n") == "RSET\r\n");
  CHECK(talk.say("250 ok\r\n").starts_with("MAIL FROM:<s2@"));
  talk.say("250 ok\r\n");
  talk.say("250 ok\r\n");
  talk.say("354 go\r\n");
  CHECK(talk.say("452 full\r\n").starts_with("MAIL FROM:<s3@"));
  CHECK(talk.statistics.refused == 3);
  CHECK(talk.statistics.recipients_refused == 1);
  CHECK(talk.statistics.accepted == 0);
  CHECK(talk.statistics.samples.size() == 3);
}

TEST_CASE("354 without recipients is answered with a lone dot") {
  Options options = small();
  options.pipeline = true;
  Talk talk(options, 1);
  greet(talk);
  talk.say(kHello);
  CHECK(talk.say("250 a\r\n550 b\r\n354 c\r\n") == ".\r\n");
  talk.say("554 nothing\r\n");
  CHECK(talk.statistics.refused == 1);
  CHECK(talk.statistics.accepted == 0);
}

TEST_CASE("what breaks a connection") {
  struct Row {
    const char* at_greeting;
    const char* at_hello;
  };
  for (Row row : {Row{"554 no\r\n", ""}, Row{"garbage\r\n", ""}, Row{"220 x\r\n", "502 no\r\n"},
                  Row{"220 x\r\n", "421 later\r\n"}, Row{"220 x\r\n", "garbage\r\n"}}) {
    CAPTURE(row.at_greeting);
    Talk talk(small(), 1);
    talk.say(row.at_greeting);
    if (talk.outcome == Conversation::Outcome::open) {
      talk.say(row.at_hello);
    }
    CHECK(talk.outcome == Conversation::Outcome::broken);
    CHECK_FALSE(talk.conversation.failure().empty());
  }
}

TEST_CASE("what was under way when the connection broke is unanswered, not refused") {
  Talk talk(small(), 3);
  greet(talk);
  talk.say(kHello);
  talk.say("421 shutting down\r\n");
  CHECK(talk.outcome == Conversation::Outcome::broken);
  talk.conversation.abandon();
  CHECK(talk.statistics.unanswered == 1);
  CHECK(talk.statistics.refused == 0);
}

TEST_CASE("an extension that is not offered is an error, not a fallback") {
  Options options = small();
  options.chunking = true;
  Talk talk(options, 1);
  greet(talk);
  talk.say("250 x\r\n");
  CHECK(talk.outcome == Conversation::Outcome::broken);
}

}  // namespace mailroot::bench
