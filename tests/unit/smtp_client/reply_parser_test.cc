#include "mailroot/smtp/reply_parser.h"

#include <doctest/doctest.h>

#include <vector>

namespace mailroot::smtp {

namespace {

struct Parsed {
  std::vector<Reply> replies;
  std::string error;
};

// Fed in pieces of `step` bytes.
Parsed parse(std::string_view input, size_t step) {
  Parsed parsed;
  ReplyParser parser;
  while (!input.empty()) {
    std::string_view piece = input.substr(0, step);
    input.remove_prefix(piece.size());
    while (!piece.empty()) {
      ReplyStatus status = ReplyStatus::incomplete;
      piece.remove_prefix(parser.feed(as_bytes(piece), status));
      if (status == ReplyStatus::complete) parsed.replies.push_back(parser.reply());
      if (status == ReplyStatus::malformed) {
        parsed.error = parser.error();
        return parsed;
      }
    }
  }
  return parsed;
}

Reply only(std::string_view input) {
  const Parsed parsed = parse(input, 4096);
  REQUIRE(parsed.error == "");
  REQUIRE(parsed.replies.size() == 1);
  return parsed.replies[0];
}

}  // namespace

TEST_CASE("replies of one and of many lines, at every split") {
  const std::string input =
      "220 mx ready\r\n250-mx\r\n250-SIZE 10\r\n250 DSN\r\n550 5.1.1 no\r\n250\r\n250-\r\n250 \r\n";
  for (size_t step = 1; step <= input.size(); ++step) {
    const Parsed parsed = parse(input, step);
    REQUIRE(parsed.error == "");
    REQUIRE(parsed.replies.size() == 5);
    CHECK(parsed.replies[0].code == 220);
    CHECK(parsed.replies[0].text == "mx ready");
    CHECK(parsed.replies[1].text == "mx\nSIZE 10\nDSN");
    CHECK(parsed.replies[2].enhanced == "5.1.1");
    CHECK(parsed.replies[2].text == "no");
    CHECK(parsed.replies[3].text == "");
    CHECK(parsed.replies[4].text == "\n");
  }
}

TEST_CASE("an enhanced code counts only where it agrees with the reply") {
  CHECK(only("550 5.7.1 no\r\n").enhanced == "5.7.1");
  CHECK(only("550-5.7.1 no\r\n550 5.7.1 way\r\n").text == "no\nway");
  CHECK(only("550 5.7.1\r\n").enhanced == "5.7.1");
  CHECK(only("550 5.7.509 long\r\n").enhanced == "5.7.509");
  for (const char* text :
       {"4.7.1 no", "2.0.0 no", "5.7 no", "5.7.1.2 no", "5.7.1no", "5..1 no", "5.7. no",
        "5.1234.1 no", "5.1.1234 no", "x", "5", "5.", "5.1", "5.1."}) {
    CAPTURE(text);
    const Reply reply = only("550 " + std::string(text) + "\r\n");
    CHECK(reply.enhanced == "");
    CHECK(reply.text == text);
  }
}

TEST_CASE("control characters never reach the log") {
  CHECK(only("550 a\x1B[31mb\tc\x7F\r\n").text == "a?[31mb?c?");
  CHECK(only("550 caf\xC3\xA9\r\n").text == "caf\xC3\xA9");
}

TEST_CASE("a bare line feed ends a reply line") { CHECK(only("250-a\n250 b\n").text == "a\nb"); }

TEST_CASE("what is no reply is refused") {
  for (const char* input : {"hello\r\n",
                            "\r\n",
                            "\n",
                            "25\r\n",
                            "25x ok\r\n",
                            "150 ok\r\n",
                            "600 ok\r\n",
                            "050 ok\r\n",
                            "250ok\r\n",
                            "2500 ok\r\n",
                            "250\tok\r\n",
                            " 250 ok\r\n",
                            "250-a\r\n251 b\r\n",
                            "250-a\r\nb\r\n",
                            "250-a\r\n\r\n",
                            "250 o\rk\r\n",
                            "250 ok\r\r\n",
                            "\xEF\xBB\xBF"
                            "250 ok\r\n",
                            "HTTP/1.1 400 Bad Request\r\n",
                            "* OK IMAP4\r\n"}) {
    CAPTURE(input);
    for (const size_t step : {1UL, 3UL, 4096UL}) {
      const Parsed parsed = parse(input, step);
      CHECK(parsed.error != "");
      CHECK(parsed.replies.empty());
    }
  }
}

TEST_CASE("a NUL is refused") {
  using namespace std::string_view_literals;
  CHECK(parse("250 o\0k\r\n"sv, 4096).error == "a NUL inside a reply");
}

TEST_CASE("after an error nothing is consumed") {
  ReplyParser parser;
  ReplyStatus status = ReplyStatus::incomplete;
  CHECK(parser.feed(as_bytes("junk\r\n250 ok\r\n"), status) == 6);
  CHECK(status == ReplyStatus::malformed);
  CHECK(parser.feed(as_bytes("250 ok\r\n"), status) == 0);
  CHECK(status == ReplyStatus::malformed);
}

TEST_CASE("a long line is cut, an endless one refused") {
  const std::string kept = only("250 " + std::string(5000, 'x') + "\r\n").text;
  CHECK(kept.size() == kReplyLineKeptBytes - 4);
  CHECK(parse("250 " + std::string(kReplyLineBytesMax, 'x') + "\r\n", 4096).error ==
        "an endless reply line");
  CHECK(parse(std::string(kReplyLineBytesMax + 1, '2'), 1000).error == "an endless reply line");
}

TEST_CASE("an endless reply is refused, its text bounded") {
  std::string lines;
  for (int i = 0; i < 2000; ++i) lines += "250-x\r\n";
  CHECK(parse(lines, 4096).error == "a reply of too many lines");
  lines.clear();
  for (int i = 0; i < 400; ++i) lines += "250-" + std::string(1000, 'x') + "\r\n";
  CHECK(parse(lines, 4096).error == "an endless reply");
  lines.resize(100 * 1006);
  const Reply reply = only(lines + "250 end\r\n");
  CHECK(reply.text.size() <= kReplyTextKeptBytes);
}

}  // namespace mailroot::smtp
