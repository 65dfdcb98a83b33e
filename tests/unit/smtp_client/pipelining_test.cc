#include <doctest/doctest.h>

#include "client_fixture.h"

namespace mailroot::smtp {

TEST_CASE("MAIL, RCPT and DATA in one write; replies in any grouping") {
  const std::string replies = "250 ok\r\n250 ok\r\n550 5.1.1 no\r\n354 go\r\n";
  for (size_t step = 1; step <= replies.size(); ++step) {
    Fixture f({"bob", "eve"});
    f.connect();
    f.begin();
    CHECK(f.take_sent() ==
          "MAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\n"
          "RCPT TO:<eve@example.org>\r\nDATA\r\n");
    for (size_t at = 0; at < replies.size(); at += step)
      f.say(std::string_view(replies).substr(at, step));
    CHECK(f.content == ContentForm::data);
    f.content_sent();
    f.say("250 ok\r\n");
    CHECK(f.letters() == "DF");
    CHECK(f.ready);
    CHECK(f.take_sent() == "");
  }
}

TEST_CASE("a next transaction needs no RSET after a finished one") {
  Fixture f;
  f.connect();
  for (int i = 0; i < 3; ++i) {
    f.outcomes.clear();
    f.begin();
    CHECK(f.take_sent() == "MAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n");
    f.say("250 ok\r\n250 ok\r\n354 go\r\n");
    f.content_sent();
    f.say("250 ok\r\n");
    CHECK(f.letters() == "D");
  }
  CHECK(f.session.transactions() == 3);
}

TEST_CASE("MAIL refused: RCPT and DATA get nothing but an echo of it") {
  Fixture f({"bob", "eve"});
  f.connect();
  f.begin();
  f.take_sent();
  f.say("550 5.7.1 not you\r\n503 need MAIL\r\n503 need MAIL\r\n");
  CHECK(f.outcomes.empty());
  SUBCASE("DATA refused too") { f.say("503 need RCPT\r\n"); }
  SUBCASE("DATA taken: a lone dot") {
    f.say("354 go\r\n");
    CHECK(f.take_sent() == ".\r\n");
    CHECK(f.content == ContentForm::none);
    CHECK(f.timer == ClientTimer::data_termination);
    f.say("250 ok\r\n");
  }
  CHECK(f.letters() == "FF");
  CHECK(f.outcomes[0].stage == Stage::mail);
  CHECK(f.outcomes[0].text == "not you");
  CHECK(f.ready);
}

TEST_CASE("all recipients refused and DATA taken: a lone dot, and nobody is delivered") {
  Fixture f({"bob", "eve"});
  f.connect();
  f.begin();
  f.take_sent();
  f.say("250 ok\r\n550 5.1.1 no\r\n451 4.1.1 no\r\n354 go\r\n");
  CHECK(f.take_sent() == ".\r\n");
  CHECK(f.content == ContentForm::none);
  SUBCASE("the empty message is accepted") {
    f.say("250 ok\r\n");
    CHECK(f.letters() == "FT");
    f.begin();
    CHECK(f.take_sent().starts_with("MAIL"));
  }
  SUBCASE("the empty message is refused") {
    f.say("554 no valid recipients\r\n");
    CHECK(f.letters() == "FT");
    f.begin();
    CHECK(f.take_sent().starts_with("RSET\r\nMAIL"));
  }
  CHECK(f.session.recipients_delivered() == 0);
}

TEST_CASE("all recipients refused and DATA too: RSET goes with the next MAIL in one write") {
  Fixture f;
  f.connect();
  f.begin();
  f.take_sent();
  f.say("250 ok\r\n550 5.1.1 no\r\n503 no recipients\r\n");
  CHECK(f.letters() == "F");
  CHECK(f.outcomes[0].enhanced_code == "5.1.1");
  f.begin();
  CHECK(f.take_sent() ==
        "RSET\r\nMAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n");
  f.say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  CHECK(f.content == ContentForm::data);
}

TEST_CASE("many recipients go out in bounded batches") {
  std::vector<std::string> names;
  for (int i = 0; i < 250; ++i) names.push_back("r" + std::to_string(i));
  ClientRules rules = plain_rules();
  rules.recipients_max = 1000;
  Fixture f(names, rules);
  f.connect();
  f.begin();
  const auto lines = [](const std::string& text) { return std::ranges::count(text, '\n'); };
  CHECK(lines(f.take_sent()) == 100);
  size_t answered = 0;
  ptrdiff_t sent = 100;
  while (f.content == ContentForm::none && answered < 300) {
    f.say(++answered == 252 ? "354 go\r\n" : "250 ok\r\n");
    sent += lines(f.take_sent());
    CHECK(sent - static_cast<ptrdiff_t>(answered) <= 100);
  }
  CHECK(answered == 252);
  CHECK(sent == 252);
  f.content_sent();
  f.say("250 ok\r\n");
  CHECK(f.session.recipients_delivered() == 250);
}

TEST_CASE("452 in a pipelined batch: those accepted go, the others again") {
  Fixture f({"a", "b", "c", "d"});
  f.connect();
  f.begin();
  f.take_sent();
  f.say(
      "250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n452 4.5.3 too many\r\n550 5.1.1 no\r\n354 go\r\n");
  f.content_sent();
  f.say("250 ok\r\n");
  CHECK(f.letters() == "DNNF");
}

TEST_CASE("pipelining can be switched off") {
  ClientRules rules = plain_rules();
  rules.use_pipelining = false;
  Fixture f({"bob"}, rules);
  f.connect();
  f.begin();
  CHECK(f.take_sent() == "MAIL FROM:<ann@example.com>\r\n");
}

}  // namespace mailroot::smtp
