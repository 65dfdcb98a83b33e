// Greeting, EHLO and HELO, STARTTLS, QUIT.
#include <doctest/doctest.h>

#include "client_fixture.h"

namespace mailroot::smtp {

TEST_CASE("greeting and EHLO") {
  Fixture f;
  CHECK(f.actions.timer == ClientTimer::greeting);
  f.say("220 mx.example.org ESMTP hi\r\n");
  CHECK(f.take_sent() == "EHLO relay.example.com\r\n");
  CHECK(f.timer == ClientTimer::hello);
  CHECK(f.session.greeting() == "mx.example.org ESMTP hi");
  CHECK_FALSE(f.ready);
  f.say("250-mx\r\n250 PIPELINING\r\n");
  CHECK(f.ready);
  CHECK(f.session.ready());
  CHECK(f.timer == ClientTimer::idle);
  CHECK(f.session.offers().pipelining);
  CHECK(f.take_sent() == "");
}

TEST_CASE("a greeting of many lines") {
  Fixture f;
  f.say("220-mx.example.org\r\n220-no spam\r\n220 please\r\n");
  CHECK(f.take_sent() == "EHLO relay.example.com\r\n");
}

TEST_CASE("a refused greeting says QUIT, closes, and sends the caller to the next host") {
  const struct {
    const char* greeting;
    Disposition disposition;
    const char* enhanced;
  } kCases[] = {
      {"421 busy\r\n", Disposition::deferred, "4.3.2"},
      {"450 4.7.1 later\r\n", Disposition::deferred, "4.7.1"},
      {"554 5.7.1 go away\r\n", Disposition::failed, "5.7.1"},
      {"521 no mail here\r\n", Disposition::failed, "5.0.0"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.greeting);
    Fixture f;
    f.begin();
    f.say(c.greeting);
    CHECK(f.take_sent() == "QUIT\r\n");
    CHECK(f.closed);
    CHECK(f.close_reason == CloseReason::greeting_refused);
    REQUIRE(f.outcomes.size() == 1);
    CHECK(f.outcomes[0].disposition == c.disposition);
    CHECK(f.outcomes[0].scope == OutcomeScope::connection);
    CHECK(f.outcomes[0].stage == Stage::greeting);
    CHECK(f.outcomes[0].enhanced_code == c.enhanced);
    CHECK(f.outcomes[0].remote_host == "mx [192.0.2.1]");
  }
}

TEST_CASE("a greeting that is none") {
  for (const char* greeting : {"250 hi\r\n", "354 go\r\n", "221 bye\r\n", "SSH-2.0-x\r\n"}) {
    CAPTURE(greeting);
    Fixture f;
    f.begin();
    f.say(greeting);
    CHECK(f.close_reason == CloseReason::protocol_error);
    CHECK(f.letters() == "T");
    CHECK(f.outcomes[0].scope == OutcomeScope::connection);
    CHECK(f.take_sent() == "");
  }
}

TEST_CASE("EHLO not known: HELO, and then no extension is used") {
  Fixture f;
  f.envelope.recipients[0].notify.success = true;
  f.say("220 old\r\n");
  f.take_sent();
  f.say("500 what\r\n");
  CHECK(f.take_sent() == "HELO relay.example.com\r\n");
  f.say("250 old PIPELINING\r\n");
  CHECK(f.ready);
  CHECK_FALSE(f.session.offers().esmtp);
  f.begin();
  CHECK(f.take_sent() == "MAIL FROM:<ann@example.com>\r\n");
  f.say("250 ok\r\n");
  CHECK(f.take_sent() == "RCPT TO:<bob@example.org>\r\n");
}

TEST_CASE("HELO by option") {
  ClientRules rules = plain_rules();
  rules.hello_only = true;
  Fixture f({"bob"}, rules);
  f.say("220 mx ESMTP\r\n");
  CHECK(f.take_sent() == "HELO relay.example.com\r\n");
  f.say("250-mx\r\n250 PIPELINING\r\n");
  CHECK_FALSE(f.session.offers().pipelining);
}

TEST_CASE("EHLO refused for now, HELO refused for good") {
  SUBCASE("4yz to EHLO") {
    Fixture f;
    f.begin();
    f.say("220 mx\r\n");
    f.say("450 4.7.0 later\r\n");
    CHECK(f.close_reason == CloseReason::hello_refused);
    CHECK(f.letters() == "T");
    CHECK(f.outcomes[0].stage == Stage::hello);
  }
  SUBCASE("5yz to both") {
    Fixture f;
    f.begin();
    f.say("220 mx\r\n");
    f.say("550 5.7.1 who\r\n");
    f.say("550 5.7.1 are you\r\n");
    CHECK(f.close_reason == CloseReason::hello_refused);
    CHECK(f.letters() == "F");
    CHECK(f.outcomes[0].scope == OutcomeScope::connection);
    CHECK(f.outcomes[0].text == "are you");
  }
}

TEST_CASE("STARTTLS: offers are forgotten, EHLO again, what came in clear is dropped") {
  ClientRules rules = plain_rules();
  rules.tls = ClientTls::opportunistic;
  Fixture f({"bob"}, rules);
  f.say("220 mx\r\n");
  f.take_sent();
  f.say("250-mx\r\n250-STARTTLS\r\n250 CHUNKING\r\n");
  CHECK(f.take_sent() == "STARTTLS\r\n");
  CHECK_FALSE(f.ready);
  f.say("220 go\r\n250 injected\r\n250 injected\r\n");
  CHECK(f.start_tls);
  f.say("250 more\r\n");
  CHECK_FALSE(f.closed);
  f.session.tls_started(f.actions);
  f.collect();
  CHECK(f.take_sent() == "EHLO relay.example.com\r\n");
  CHECK_FALSE(f.session.offers().chunking);
  f.say("250-mx\r\n250-STARTTLS\r\n250 DSN\r\n");
  CHECK(f.take_sent() == "");
  CHECK(f.ready);
  CHECK(f.session.offers().dsn);
}

TEST_CASE("STARTTLS wanted and not had") {
  ClientRules rules = plain_rules();
  SUBCASE("opportunistic, not offered") {
    rules.tls = ClientTls::opportunistic;
    Fixture f({"bob"}, rules);
    f.connect();
    CHECK(f.ready);
  }
  SUBCASE("opportunistic, refused") {
    rules.tls = ClientTls::opportunistic;
    Fixture f({"bob"}, rules);
    f.connect("250-mx\r\n250 STARTTLS\r\n");
    f.say("454 4.7.0 not now\r\n");
    CHECK(f.ready);
  }
  SUBCASE("required, not offered") {
    rules.tls = ClientTls::required;
    Fixture f({"bob"}, rules);
    f.begin();
    f.connect();
    CHECK(f.close_reason == CloseReason::tls_unavailable);
    CHECK(f.letters() == "T");
    CHECK(f.outcomes[0].enhanced_code == "4.7.4");
  }
  SUBCASE("required, refused for good: still only deferred") {
    rules.tls = ClientTls::required;
    Fixture f({"bob"}, rules);
    f.begin();
    f.connect("250-mx\r\n250 STARTTLS\r\n");
    f.say("554 5.7.3 no\r\n");
    CHECK(f.close_reason == CloseReason::tls_unavailable);
    CHECK(f.letters() == "T");
  }
  SUBCASE("handshake fails") {
    rules.tls = ClientTls::required;
    Fixture f({"bob"}, rules);
    f.begin();
    f.connect("250-mx\r\n250 STARTTLS\r\n");
    f.say("220 go\r\n");
    f.session.tls_failed("bad certificate", f.actions);
    f.collect();
    CHECK(f.closed);
    CHECK(f.letters() == "T");
    CHECK(f.outcomes[0].enhanced_code == "4.7.5");
  }
  SUBCASE("required, HELO only") {
    rules.tls = ClientTls::required;
    rules.hello_only = true;
    Fixture f({"bob"}, rules);
    f.begin();
    f.connect("250 mx\r\n");
    CHECK(f.close_reason == CloseReason::tls_unavailable);
  }
  SUBCASE("inside TLS already") {
    rules.tls = ClientTls::required;
    rules.already_tls = true;
    Fixture f({"bob"}, rules);
    f.connect("250-mx\r\n250 STARTTLS\r\n");
    CHECK(f.ready);
  }
}

TEST_CASE("QUIT waits for nobody") {
  const auto quitting = [] {
    auto f = std::make_unique<Fixture>();
    f->connect();
    f->quit();
    CHECK(f->take_sent() == "QUIT\r\n");
    CHECK(f->timer == ClientTimer::quit);
    CHECK_FALSE(f->closed);
    return f;
  };
  SUBCASE("answered") { quitting()->say("221 bye\r\n"); }
  for (const char* reply : {"221 bye\r\n", "421 no\r\n", "250 what\r\n"}) {
    auto f = quitting();
    f->say(reply);
    CHECK(f->closed);
    CHECK(f->close_reason == CloseReason::done);
  }
  auto closed = quitting();
  closed->peer_closed();
  CHECK(closed->close_reason == CloseReason::done);
  auto silent = quitting();
  silent->time_out();
  CHECK(silent->close_reason == CloseReason::done);
}

TEST_CASE("quit before the session is ready closes at once") {
  Fixture f;
  f.quit();
  CHECK(f.closed);
  CHECK(f.take_sent() == "");
}

TEST_CASE("the idle connection is closed by the peer, or by nonsense") {
  SUBCASE("421") {
    Fixture f;
    f.connect();
    f.say("421 4.4.2 idle\r\n");
    CHECK(f.close_reason == CloseReason::service_closing);
    CHECK(f.outcomes.empty());
  }
  SUBCASE("closed") {
    Fixture f;
    f.connect();
    f.peer_closed();
    CHECK(f.close_reason == CloseReason::peer_closed);
    CHECK(f.outcomes.empty());
  }
  SUBCASE("unsolicited") {
    Fixture f;
    f.connect();
    f.say("250 ok\r\n");
    CHECK(f.close_reason == CloseReason::protocol_error);
    CHECK_FALSE(f.ready);
  }
}

TEST_CASE("every timer has the RFC's minimum") {
  using std::chrono::minutes;
  CHECK(default_timeout(ClientTimer::greeting) == minutes(5));
  CHECK(default_timeout(ClientTimer::mail) == minutes(5));
  CHECK(default_timeout(ClientTimer::recipient) == minutes(5));
  CHECK(default_timeout(ClientTimer::data_initiation) == minutes(2));
  CHECK(default_timeout(ClientTimer::data_block) == minutes(3));
  CHECK(default_timeout(ClientTimer::data_termination) == minutes(10));
}

}  // namespace mailroot::smtp
