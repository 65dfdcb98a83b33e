// Servers that lie, stutter, fall silent or hang up.
#include <doctest/doctest.h>

#include "client_fixture.h"
#include "mailroot/smtp/reply_parser.h"

namespace mailroot::smtp {

namespace {

// Replies of a good dialogue with one recipient, in lock step.
const std::vector<std::string> kGood = {"220 mx\r\n", "250 mx\r\n", "250 ok\r\n",
                                        "250 ok\r\n", "354 go\r\n", "250 ok\r\n"};

// Plays the first `steps` replies.
void play(Fixture& f, size_t steps) {
  f.begin();
  for (size_t i = 0; i < steps; ++i) {
    f.say(kGood[i]);
    if (f.content != ContentForm::none) f.content_sent();
  }
}

}  // namespace

TEST_CASE("closed at each stage, and in the middle of each reply") {
  for (size_t steps = 0; steps < kGood.size(); ++steps) {
    for (const size_t part : {0UL, 1UL, 4UL}) {
      Fixture f;
      play(f, steps);
      f.say(std::string_view(kGood[steps]).substr(0, part));
      f.peer_closed();
      CAPTURE(steps);
      CHECK(f.closed);
      CHECK(f.close_reason == CloseReason::peer_closed);
      CHECK(f.letters() == "T");
      CHECK(f.outcomes[0].scope == OutcomeScope::connection);
      CHECK(f.outcomes[0].enhanced_code == "4.4.2");
      CHECK(f.outcomes[0].text.starts_with("connection closed while waiting for the "));
      f.peer_closed();
      CHECK(f.outcomes.size() == 1);
    }
  }
}

TEST_CASE("silent at each stage") {
  const std::vector<std::string> kWaiting = {
      "the greeting",      "the reply to EHLO", "the reply to MAIL",
      "the reply to RCPT", "the reply to DATA", "the reply to the end of the content"};
  for (size_t steps = 0; steps < kGood.size(); ++steps) {
    Fixture f;
    play(f, steps);
    f.time_out();
    CHECK(f.close_reason == CloseReason::timed_out);
    CHECK(f.letters() == "T");
    CHECK(f.outcomes[0].text == "timed out waiting for " + kWaiting[steps]);
  }
}

TEST_CASE("garbage, NUL, another protocol and 421 at each stage") {
  using namespace std::string_view_literals;
  for (size_t steps = 0; steps < kGood.size(); ++steps) {
    for (const std::string_view bad :
         {"junk\r\n"sv, "\0\0\0\0"sv, "HTTP/1.1 200 OK\r\n"sv, "250-a\r\n550 b\r\n"sv, "\r\n"sv,
          "999 x\r\n"sv, "220 again\r\n"sv, "221 bye\r\n"sv, "421 4.3.2 shutting down\r\n"sv}) {
      if (steps == 0 && bad.starts_with("220")) continue;
      Fixture f;
      play(f, steps);
      f.say(bad);
      CAPTURE(steps);
      CAPTURE(bad);
      CHECK(f.closed);
      CHECK(f.letters() == "T");
      CHECK(f.outcomes[0].scope == OutcomeScope::connection);
    }
  }
}

TEST_CASE("354 anywhere but after DATA") {
  for (size_t steps = 0; steps < kGood.size(); ++steps) {
    if (steps == 4) continue;
    Fixture f;
    play(f, steps);
    f.say("354 go\r\n");
    CHECK(f.close_reason == CloseReason::protocol_error);
    CHECK(f.letters() == "T");
  }
}

TEST_CASE("250 to DATA is not a delivery") {
  Fixture f;
  play(f, 4);
  f.say("250 ok\r\n");
  CHECK(f.close_reason == CloseReason::protocol_error);
  CHECK(f.letters() == "T");
}

TEST_CASE("a 250 that comes before the content is out is not a delivery") {
  SUBCASE("behind 354 in the same segment") {
    Fixture f;
    f.connect();
    f.begin();
    f.say("250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n");
    CHECK(f.close_reason == CloseReason::protocol_error);
    CHECK(f.letters() == "T");
    CHECK(f.actions.content == ContentForm::none);
  }
  SUBCASE("while a chunk is being sent") {
    Fixture f;
    f.connect("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    f.begin();
    f.say("250 ok\r\n250 ok\r\n250 ok\r\n");
    CHECK(f.close_reason == CloseReason::protocol_error);
    CHECK(f.letters() == "T");
  }
}

TEST_CASE("a refusal in the middle of the content is believed and ends the connection") {
  for (const bool chunking : {false, true}) {
    Fixture f({"a", "b"});
    f.size_bytes = 1000000;
    f.connect(chunking ? "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n" : kPipelining);
    f.begin();
    f.say("250 ok\r\n250 ok\r\n550 5.1.1 no\r\n");
    if (!chunking) f.say("354 go\r\n");
    REQUIRE(f.content != ContentForm::none);
    f.say("552 5.3.4 too big\r\n");
    CHECK(f.closed);
    CHECK(f.close_reason == CloseReason::content_rejected);
    CHECK(f.letters() == "FF");
    CHECK(f.outcomes[0].enhanced_code == "5.3.4");
    CHECK(f.outcomes[0].scope == OutcomeScope::message);
    CHECK(f.outcomes[1].enhanced_code == "5.1.1");
    f.content_sent();
    CHECK(f.outcomes.size() == 2);
  }
}

TEST_CASE("421 in the middle of the content defers") {
  Fixture f;
  f.connect();
  f.begin();
  f.say("250 ok\r\n250 ok\r\n354 go\r\n");
  f.say("421 4.3.2 shutting down\r\n");
  CHECK(f.close_reason == CloseReason::content_rejected);
  CHECK(f.letters() == "T");
}

TEST_CASE("421 instead of a RCPT reply: what was settled stays settled") {
  Fixture f({"a", "b", "c"});
  f.connect();
  f.begin();
  f.say("250 ok\r\n550 5.1.1 no\r\n421 4.7.0 enough\r\n");
  CHECK(f.close_reason == CloseReason::service_closing);
  CHECK(f.letters() == "FTT");
  CHECK(f.outcomes[2].reply_code == 421);
  CHECK(f.outcomes[2].scope == OutcomeScope::connection);
}

TEST_CASE("MAIL refused, then the connection dies: the refusal is what counts") {
  Fixture f({"a", "b"});
  f.connect();
  f.begin();
  f.say("550 5.7.1 not you\r\n");
  f.peer_closed();
  CHECK(f.letters() == "FF");
  CHECK(f.outcomes[0].text == "not you");
  CHECK(f.close_reason == CloseReason::peer_closed);
}

TEST_CASE("bytes after the final reply: delivered, and the connection is over") {
  for (const char* extra : {"250 ok\r\n", "junk\r\n", "421 bye\r\n"}) {
    Fixture f;
    play(f, 5);
    f.say("250 ok\r\n" + std::string(extra));
    CHECK(f.letters() == "D");
    CHECK(f.closed);
    CHECK_FALSE(f.ready);
  }
}

TEST_CASE("one reply too many shifts the rest, and that is noticed before anybody is delivered") {
  Fixture f({"a", "b"});
  f.connect();
  f.begin();
  f.say("250 ok\r\n250 extra\r\n550 5.1.1 no\r\n550 5.1.1 no\r\n");
  CHECK(f.session.recipients_delivered() == 0);
  CHECK(f.letters() == "FF");
  f.say("354 go\r\n");
  CHECK(f.closed);
  CHECK(f.session.recipients_delivered() == 0);
}

TEST_CASE("an endless reply ends the connection") {
  Fixture f;
  f.begin();
  f.say("220 mx\r\n");
  const std::string line = "250-" + std::string(500, 'x') + "\r\n";
  size_t fed = 0;
  while (!f.closed && fed < 10 * kReplyBytesMax) {
    f.say(line);
    fed += line.size();
  }
  CHECK(f.close_reason == CloseReason::protocol_error);
  CHECK(fed <= kReplyBytesMax + line.size());
  CHECK(f.letters() == "T");
}

TEST_CASE("a whole dialogue byte by byte") {
  Fixture f;
  f.begin();
  for (const std::string& reply : kGood)
    for (const char c : reply) {
      f.say(std::string_view(&c, 1));
      if (f.content != ContentForm::none) f.content_sent();
    }
  CHECK(f.letters() == "D");
}

TEST_CASE("the text of an outcome is bounded and on one line") {
  Fixture f;
  f.connect();
  f.begin();
  std::string reply;
  for (int i = 0; i < 50; ++i) reply += "550-" + std::string(100, 'x') + "\r\n";
  f.say(reply + "550 end\r\n503 x\r\n503 x\r\n");
  REQUIRE(f.outcomes.size() == 1);
  CHECK(f.outcomes[0].text.size() == kOutcomeTextMax);
  CHECK(f.outcomes[0].text.find('\n') == std::string::npos);
}

TEST_CASE("nothing happens after the end") {
  Fixture f;
  f.connect();
  f.peer_closed();
  f.say("250 ok\r\n");
  f.time_out();
  f.quit();
  CHECK(f.outcomes.empty());
  CHECK(f.session.is_closed());
  CHECK(f.take_sent() == "");
}

}  // namespace mailroot::smtp
