// What the next hop lacks: decided before a byte is sent.
#include <doctest/doctest.h>

#include "client_fixture.h"

namespace mailroot::smtp {

namespace {

const std::string kAll =
    "250-mx\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
    "250 BINARYMIME\r\n";

std::string first_line(const std::string& text) { return text.substr(0, text.find('\r')); }

// Refused here, nothing sent, and the connection is still good.
void check_refused(Fixture& f, std::string_view enhanced_code) {
  f.begin();
  CHECK(f.take_sent() == "");
  REQUIRE(f.letters() == "F");
  CHECK(f.outcomes[0].enhanced_code == enhanced_code);
  CHECK(f.outcomes[0].stage == Stage::local);
  CHECK(f.outcomes[0].reply_code == 0);
  CHECK(f.outcomes[0].text != "");
  CHECK(f.ready);
  CHECK(f.session.ready());
  CHECK(f.session.transactions() == 0);
}

}  // namespace

TEST_CASE("SIZE is declared and kept") {
  Fixture f;
  f.connect(kAll);
  SUBCASE("fits") {
    f.size_bytes = 1000;
    f.begin();
    CHECK(first_line(f.take_sent()) == "MAIL FROM:<ann@example.com> SIZE=1000");
  }
  SUBCASE("too large") {
    f.size_bytes = 1001;
    check_refused(f, "5.3.4");
    CHECK(f.outcomes[0].scope == OutcomeScope::message);
  }
}

TEST_CASE("SIZE without a number or 0 is no limit") {
  for (const char* line : {"SIZE", "SIZE 0"}) {
    Fixture f;
    f.connect("250-mx\r\n250 " + std::string(line) + "\r\n");
    f.size_bytes = 1ULL << 40;
    f.begin();
    CHECK(f.take_sent() == "MAIL FROM:<ann@example.com> SIZE=1099511627776\r\n");
  }
}

TEST_CASE("8-bit content") {
  Fixture f;
  f.traits.eight_bit_body = true;
  SUBCASE("declared and offered") {
    f.envelope.body = BodyType::eight_bit_mime;
    f.connect("250-mx\r\n250 8BITMIME\r\n");
    f.begin();
    CHECK(first_line(f.take_sent()) == "MAIL FROM:<ann@example.com> BODY=8BITMIME");
  }
  SUBCASE("not declared, and offered: declared now") {
    f.connect("250-mx\r\n250 8BITMIME\r\n");
    f.begin();
    CHECK(first_line(f.take_sent()) == "MAIL FROM:<ann@example.com> BODY=8BITMIME");
  }
  SUBCASE("declared, not offered") {
    f.envelope.body = BodyType::eight_bit_mime;
    f.connect("250 mx\r\n");
    check_refused(f, "5.6.3");
  }
  SUBCASE("declared, not offered, can be downgraded") {
    f.envelope.body = BodyType::eight_bit_mime;
    f.traits.downgradable = true;
    f.connect("250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SIZE\r\n");
    f.begin();
    CHECK(f.take_sent() == "MAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n");
    f.say("250 ok\r\n250 ok\r\n354 go\r\n");
    CHECK(f.content == ContentForm::data_downgraded);
    f.content_sent();
    f.say("250 ok\r\n");
    CHECK(f.letters() == "D");
  }
  SUBCASE("not declared, not offered: as it is, as it came") {
    f.connect("250 mx\r\n");
    f.begin();
    CHECK(first_line(f.take_sent()) == "MAIL FROM:<ann@example.com>");
  }
  SUBCASE("declared, but in truth 7-bit") {
    f.envelope.body = BodyType::eight_bit_mime;
    f.traits.eight_bit_body = false;
    f.connect("250 mx\r\n");
    f.begin();
    CHECK(first_line(f.take_sent()) == "MAIL FROM:<ann@example.com>");
  }
}

TEST_CASE("binary content") {
  Fixture f;
  f.envelope.body = BodyType::binary_mime;
  f.traits.bare_line_end = true;
  SUBCASE("offered") {
    f.connect(kAll);
    f.begin();
    CHECK(first_line(f.take_sent()) == "MAIL FROM:<ann@example.com> SIZE=100 BODY=BINARYMIME");
    CHECK(f.content == ContentForm::bdat);
  }
  SUBCASE("CHUNKING alone") {
    f.connect("250-mx\r\n250-8BITMIME\r\n250 CHUNKING\r\n");
    check_refused(f, "5.6.1");
  }
  SUBCASE("nothing") {
    f.connect("250 mx\r\n");
    check_refused(f, "5.6.1");
  }
  SUBCASE("a NUL nobody declared") {
    f.envelope.body = BodyType::seven_bit;
    f.traits = {};
    f.traits.nul = true;
    f.connect("250-mx\r\n250 CHUNKING\r\n");
    check_refused(f, "5.6.1");
  }
  SUBCASE("declared, with lines too long for text") {
    f.traits = {};
    f.traits.long_line = true;
    f.connect("250-mx\r\n250-8BITMIME\r\n250 CHUNKING\r\n");
    check_refused(f, "5.6.1");
  }
  SUBCASE("declared, but in truth text") {
    f.traits = {};
    f.connect("250-mx\r\n250 8BITMIME\r\n");
    f.begin();
    CHECK(first_line(f.take_sent()) == "MAIL FROM:<ann@example.com> BODY=8BITMIME");
  }
}

TEST_CASE("a long line in text is handed on as it came") {
  Fixture f;
  f.traits.long_line = true;
  f.connect("250 mx\r\n");
  f.begin();
  CHECK(first_line(f.take_sent()) == "MAIL FROM:<ann@example.com>");
}

TEST_CASE("SMTPUTF8 offered") {
  Fixture f;
  f.envelope.smtputf8 = true;
  f.envelope.recipients[0].address.local_part =
      "b\xC3\xB6"
      "b";
  f.connect(kAll);
  f.begin();
  CHECK(f.take_sent().starts_with(
      "MAIL FROM:<ann@example.com> SIZE=100 SMTPUTF8\r\nRCPT TO:<b\xC3\xB6"
      "b@example.org>\r\n"));
}

TEST_CASE("SMTPUTF8 lacking") {
  Fixture f;
  f.envelope.smtputf8 = true;
  SUBCASE("the sender's address") {
    f.envelope.reverse_path.local_part = "\xC3\xA4";
    f.connect("250 mx\r\n");
    check_refused(f, "5.6.7");
    CHECK(f.outcomes[0].scope == OutcomeScope::message);
  }
  SUBCASE("the only recipient's address") {
    f.envelope.recipients[0].address.domain =
        "b\xC3\xBC"
        "cher.example";
    f.connect("250 mx\r\n");
    check_refused(f, "5.6.7");
    CHECK(f.outcomes[0].scope == OutcomeScope::recipient);
  }
  SUBCASE("the header section") {
    f.traits.eight_bit_header = true;
    f.connect("250-mx\r\n250 8BITMIME\r\n");
    check_refused(f, "5.6.7");
  }
  SUBCASE("nothing needs it") {
    f.connect("250 mx\r\n");
    f.begin();
    CHECK(first_line(f.take_sent()) == "MAIL FROM:<ann@example.com>");
  }
}

TEST_CASE("one recipient that needs SMTPUTF8 does not stop the others") {
  Fixture f({"\xC3\xA4", "bob", "eve"});
  f.envelope.smtputf8 = true;
  f.connect("250-mx\r\n250 PIPELINING\r\n");
  f.begin();
  CHECK(f.take_sent() ==
        "MAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<eve@example.org>\r\n"
        "DATA\r\n");
  f.say("250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n");
  f.content_sent();
  f.say("250 ok\r\n");
  CHECK(f.letters() == "FDF");
  CHECK(f.outcomes[0].recipient == 0);
  CHECK(f.outcomes[0].enhanced_code == "5.6.7");
  CHECK(f.outcomes[2].recipient == 2);
}

TEST_CASE("no control character reaches the wire") {
  for (const char* bad : {"a\r\nRCPT TO:<x@y>", "a\nb", "a\tb", "a\x7F"}) {
    Fixture f;
    f.envelope.recipients[0].address.local_part = bad;
    f.connect(kAll);
    check_refused(f, "5.1.3");
    Fixture g;
    g.envelope.reverse_path.local_part = bad;
    g.connect(kAll);
    check_refused(g, "5.1.7");
  }
}

}  // namespace mailroot::smtp
