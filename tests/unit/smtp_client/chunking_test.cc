#include <doctest/doctest.h>

#include "client_fixture.h"

namespace mailroot::smtp {

namespace {

const std::string kChunking = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";

}  // namespace

TEST_CASE("a small message is one write: MAIL, RCPT, BDAT and the content") {
  Fixture f;
  f.connect(kChunking);
  f.begin();
  CHECK(f.take_sent() ==
        "MAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\nBDAT 100 LAST\r\n");
  CHECK(f.content == ContentForm::bdat);
  CHECK(f.timer == ClientTimer::data_block);
  f.content_sent();
  CHECK(f.timer == ClientTimer::mail);
  f.say("250 ok\r\n250 ok\r\n");
  CHECK(f.outcomes.empty());
  CHECK(f.timer == ClientTimer::data_termination);
  f.say("250 2.0.0 ok\r\n");
  CHECK(f.letters() == "D");
  CHECK(f.take_sent() == "");
}

TEST_CASE("a large message waits until somebody is accepted") {
  Fixture f;
  f.size_bytes = 1000000;
  f.connect(kChunking);
  f.begin();
  CHECK(f.take_sent() == "MAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\n");
  CHECK(f.content == ContentForm::none);
  SUBCASE("accepted") {
    f.say("250 ok\r\n250 ok\r\n");
    CHECK(f.take_sent() == "BDAT 1000000 LAST\r\n");
    CHECK(f.content == ContentForm::bdat);
    f.content_sent();
    f.say("250 ok\r\n");
    CHECK(f.letters() == "D");
  }
  SUBCASE("refused: the content is never sent") {
    f.say("250 ok\r\n550 no\r\n");
    CHECK(f.take_sent() == "");
    CHECK(f.content == ContentForm::none);
    CHECK(f.letters() == "F");
    CHECK(f.ready);
  }
}

TEST_CASE("all recipients refused behind an eager BDAT: it is refused, RSET follows") {
  Fixture f({"a", "b"});
  f.connect(kChunking);
  f.begin();
  f.content_sent();
  f.take_sent();
  f.say("250 ok\r\n550 5.1.1 no\r\n451 4.1.1 no\r\n");
  CHECK(f.outcomes.empty());
  SUBCASE("refused") {
    f.say("503 no recipients\r\n");
    f.begin();
    CHECK(f.take_sent().starts_with("RSET\r\nMAIL"));
  }
  SUBCASE("accepted, by a server that does not know what it does: nobody is delivered") {
    f.say("250 ok\r\n");
  }
  CHECK(f.letters() == "FT");
  CHECK(f.session.recipients_delivered() == 0);
}

TEST_CASE("MAIL refused behind an eager BDAT") {
  Fixture f;
  f.connect(kChunking);
  f.begin();
  f.content_sent();
  f.say("451 4.7.1 greylisted\r\n503 no\r\n503 no\r\n");
  CHECK(f.letters() == "T");
  CHECK(f.outcomes[0].text == "greylisted");
  CHECK(f.ready);
}

TEST_CASE("BDAT refused") {
  Fixture f({"a", "b"});
  f.connect(kChunking);
  f.begin();
  f.content_sent();
  f.say("250 ok\r\n250 ok\r\n550 5.1.1 no\r\n552 5.3.4 too big\r\n");
  CHECK(f.letters() == "FF");
  CHECK(f.outcomes[0].enhanced_code == "5.3.4");
  CHECK(f.outcomes[0].stage == Stage::content);
  CHECK(f.outcomes[1].enhanced_code == "5.1.1");
  f.take_sent();
  f.begin();
  CHECK(f.take_sent().starts_with("RSET\r\n"));
}

TEST_CASE("chunking can be switched off, but binary content still needs it") {
  ClientRules rules = plain_rules();
  rules.use_chunking = false;
  Fixture f({"bob"}, rules);
  f.connect("250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n");
  SUBCASE("text") {
    f.begin();
    CHECK(f.take_sent().ends_with("DATA\r\n"));
  }
  SUBCASE("binary") {
    f.envelope.body = BodyType::binary_mime;
    f.traits.nul = true;
    f.begin();
    CHECK(f.take_sent() ==
          "MAIL FROM:<ann@example.com> BODY=BINARYMIME\r\nRCPT TO:<bob@example.org>\r\n"
          "BDAT 100 LAST\r\n");
  }
}

TEST_CASE("a 354 never answers BDAT") {
  Fixture f;
  f.connect(kChunking);
  f.begin();
  f.content_sent();
  f.say("250 ok\r\n250 ok\r\n354 go\r\n");
  CHECK(f.close_reason == CloseReason::protocol_error);
  CHECK(f.letters() == "T");
}

TEST_CASE("without PIPELINING the content still follows BDAT at once") {
  Fixture f;
  f.connect("250-mx\r\n250 CHUNKING\r\n");
  f.begin();
  f.say("250 ok\r\n");
  f.take_sent();
  f.say("250 ok\r\n");
  CHECK(f.take_sent() == "BDAT 100 LAST\r\n");
  CHECK(f.content == ContentForm::bdat);
}

}  // namespace mailroot::smtp
