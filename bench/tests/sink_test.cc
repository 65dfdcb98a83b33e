#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "command.h"
#include "data_decoder.h"
#include "misbehaviour.h"
#include "session.h"

namespace mailroot::bench {
namespace {

struct Decoded {
  std::string content;
  bool ended = false;
  size_t used = 0;
};

Decoded decode(const std::vector<std::string_view>& parts) {
  DataDecoder decoder;
  decoder.begin();
  Decoded result;
  for (std::string_view part : parts) {
    if (!result.ended) {
      result.used += decoder.feed(part, result.ended,
                                  [&](std::string_view piece) { result.content += piece; });
    }
  }
  return result;
}

/// A session and what it said.
struct Server {
  explicit Server(Options o = {})
      : options(std::move(o)),
        shared{options, statistics, Mischief(options.misbehaviour, 0), names, messages, {}},
        session(shared, "127.0.0.1:1") {
    say("");
  }

  std::string say(std::string_view bytes) {
    std::string output;
    pending += bytes;
    std::string_view input = pending;
    next = session.feed(input, output);
    pending = std::string(input);
    return output;
  }

  Options options;
  Statistics statistics;
  CaptureNames names;
  std::atomic<uint64_t> messages{0};
  Shared shared;
  Session session;
  Session::Next next = Session::Next::read;
  std::string pending;
};

Options with_rule(std::string_view rule) {
  Options options;
  options.misbehaviour.rules.push_back(parse_reply_rule(rule).value());
  return options;
}

Options with_fault(Fault fault, std::string_view trigger) {
  Options options;
  options.misbehaviour.rules.push_back(
      {.fault = fault, .trigger = parse_trigger(trigger).value(), .code = 0, .reply = {}});
  return options;
}

std::string codes(std::string_view replies) {
  std::string all;
  while (!replies.empty()) {
    if (replies.size() > 3 && replies[3] == ' ') {
      all += std::string(all.empty() ? "" : " ") + std::string(replies.substr(0, 3));
    }
    replies.remove_prefix(replies.find('\n') + 1);
  }
  return all;
}

constexpr std::string_view kMessage =
    "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n";

}  // namespace

TEST_CASE("the end of data is found at every split") {
  struct Row {
    std::string_view wire;
    std::string_view content;
  };
  for (Row row :
       {Row{"a\r\n..b\r\n.c\r\n.\r\n", "a\r\n.b\r\nc\r\n"}, Row{".\r\n", ""},
        Row{"\r\n.\r\n", "\r\n"}, Row{"a\n.\n\r\n.\r\n", "a\n.\n\r\n"},
        Row{"a\r.\r\n.\r\n", "a\r.\r\n"}, Row{".\rx\r\n.\r\n", "\rx\r\n"},
        Row{"..\r\n.\r\n", ".\r\n"}, Row{"a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n"},
        Row{"a\r\r\n.\r\n", "a\r\r\n"}, Row{"x.y.z\r\n.\n.\r\n.\r\n", "x.y.z\r\n\n.\r\n"}}) {
    CAPTURE(row.wire);
    std::string wire = std::string(row.wire) + "QUIT\r\n";
    for (size_t a = 0; a <= wire.size(); ++a) {
      for (size_t b = a; b <= wire.size(); ++b) {
        std::string_view all = wire;
        Decoded decoded = decode({all.substr(0, a), all.substr(a, b - a), all.substr(b)});
        REQUIRE(decoded.ended);
        REQUIRE(decoded.content == row.content);
        REQUIRE(decoded.used == row.wire.size());
      }
    }
  }
}

TEST_CASE("what does not end a message") {
  for (std::string_view wire : {"a\n.\n", "a\r\n.\n", "a\n.\r\n", "a\r.\r", "a\r\n.", "a\r\n.\r"}) {
    CAPTURE(wire);
    CHECK_FALSE(decode({wire}).ended);
  }
}

TEST_CASE("paths") {
  CHECK(parse_path("FROM:<>", "FROM:")->path.empty());
  CHECK(parse_path("from:<a@b>", "FROM:")->path == "a@b");
  CHECK(parse_path("TO:<\"a> b\"@c>", "TO:")->path == "\"a> b\"@c");
  auto full = parse_path("FROM:<a@b> SIZE=3 BODY=7BIT", "FROM:");
  REQUIRE(full.has_value());
  CHECK(full->parameters == std::vector<std::string_view>{"SIZE=3", "BODY=7BIT"});
  for (const char* bad : {"", "FROM", "FROM:a@b", "FROM: <a@b>", "FROM:<a@b", "FROM:<a@b>x",
                          "FROM:<a b@c>", "TO:<a@b>", "FROM:<\"a>"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_path(bad, "FROM:").has_value());
  }
}

TEST_CASE("a pipelined message, at every split") {
  std::string all = "EHLO x\r\n" + std::string(kMessage) + "QUIT\r\n";
  for (size_t cut = 0; cut < all.size(); ++cut) {
    Server server;
    std::string replies = server.say(all.substr(0, cut)) + server.say(all.substr(cut));
    REQUIRE(codes(replies) == "250 250 250 354 250 221");
    REQUIRE(server.statistics.messages == 1);
    REQUIRE(server.statistics.bytes == 21);
    REQUIRE(server.next == Session::Next::close);
  }
}

TEST_CASE("chunks, at every split") {
  std::string all =
      "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 4\r\nab\r\nBDAT 0\r\nBDAT 3 "
      "LAST\r\n\r\n.NOOP\r\n";
  for (size_t cut = 0; cut <= all.size(); ++cut) {
    Server server;
    std::string replies = server.say(all.substr(0, cut)) + server.say(all.substr(cut));
    REQUIRE(codes(replies) == "250 250 250 250 250 250 250");
    REQUIRE(server.statistics.bytes == 7);
  }
}

TEST_CASE("order and grammar") {
  struct Row {
    const char* lines;
    const char* codes;
  };
  for (Row row : {
           Row{"MAIL FROM:<a@b>\r\n", "503"},
           Row{"EHLO\r\n", "501"},
           Row{"HELO x\r\nMAIL FROM:<a@b> SIZE=1\r\n", "250 555"},
           Row{"EHLO x\r\nRCPT TO:<a@b>\r\n", "250 503"},
           Row{"EHLO x\r\nDATA\r\n", "250 503"},
           Row{"EHLO x\r\nMAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n", "250 250 503"},
           Row{"EHLO x\r\nMAIL FROM:<a@b>\r\nDATA\r\n", "250 250 554"},
           Row{"EHLO x\r\nMAIL FROM:<a@b>\r\nRSET\r\nRCPT TO:<a@b>\r\n", "250 250 250 503"},
           Row{"EHLO x\r\nMAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<a@b>\r\nDATA\r\n",
               "250 250 250 503"},
           Row{"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nBDAT 1\r\nxDATA\r\n",
               "250 250 250 250 503"},
           Row{"EHLO x\r\nBDAT 4 LAST\r\nRSETNOOP\r\n", "250 503 250"},
           Row{"EHLO x\r\nMAIL FROM:<\xc3\xa9@b>\r\n", "250 553"},
           Row{"EHLO x\r\nMAIL FROM:<\xc3\xa9@b> SMTPUTF8\r\n", "250 250"},
           Row{"EHLO x\r\nMAIL FROM:<a@b> WHAT=1\r\n", "250 555"},
           Row{"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<>\r\n", "250 250 501"},
           Row{"STARTTLS\r\nVRFY x\r\nHELP\r\nNOOP\r\n", "502 252 214 250"},
       }) {
    CAPTURE(row.lines);
    Server server;
    CHECK(codes(server.say(row.lines)) == row.codes);
  }
}

TEST_CASE("sizes over the limit are refused, declared or not") {
  Options options;
  options.size_limit_bytes = 10;
  Server server(options);
  CHECK(codes(server.say("EHLO x\r\nMAIL FROM:<a@b> SIZE=11\r\n")) == "250 552");
  CHECK(codes(server.say(kMessage)) == "250 250 354 552");
  CHECK(server.statistics.messages == 0);
}

TEST_CASE("keywords that are disabled are neither offered nor taken") {
  Options options;
  options.disabled = {"CHUNKING", "size"};
  Server server(options);
  std::string hello = server.say("EHLO x\r\n");
  CHECK(hello.find("CHUNKING") == std::string::npos);
  CHECK(hello.find("BINARYMIME") == std::string::npos);
  CHECK(hello.find("SIZE") == std::string::npos);
  CHECK(hello.find("8BITMIME") != std::string::npos);
  CHECK(codes(server.say("MAIL FROM:<a@b> SIZE=3\r\n")) == "555");
  CHECK(codes(server.say("BDAT 3 LAST\r\n")) == "502");
}

TEST_CASE("rules are read, or refused with a sentence") {
  Rule rule = parse_reply_rule("RCPT/nobody@=451:busy now%50#3").value();
  CHECK(rule.trigger.verb == "RCPT");
  CHECK(rule.trigger.text == "nobody@");
  CHECK(rule.trigger.percent == 50);
  CHECK(rule.trigger.count == 3);
  CHECK(rule.code == 451);
  CHECK(rule.reply == "busy now");
  CHECK(parse_reply_rule("end=250").value().trigger.verb == "END");
  for (const char* bad : {"", "RCPT", "RCPT=", "RCPT=abc", "RCPT=199", "RCPT=4511", "WHAT=451",
                          "RCPT=451%101", "=451"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_reply_rule(bad).has_value());
  }
  CHECK(parse_amount("20").value().first.verb == "*");
  CHECK(parse_amount("RCPT=20").value().second == 20);
  CHECK_FALSE(parse_amount("RCPT=x").has_value());
}

TEST_CASE("a reply rule takes the command's place") {
  Server server(with_rule("RCPT/c@=450:not now#1"));
  CHECK(codes(server.say("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<c@d>\r\n")) ==
        "250 250 450 250");
  CHECK(server.statistics.faults == 1);
}

TEST_CASE("a refused end of data is no message") {
  Server server(with_rule("END=452:full#1"));
  server.say("EHLO x\r\n");
  CHECK(codes(server.say(kMessage)) == "250 250 354 452");
  CHECK(codes(server.say(kMessage)) == "250 250 354 250");
  CHECK(server.statistics.messages == 1);
}

TEST_CASE("a refused BDAT still carries its bytes") {
  Server server(with_rule("BDAT=452:full#1"));
  std::string all = "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n";
  CHECK(codes(server.say(all)) == "250 250 250 452 250");
}

TEST_CASE("faults stop the session where they should") {
  struct Row {
    Fault fault;
    const char* trigger;
    Session::Next next;
    const char* codes;
  };
  for (Row row : {Row{Fault::close, "MAIL", Session::Next::close, "250"},
                  Row{Fault::reset, "END", Session::Next::reset, "250 250 250 354"},
                  Row{Fault::stall, "DATA", Session::Next::stall, "250 250 250"},
                  Row{Fault::stall, "BODY", Session::Next::stall, "250 250 250 354"}}) {
    CAPTURE(row.trigger);
    Server server(with_fault(row.fault, row.trigger));
    CHECK(codes(server.say("EHLO x\r\n" + std::string(kMessage))) == row.codes);
    CHECK(server.next == row.next);
    CHECK(server.statistics.messages == 0);
  }
}

TEST_CASE("a delay comes once for each reply") {
  Options options;
  options.misbehaviour.delays_ms.push_back(parse_amount("MAIL=20").value());
  Server server(options);
  CHECK(codes(server.say("EHLO x\r\nMAIL FROM:<a@b>\r\nNOOP\r\n")) == "250");
  CHECK(server.next == Session::Next::wait);
  CHECK(server.session.wait_ms() == 20);
  CHECK(codes(server.say("")) == "250 250");
  CHECK(server.next == Session::Next::read);
}

TEST_CASE("long replies and garbage") {
  Options options = with_fault(Fault::garbage, "NOOP");
  options.misbehaviour.extra_lines.push_back(parse_amount("MAIL=1000").value());
  Server server(options);
  server.say("EHLO x\r\n");
  std::string reply = server.say("MAIL FROM:<a@b>\r\n");
  CHECK(reply.size() > 50'000);
  CHECK(codes(reply) == "250");
  CHECK(server.say("NOOP\r\n").find("not a reply") != std::string::npos);
}

TEST_CASE("the same seed gives the same faults") {
  auto pattern = [](uint64_t seed) {
    Options options = with_rule("NOOP=450%50");
    options.misbehaviour.seed = seed;
    Server server(options);
    std::string all;
    for (int i = 0; i < 64; ++i) {
      all += codes(server.say("NOOP\r\n"));
    }
    return all;
  };
  std::string first = pattern(1);
  std::string again = pattern(1);
  std::string other = pattern(2);
  CHECK(first == again);
  CHECK(first != other);
}

}  // namespace mailroot::bench
