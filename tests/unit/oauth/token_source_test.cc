// Tokens shared, renewed, refused, and not to be had.
#include "mailroot/oauth/token_source.h"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <latch>

#include "../http/scripted_server.h"
#include "files.h"
#include "mailroot/oauth/limits.h"

namespace mailroot::oauth {

namespace {

using http::ScriptedServer;
using std::chrono::seconds;

std::string http_answer(int status, const std::string& body, const std::string& more = "") {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\n" + more +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

struct World {
  std::atomic<int64_t> steady_seconds = 1000;
  Files files;
  std::vector<std::string> warnings;
  http::Client client{{}};
  TokenSource source{client, clocks(), [this](std::string text) { warnings.push_back(text); }};

  Clocks clocks() {
    Clocks out = system_clocks();
    out.now = [this] { return Instant(seconds(steady_seconds.load())); };
    return out;
  }
  Wanted by_secret(const ScriptedServer& server) {
    Wanted wanted;
    wanted.settings.token_url = server.url("/token");
    wanted.settings.client_id = "app";
    wanted.settings.scope = "https://outlook.office365.com/.default";
    wanted.settings.client_secret_file = files.write("secret", "s3cr&t\n");
    return wanted;
  }
  TokenOutcome get(const Wanted& wanted) {
    std::promise<TokenOutcome> promise;
    auto future = promise.get_future();
    source.get(wanted, [&](TokenOutcome outcome) { promise.set_value(std::move(outcome)); });
    return future.get();
  }
  std::string text_of(const Wanted& wanted) {
    const TokenOutcome outcome = get(wanted);
    return outcome ? outcome->reveal() : "no token: " + outcome.error().text;
  }
};

const std::string kToken = http_answer(200, R"({"access_token":"t1","expires_in":3600})");

}  // namespace

TEST_CASE("one request serves many, until the token is old") {
  ScriptedServer server(kToken);
  World world;
  const Wanted wanted = world.by_secret(server);
  constexpr int kMany = 50;
  std::latch all(kMany);
  for (int i = 0; i < kMany; ++i) {
    world.source.get(wanted, [&](const TokenOutcome& outcome) {
      if (outcome && outcome->reveal() == "t1") all.count_down();
    });
  }
  all.wait();
  REQUIRE(server.requests().size() == 1);
  const std::string request = server.requests()[0];
  CHECK(request.starts_with("POST /token HTTP/1.1\r\n"));
  CHECK(
      request.ends_with("\r\n\r\ngrant_type=client_credentials&client_id=app&scope="
                        "https%3A%2F%2Foutlook.office365.com%2F.default&client_secret="
                        "s3cr%26t"));
  world.steady_seconds += 1700;
  CHECK(world.text_of(wanted) == "t1");
  CHECK(server.requests().size() == 1);
  world.steady_seconds += 3600;
  CHECK(world.text_of(wanted) == "t1");
  CHECK(server.requests().size() == 2);
}

TEST_CASE("a token past its middle is renewed beside the mail") {
  ScriptedServer server(kToken);
  World world;
  const Wanted wanted = world.by_secret(server);
  CHECK(world.text_of(wanted) == "t1");
  world.steady_seconds += 2400;
  CHECK(world.text_of(wanted) == "t1");  // at once, and asks
  while (server.requests().size() < 2) std::this_thread::yield();
  CHECK(server.requests().size() == 2);
}

TEST_CASE("a token the server does not take is not offered again") {
  ScriptedServer server(kToken);
  World world;
  const Wanted wanted = world.by_secret(server);
  const TokenOutcome first = world.get(wanted);
  REQUIRE(first.has_value());
  world.source.refuse(wanted, sasl::Secret("another"));
  CHECK(world.text_of(wanted) == "t1");
  CHECK(server.requests().size() == 1);
  world.source.refuse(wanted, *first);
  CHECK(world.text_of(wanted) == "t1");
  CHECK(server.requests().size() == 2);
}

TEST_CASE("after a failure the endpoint is left alone for a while") {
  ScriptedServer server(http_answer(429, "{}", "Retry-After: 100\r\n"));
  World world;
  const Wanted wanted = world.by_secret(server);
  CHECK(world.text_of(wanted) == "no token: the token endpoint says 429: too many requests");
  world.steady_seconds += 99;
  CHECK(world.text_of(wanted) == "no token: the token endpoint says 429: too many requests");
  CHECK(server.requests().size() == 1);
  SUBCASE("until the time is over") { world.steady_seconds += 2; }
  SUBCASE("until told otherwise") { world.source.retry_now(); }
  CHECK(world.text_of(wanted).starts_with("no token: "));
  CHECK(server.requests().size() == 2);
}

TEST_CASE("secrets that are not there, and that appear") {
  ScriptedServer server(kToken);
  World world;
  Wanted wanted = world.by_secret(server);
  wanted.settings.client_secret_file = world.files.path("later");
  CHECK(world.text_of(wanted) == "no token: oauth.client_secret_file " + world.files.path("later") +
                                     " cannot be read: No such file or directory");
  CHECK(server.requests().empty());
  world.files.write("later", "now");
  world.source.retry_now();
  CHECK(world.text_of(wanted) == "t1");
}

TEST_CASE("a rotated refresh token takes the place of the old one") {
  ScriptedServer server(
      http_answer(200, R"({"access_token":"t1","expires_in":1,"refresh_token":"new"})"));
  World world;
  Wanted wanted = world.by_secret(server);
  wanted.settings.grant = config::OAuthGrant::refresh_token;
  wanted.settings.client_secret_file.clear();
  wanted.settings.refresh_token_file = world.files.write("refresh", "old\n");
  CHECK(world.text_of(wanted) == "t1");
  CHECK(server.requests()[0].contains("grant_type=refresh_token"));
  CHECK(server.requests()[0].ends_with("&refresh_token=old"));
  CHECK(world.files.read("refresh") == "new\n");
  world.steady_seconds += 10;
  CHECK(world.text_of(wanted) == "t1");
  CHECK(server.requests()[1].ends_with("&refresh_token=new"));
  CHECK(world.warnings.empty());
}

TEST_CASE("by certificate: an assertion instead of a secret") {
  ScriptedServer server(kToken);
  World world;
  EVP_PKEY* const key = EVP_RSA_gen(2048);
  Wanted wanted = world.by_secret(server);
  wanted.settings.client_secret_file.clear();
  wanted.settings.certificate = world.files.write("cert.pem", certificate_text(key));
  wanted.settings.key = world.files.write("key.pem", key_text(key));
  CHECK(world.text_of(wanted) == "t1");
  CHECK(server.requests()[0].contains(
      "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
      "&client_assertion=ey"));
  wanted.settings.key = world.files.write("bad.pem", "nonsense");
  CHECK(world.text_of(wanted) == "no token: oauth.key " + world.files.path("bad.pem") +
                                     " is no private key in PEM without a passphrase");
  EVP_PKEY_free(key);
}

TEST_CASE("by service account: on behalf of the mailbox") {
  ScriptedServer server(kToken);
  World world;
  EVP_PKEY* const key = EVP_RSA_gen(2048);
  std::string pem = key_text(key);
  for (size_t at = pem.find('\n'); at != std::string::npos; at = pem.find('\n', at)) {
    pem.replace(at, 1, "\\n");
  }
  EVP_PKEY_free(key);
  Wanted wanted = world.by_secret(server);
  wanted.username = "printer@example.com";
  wanted.settings.grant = config::OAuthGrant::service_account;
  wanted.settings.service_account_file = world.files.write(
      "account.json",
      R"({"client_email":"a@b.example","private_key_id":"k","private_key":")" + pem + "\"}");
  CHECK(world.text_of(wanted) == "t1");
  CHECK(server.requests()[0].contains(
      "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey"));
  for (const char* text : {"[]", "{}", R"({"client_email":"a","private_key":7})",
                           R"({"client_email":"a","private_key":"b"})"}) {
    CAPTURE(text);
    world.files.write("account.json", text);
    world.source.retry_now();
    wanted.username += "x";
    CHECK(world.text_of(wanted).starts_with("no token: oauth.service_account_file "));
  }
}

TEST_CASE("hostile endpoints") {
  using Then = ScriptedServer::Then;
  const struct {
    std::string says;
    Then then;
    const char* words;
  } kCases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", Then::close,
       "web page"},
      {"HTTP/1.1 302 X\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n",
       Then::close, "redirects"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n", Then::go_on, "longer than"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access_", Then::close, "cannot be asked"},
      {http_answer(200, "{\"access_token\":\"a\\r\\nMAIL\"}"), Then::close, "no usable"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.says);
    ScriptedServer server(c.says, c.then);
    World world;
    const std::string text = world.text_of(world.by_secret(server));
    CAPTURE(text);
    CHECK(text.starts_with("no token: "));
    CHECK(text.contains(c.words));
    CHECK_FALSE(text.contains("s3cr"));
  }
}

}  // namespace mailroot::oauth
