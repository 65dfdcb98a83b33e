// AUTH by the client session: mechanisms, policies, refusals, nonsense, every split, and that no
// secret stands outside the hidden ranges.
#include <doctest/doctest.h>

#include "client_fixture.h"
#include "mailroot/base/base64.h"
#include "mailroot/sasl/scram.h"

namespace mailroot::smtp {

namespace {

using sasl::ClientMechanism;

constexpr std::string_view kPassword = "pencil";

ClientRules login_rules(std::vector<ClientMechanism> mechanisms, bool encrypted = true) {
  ClientRules rules = plain_rules();
  rules.already_tls = encrypted;
  auto login = std::make_shared<ClientAuthentication>();
  login->mechanisms = std::move(mechanisms);
  login->login.username = "user";
  login->login.secret = sasl::Secret(std::string(kPassword));
  login->login.nonce = "rOprNGfwEbeRWgbNEkqO";
  login->login.host = "mx.example.org";
  login->login.port = 587;
  rules.authentication = std::move(login);
  return rules;
}

const std::vector<ClientMechanism> kAll = {ClientMechanism::scram_sha_256,
                                           ClientMechanism::cram_md5, ClientMechanism::plain,
                                           ClientMechanism::login};

// To the reply to EHLO, which offers these mechanisms.
void hello(Fixture& f, const std::string& mechanisms) {
  f.say("220 mx.example.org ESMTP\r\n");
  f.take_sent();
  f.say("250-mx.example.org\r\n250 AUTH " + mechanisms + "\r\n");
}

void check_failed(const Fixture& f, std::string_view words) {
  CHECK(f.closed);
  CHECK(f.close_reason == CloseReason::login_failed);
  REQUIRE(f.outcomes.size() == 1);
  CHECK(f.outcomes[0].disposition == Disposition::deferred);
  CHECK(f.outcomes[0].scope == OutcomeScope::connection);
  CHECK(f.outcomes[0].stage == Stage::authenticate);
  CAPTURE(f.outcomes[0].text);
  CHECK(f.outcomes[0].text.find(words) != std::string::npos);
  CHECK(f.outcomes[0].text.find(kPassword) == std::string::npos);
  CHECK(f.close_detail.find(kPassword) == std::string::npos);
  CHECK(f.sent.ends_with("QUIT\r\n"));
}

}  // namespace

TEST_CASE("PLAIN: one line, then the mail") {
  Fixture f({"bob"}, login_rules(kAll));
  f.begin();
  hello(f, "LOGIN PLAIN");
  CHECK(f.take_sent() == "AUTH PLAIN " + encode_base64(std::string("\0user\0pencil", 12)) + "\r\n");
  CHECK(f.timer == ClientTimer::hello);
  f.say("235 2.7.0 welcome\r\n");
  CHECK(f.take_sent() == "MAIL FROM:<ann@example.com>\r\n");
}

TEST_CASE("LOGIN: whatever the prompts say") {
  for (const char* prompt : {"VXNlcm5hbWU6", "User name please", "", "=="}) {
    CAPTURE(prompt);
    Fixture f({"bob"}, login_rules({ClientMechanism::login}));
    hello(f, "LOGIN PLAIN");
    CHECK(f.take_sent() == "AUTH LOGIN\r\n");
    f.say("334 " + std::string(prompt) + "\r\n");
    CHECK(f.take_sent() == encode_base64("user") + "\r\n");
    f.say("334 UGFzc3dvcmQ6\r\n");
    CHECK(f.take_sent() == encode_base64("pencil") + "\r\n");
    f.say("235 ok\r\n");
    CHECK(f.ready);
  }
}

TEST_CASE("CRAM-MD5: the example of RFC 2195") {
  ClientRules rules = plain_rules();
  auto login = std::make_shared<ClientAuthentication>();
  login->mechanisms = {ClientMechanism::cram_md5};
  login->login.username = "tim";
  login->login.secret = sasl::Secret("tanstaaftanstaaf");
  rules.authentication = std::move(login);
  Fixture f({"bob"}, rules);
  hello(f, "CRAM-MD5");
  CHECK(f.take_sent() == "AUTH CRAM-MD5\r\n");
  f.say("334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n");
  CHECK(f.take_sent() == "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n");
  f.say("235 ok\r\n");
  CHECK(f.ready);
}

TEST_CASE("SCRAM-SHA-256: the example of RFC 7677, in every split") {
  const std::vector<std::string> said = {
      "334 " +
          encode_base64("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                        "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096") +
          "\r\n",
      "334 " + encode_base64("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=") + "\r\n",
      "235 2.7.0 ok\r\n"};
  const std::vector<std::string> heard = {
      encode_base64("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=") +
          "\r\n",
      "\r\n", ""};
  for (size_t step = 0; step < said.size(); ++step) {
    for (size_t cut = 0; cut <= said[step].size(); ++cut) {
      Fixture f({"bob"}, login_rules(kAll, false));
      hello(f, "PLAIN SCRAM-SHA-256 CRAM-MD5");
      REQUIRE(f.take_sent() ==
              "AUTH SCRAM-SHA-256 " + encode_base64("n,,n=user,r=rOprNGfwEbeRWgbNEkqO") + "\r\n");
      for (size_t i = 0; i < said.size(); ++i) {
        const size_t at = i == step ? cut : 0;
        f.say(said[i].substr(0, at));
        f.say(said[i].substr(at));
        REQUIRE(f.take_sent() == heard[i]);
      }
      REQUIRE(f.session.ready());
    }
  }
}

TEST_CASE("SCRAM: a server that does not know the password is not believed") {
  const std::string first =
      "334 " + encode_base64("r=rOprNGfwEbeRWgbNEkqOxyz,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096") +
      "\r\n";
  SUBCASE("success without a proof") {
    Fixture f({"bob"}, login_rules(kAll));
    f.begin();
    hello(f, "SCRAM-SHA-256");
    f.say(first);
    f.say("235 trust me\r\n");
    check_failed(f, "did not prove");
  }
  SUBCASE("success at once") {
    Fixture f({"bob"}, login_rules(kAll));
    f.begin();
    hello(f, "SCRAM-SHA-256");
    f.say("235 trust me\r\n");
    check_failed(f, "did not prove");
  }
  SUBCASE("a wrong proof") {
    Fixture f({"bob"}, login_rules(kAll));
    f.begin();
    hello(f, "SCRAM-SHA-256");
    f.say(first);
    f.take_sent();
    f.say("334 " + encode_base64("v=AAAA") + "\r\n");
    CHECK(f.take_sent() == "*\r\n");
    f.say("501 cancelled\r\n");
    check_failed(f, "did not prove");
  }
}

TEST_CASE("SCRAM: first messages that are refused") {
  const struct {
    const char* message;
    const char* words;
  } kCases[] = {
      {"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "does not continue ours"},
      {"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "does not continue ours"},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1", "iteration count"},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4294967295", "iteration count"},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096x", "iteration count"},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", "salt"},
      {"r=rOprNGfwEbeRWgbNEkqOx,s=!!,i=4096", "salt"},
      {"r=rOprNGfwEbeRWgbNEkqOx,i=4096", "lacks salt"},
      {"m=ext,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "no nonce"},
      {"", "no nonce"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.message);
    Fixture f({"bob"}, login_rules(kAll));
    f.begin();
    hello(f, "SCRAM-SHA-256");
    f.take_sent();
    f.say("334 " + encode_base64(c.message) + "\r\n");
    CHECK(f.take_sent() == "*\r\n");
    f.say("501 cancelled\r\n");
    check_failed(f, c.words);
  }
}

TEST_CASE("XOAUTH2: the error challenge is answered with an empty line") {
  Fixture f({"bob"}, login_rules({ClientMechanism::xoauth2, ClientMechanism::oauthbearer}));
  f.begin();
  hello(f, "LOGIN XOAUTH2");
  CHECK(f.take_sent() == "AUTH XOAUTH2 " +
                             encode_base64("user=user\x01"
                                           "auth=Bearer pencil\x01\x01") +
                             "\r\n");
  f.say("334 " + encode_base64(R"({"status":"400","schemes":"Bearer"})") + "\r\n");
  CHECK(f.take_sent() == "\r\n");
  f.say("535 5.7.3 Authentication unsuccessful\r\n");
  check_failed(f, R"(login by XOAUTH2 refused: Authentication unsuccessful ({"status":"400")");
  CHECK(f.outcomes[0].reply_code == 535);
  CHECK(f.outcomes[0].enhanced_code == "5.7.3");
}

TEST_CASE("OAUTHBEARER: host and port; the error challenge is answered with ^A") {
  Fixture f({"bob"}, login_rules({ClientMechanism::oauthbearer}));
  f.begin();
  hello(f, "OAUTHBEARER");
  CHECK(f.take_sent() == "AUTH OAUTHBEARER " +
                             encode_base64("n,a=user,\x01host=mx.example.org\x01port=587\x01"
                                           "auth=Bearer pencil\x01\x01") +
                             "\r\n");
  f.say("334 " + encode_base64(R"({"status":"invalid_token"})") + "\r\n");
  CHECK(f.take_sent() == encode_base64("\x01") + "\r\n");
  f.say("334 again\r\n");
  CHECK(f.take_sent() == "*\r\n");
  f.say("501 cancelled\r\n");
  check_failed(f, "given up: the server asks for more");
}

TEST_CASE("what cannot be: no AUTH, nothing in common, not encrypted") {
  const struct {
    const char* ehlo;
    bool encrypted;
    const char* words;
  } kCases[] = {
      {"250 mx\r\n", true, "offers no AUTH"},
      {"250-mx\r\n250 STARTTLS\r\n", false, "only after STARTTLS"},
      {"250-mx\r\n250 AUTH GSSAPI NTLM\r\n", true, "offers AUTH GSSAPI NTLM"},
      {"250-mx\r\n250 AUTH PLAIN LOGIN\r\n", false, "not encrypted, and PLAIN would show"},
      {"500 what\r\n250 mx AUTH PLAIN\r\n", true, "offers no AUTH"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.ehlo);
    Fixture f({"bob"}, login_rules(kAll, c.encrypted));
    f.begin();
    f.say("220 mx\r\n");
    f.say(c.ehlo);
    CHECK(f.sent.find("AUTH") == std::string::npos);
    check_failed(f, c.words);
  }
}

TEST_CASE("in clear only when allowed") {
  ClientRules rules = login_rules({ClientMechanism::plain}, false);
  auto login = std::make_shared<ClientAuthentication>(*rules.authentication);
  login->allow_clear = true;
  rules.authentication = login;
  Fixture f({"bob"}, rules);
  hello(f, "PLAIN");
  CHECK(f.take_sent().starts_with("AUTH PLAIN "));
}

TEST_CASE("STARTTLS comes first, and only what is offered afterwards counts") {
  ClientRules rules = login_rules(kAll, false);
  rules.tls = ClientTls::required;
  Fixture f({"bob"}, rules);
  f.say("220 mx\r\n");
  f.say("250-mx\r\n250-STARTTLS\r\n250 AUTH SCRAM-SHA-256 PLAIN\r\n");
  CHECK(f.sent.find("AUTH") == std::string::npos);
  f.say("220 go\r\n");
  REQUIRE(f.start_tls);
  f.session.tls_started(f.actions);
  f.collect();
  f.take_sent();
  f.say("250-mx\r\n250 AUTH PLAIN\r\n");
  CHECK(f.take_sent().starts_with("AUTH PLAIN "));
}

TEST_CASE("refusals defer, with what the server said") {
  const struct {
    const char* reply;
    const char* enhanced;
    const char* words;
  } kCases[] = {
      {"535 5.7.8 bad\r\n", "5.7.8", "login by PLAIN refused: bad"},
      {"454 4.7.0 later\r\n", "4.7.0", "login by PLAIN refused: later"},
      {"530 5.7.0 first STARTTLS\r\n", "5.7.0", "refused: first STARTTLS"},
      {"550 5.7.30 Basic authentication is not supported\r\n", "5.7.30", "Basic"},
      {"334 b29wcw==\r\n501 ok\r\n", "4.7.0", "given up: the server asks for more"},
      {"334 !!!\r\n501 ok\r\n", "4.7.0", "given up: the server's challenge is no base64"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.reply);
    Fixture f({"bob"}, login_rules({ClientMechanism::plain}));
    f.begin();
    hello(f, "PLAIN");
    f.take_sent();
    f.say(c.reply);
    check_failed(f, c.words);
    CHECK(f.outcomes[0].enhanced_code == c.enhanced);
  }
}

TEST_CASE("a mechanism the server offers and refuses: the next one, each once") {
  Fixture f({"bob"}, login_rules(kAll));
  f.begin();
  hello(f, "CRAM-MD5 PLAIN LOGIN");
  CHECK(f.take_sent() == "AUTH CRAM-MD5\r\n");
  f.say("504 5.5.4 not any more\r\n");
  CHECK(f.take_sent().starts_with("AUTH PLAIN "));
  f.say("534 5.7.9 too weak\r\n");
  CHECK(f.take_sent() == "AUTH LOGIN\r\n");
  f.say("504 5.5.4 no\r\n");
  check_failed(f, "login by LOGIN refused: no");
}

TEST_CASE("nonsense in the middle of a login") {
  for (const char* reply : {"354 go\r\n", "220 hi\r\n", "221 bye\r\n", "what\r\n"}) {
    CAPTURE(reply);
    Fixture f({"bob"}, login_rules({ClientMechanism::plain}));
    f.begin();
    hello(f, "PLAIN");
    f.say(reply);
    CHECK(f.close_reason == CloseReason::protocol_error);
    CHECK(f.letters() == "T");
    CHECK(f.outcomes[0].stage == Stage::authenticate);
  }
  Fixture f({"bob"}, login_rules({ClientMechanism::plain}));
  f.begin();
  hello(f, "PLAIN");
  SUBCASE("silence") {
    f.time_out();
    CHECK(f.outcomes[0].text == "timed out waiting for the reply to AUTH");
  }
  SUBCASE("the end") {
    f.peer_closed();
    CHECK(f.outcomes[0].text == "connection closed while waiting for the reply to AUTH");
  }
  SUBCASE("421") {
    f.say("421 4.7.0 too many logins\r\n");
    CHECK(f.close_reason == CloseReason::service_closing);
  }
  CHECK(f.letters() == "T");
}

TEST_CASE("a server that asks for ever") {
  Fixture f({"bob"}, login_rules({ClientMechanism::login}));
  f.begin();
  hello(f, "LOGIN");
  for (int i = 0; i < 3; ++i) f.say("334 more\r\n");
  CHECK(f.sent.ends_with("*\r\n"));
  f.say("334 more\r\n");  // no answer to a cancellation
  check_failed(f, "given up");
}

TEST_CASE("a password that cannot be sent") {
  ClientRules rules = login_rules({ClientMechanism::plain});
  auto login = std::make_shared<ClientAuthentication>(*rules.authentication);
  login->login.secret = sasl::Secret(std::string("a\0b", 3));
  rules.authentication = login;
  Fixture f({"bob"}, rules);
  f.begin();
  hello(f, "PLAIN");
  check_failed(f, "control characters");
}

TEST_CASE("the secret stands inside the hidden ranges only") {
  for (const ClientMechanism mechanism : {ClientMechanism::plain, ClientMechanism::login,
                                          ClientMechanism::xoauth2, ClientMechanism::oauthbearer}) {
    CAPTURE(sasl::to_string(mechanism));
    ClientSession session(login_rules({mechanism}), "mx");
    ClientActions actions;
    session.start(actions);
    const std::string offer = "250-mx\r\n250 AUTH " + std::string(sasl::to_string(mechanism));
    // All at once: the replies of a server that does not wait for us.
    for (const std::string& reply :
         {std::string("220 mx\r\n"), offer + "\r\n334 \r\n334 \r\n501 x\r\n"}) {
      session.feed(as_bytes(reply), actions);
    }
    std::string shown;
    size_t at = 0;
    for (const HiddenRange& range : actions.hidden) {
      REQUIRE(range.begin >= at);
      shown += actions.send.substr(at, range.begin - at);
      at = range.begin + range.size;
    }
    shown += actions.send.substr(at);
    CHECK(shown.starts_with("EHLO relay.example.com\r\nAUTH "));
    CHECK(shown.find("cGVuY2ls") == std::string::npos);
    CHECK(shown.size() < 100);
    CHECK_FALSE(actions.hidden.empty());
  }
}

}  // namespace mailroot::smtp
