// One command at a time: outcomes by reply, reuse of the connection.
#include <doctest/doctest.h>

#include "client_fixture.h"

namespace mailroot::smtp {

namespace {

const std::string kNothing = "250 mx.example.org\r\n";

}  // namespace

TEST_CASE("a transaction in lock step") {
  Fixture f({"bob", "eve"});
  f.connect(kNothing);
  f.begin();
  CHECK(f.take_sent() == "MAIL FROM:<ann@example.com>\r\n");
  CHECK(f.timer == ClientTimer::mail);
  f.say("250 ok\r\n");
  CHECK(f.take_sent() == "RCPT TO:<bob@example.org>\r\n");
  CHECK(f.timer == ClientTimer::recipient);
  f.say("250 ok\r\n");
  CHECK(f.take_sent() == "RCPT TO:<eve@example.org>\r\n");
  f.say("251 will forward\r\n");
  CHECK(f.take_sent() == "DATA\r\n");
  CHECK(f.timer == ClientTimer::data_initiation);
  CHECK(f.content == ContentForm::none);
  f.say("354 go\r\n");
  CHECK(f.content == ContentForm::data);
  CHECK(f.timer == ClientTimer::data_block);
  CHECK(f.outcomes.empty());
  f.content_sent();
  CHECK(f.timer == ClientTimer::data_termination);
  CHECK(f.outcomes.empty());
  f.say("250 2.6.0 queued as 1\r\n");
  CHECK(f.letters() == "DD");
  CHECK(f.outcomes[1].recipient == 1);
  CHECK(f.outcomes[0].text == "queued as 1");
  CHECK(f.outcomes[0].enhanced_code == "2.6.0");
  CHECK(f.outcomes[0].reply_code == 250);
  CHECK_FALSE(f.outcomes[0].peer_takes_dsn);
  CHECK(f.ready);
  CHECK(f.session.recipients_delivered() == 2);
}

TEST_CASE("a transaction may be given before the greeting") {
  Fixture f;
  f.begin();
  CHECK(f.session.in_transaction());
  f.say("220 mx\r\n");
  CHECK(f.take_sent() == "EHLO relay.example.com\r\n");
  f.say(kNothing);
  CHECK(f.take_sent() == "MAIL FROM:<ann@example.com>\r\n");
  CHECK_FALSE(f.ready);
}

TEST_CASE("MAIL refused settles all, and no RSET is needed") {
  Fixture f({"bob", "eve"});
  f.connect(kNothing);
  f.begin();
  f.take_sent();
  SUBCASE("5yz") {
    f.say("550 5.7.1 not you\r\n");
    CHECK(f.letters() == "FF");
  }
  SUBCASE("4yz") {
    f.say("451 4.7.1 greylisted\r\n");
    CHECK(f.letters() == "TT");
  }
  CHECK(f.outcomes[0].scope == OutcomeScope::message);
  CHECK(f.outcomes[0].stage == Stage::mail);
  CHECK(f.ready);
  CHECK(f.take_sent() == "");
  f.begin();
  CHECK(f.take_sent() == "MAIL FROM:<ann@example.com>\r\n");
}

TEST_CASE("recipients are judged one by one") {
  Fixture f({"a", "b", "c"});
  f.connect(kNothing);
  f.begin();
  f.say("250 ok\r\n");
  f.say("550 5.1.1 unknown\r\n");
  f.say("450 4.2.1 later\r\n");
  f.say("250 ok\r\n");
  f.say("354 go\r\n");
  f.content_sent();
  f.say("250 ok\r\n");
  CHECK(f.letters() == "FTD");
  CHECK(f.outcomes[0].scope == OutcomeScope::recipient);
  CHECK(f.outcomes[0].stage == Stage::recipient);
  CHECK(f.outcomes[0].text == "unknown");
  CHECK(f.outcomes[2].stage == Stage::content);
}

TEST_CASE("all recipients refused: no DATA, RSET before the next MAIL") {
  Fixture f({"a", "b"});
  f.connect(kNothing);
  f.begin();
  f.say("250 ok\r\n");
  f.say("550 no\r\n");
  f.take_sent();
  f.say("550 no\r\n");
  CHECK(f.take_sent() == "");
  CHECK(f.letters() == "FF");
  CHECK(f.outcomes[0].enhanced_code == "5.1.1");
  CHECK(f.ready);
  f.begin();
  CHECK(f.take_sent() == "RSET\r\n");
  CHECK(f.timer == ClientTimer::reset);
  f.say("250 ok\r\n");
  CHECK(f.take_sent() == "MAIL FROM:<ann@example.com>\r\n");
}

TEST_CASE("RSET refused ends the connection, nobody fails by it") {
  Fixture f;
  f.connect(kNothing);
  f.begin();
  f.say("250 ok\r\n");
  f.say("550 no\r\n");
  f.outcomes.clear();
  f.begin();
  f.say("500 what\r\n");
  CHECK(f.close_reason == CloseReason::protocol_error);
  CHECK(f.letters() == "T");
}

TEST_CASE("DATA refused") {
  Fixture f({"a", "b"});
  f.connect(kNothing);
  f.begin();
  f.say("250 ok\r\n");
  f.say("250 ok\r\n");
  f.say("550 no\r\n");
  SUBCASE("for good") {
    f.say("554 5.7.1 no\r\n");
    CHECK(f.letters() == "FF");
    CHECK(f.outcomes[0].stage == Stage::data);
    CHECK(f.outcomes[0].scope == OutcomeScope::message);
    CHECK(f.outcomes[1].stage == Stage::recipient);
  }
  SUBCASE("for now") {
    f.say("451 4.3.0 later\r\n");
    CHECK(f.letters() == "TF");
  }
  CHECK(f.content == ContentForm::none);
  f.take_sent();
  f.begin();
  CHECK(f.take_sent() == "RSET\r\n");
}

TEST_CASE("content refused at the end: the transaction is over, no RSET for MAIL is missing") {
  Fixture f;
  f.connect(kNothing);
  f.begin();
  f.say("250 ok\r\n");
  f.say("250 ok\r\n");
  f.say("354 go\r\n");
  f.content_sent();
  f.say("554 5.6.0 spam\r\n");
  CHECK(f.letters() == "F");
  CHECK(f.outcomes[0].stage == Stage::content);
  CHECK(f.outcomes[0].scope == OutcomeScope::message);
  CHECK(f.ready);
}

TEST_CASE("the limit of recipients leaves the rest for another transaction") {
  ClientRules rules = plain_rules();
  rules.recipients_max = 2;
  Fixture f({"a", "b", "c", "d"}, rules);
  f.connect(kNothing);
  f.begin();
  f.say("250 ok\r\n");
  f.say("250 ok\r\n");
  f.say("550 no\r\n");
  f.take_sent();
  f.say("354 go\r\n");
  f.content_sent();
  f.say("250 ok\r\n");
  CHECK(f.letters() == "DFNN");
}

TEST_CASE("the server's RCPTMAX is kept") {
  Fixture f({"a", "b", "c"});
  f.connect("250-mx\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=1\r\n");
  f.begin();
  CHECK(f.take_sent() == "MAIL FROM:<ann@example.com>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n");
}

TEST_CASE("452: too many recipients") {
  Fixture f({"a", "b", "c", "d"});
  f.connect(kNothing);
  f.begin();
  f.say("250 ok\r\n");
  SUBCASE("after some: the rest in another transaction, not sent at all") {
    f.say("250 ok\r\n");
    f.take_sent();
    f.say("452 4.5.3 too many\r\n");
    CHECK(f.take_sent() == "DATA\r\n");
    f.say("354 go\r\n");
    f.content_sent();
    f.say("250 ok\r\n");
    CHECK(f.letters() == "DNNN");
  }
  SUBCASE("the old 552") {
    f.say("250 ok\r\n");
    f.say("552 Too many recipients\r\n");
    f.say("354 go\r\n");
    f.content_sent();
    f.say("250 ok\r\n");
    CHECK(f.letters() == "DNNN");
  }
  SUBCASE("for the first one it is a deferral: no endless loop") {
    for (int i = 0; i < 4; ++i) f.say("452 4.5.3 too many\r\n");
    CHECK(f.letters() == "TTTT");
  }
  SUBCASE("the old 552 for the first one is no failure") {
    for (int i = 0; i < 4; ++i) f.say("552 too many recipients\r\n");
    CHECK(f.letters() == "TTTT");
    CHECK(f.outcomes[0].enhanced_code == "4.5.3");
  }
  SUBCASE("another 452 or 552 is about this mailbox") {
    f.say("250 ok\r\n");
    f.say("452 4.2.2 full\r\n");
    f.say("552 5.2.2 full\r\n");
    f.say("250 ok\r\n");
    f.say("354 go\r\n");
    f.content_sent();
    f.say("250 ok\r\n");
    CHECK(f.letters() == "DTFD");
  }
}

TEST_CASE("parameters of DSN are handed on where DSN is offered") {
  Fixture f;
  f.envelope.ret = Return::headers;
  f.envelope.envelope_id = "id+1 =";
  f.envelope.recipients[0].notify = {
      .never = false, .success = true, .failure = true, .delay = true};
  f.envelope.recipients[0].original_recipient = "rfc822;b+b@example.org";
  f.connect("250-mx\r\n250-PIPELINING\r\n250 DSN\r\n");
  f.begin();
  CHECK(f.take_sent() ==
        "MAIL FROM:<ann@example.com> RET=HDRS ENVID=id+2B1+20+3D\r\n"
        "RCPT TO:<bob@example.org> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;b+2Bb@example.org\r\n"
        "DATA\r\n");
  f.say("250 ok\r\n250 ok\r\n354 go\r\n");
  f.content_sent();
  f.say("250 ok\r\n");
  REQUIRE(f.letters() == "D");
  CHECK(f.outcomes[0].peer_takes_dsn);
}

TEST_CASE("NOTIFY=NEVER, RET=FULL, the null reverse-path") {
  Fixture f;
  f.envelope.reverse_path = {};
  f.envelope.ret = Return::full;
  f.envelope.recipients[0].notify.never = true;
  f.connect("250-mx\r\n250-PIPELINING\r\n250 DSN\r\n");
  f.begin();
  CHECK(f.take_sent() ==
        "MAIL FROM:<> RET=FULL\r\nRCPT TO:<bob@example.org> NOTIFY=NEVER\r\nDATA\r\n");
}

TEST_CASE("transactions are limited by us and by MAILMAX") {
  SUBCASE("by us") {
    ClientRules rules = plain_rules();
    rules.transactions_max = 1;
    Fixture f({"bob"}, rules);
    f.connect(kNothing);
    CHECK(f.session.ready());
    f.begin();
    f.say("550 no\r\n");
    CHECK(f.ready);
    CHECK_FALSE(f.session.ready());
    CHECK(f.session.transactions() == 1);
  }
  SUBCASE("by the server") {
    Fixture f;
    f.connect("250-mx\r\n250 LIMITS MAILMAX=1\r\n");
    f.begin();
    f.say("550 no\r\n");
    CHECK_FALSE(f.session.ready());
  }
}

TEST_CASE("lost content closes and never ends in a dot") {
  Fixture f({"a", "b"});
  f.connect(kNothing);
  f.begin();
  f.say("250 ok\r\n");
  f.say("550 no\r\n");
  f.say("250 ok\r\n");
  f.say("354 go\r\n");
  f.take_sent();
  SUBCASE("for now") {
    f.session.content_failed("read error", false, f.actions);
    f.collect();
    CHECK(f.letters() == "FT");
  }
  SUBCASE("for good") {
    f.session.content_failed("bare line feed", true, f.actions);
    f.collect();
    CHECK(f.letters() == "FF");
    CHECK(f.outcomes[1].enhanced_code == "5.6.0");
  }
  CHECK(f.close_reason == CloseReason::content_lost);
  CHECK(f.outcomes[1].scope == OutcomeScope::message);
  CHECK(f.outcomes[0].scope == OutcomeScope::recipient);
  CHECK(f.take_sent() == "");
}

TEST_CASE("a summary for log lines") {
  DeliveryOutcome outcome;
  CHECK(summary(outcome) == "");
  outcome.text = "timed out";
  CHECK(summary(outcome) == "timed out");
  outcome.reply_code = 451;
  outcome.enhanced_code = "4.7.1";
  CHECK(summary(outcome) == "451 4.7.1 timed out");
}

}  // namespace mailroot::smtp
