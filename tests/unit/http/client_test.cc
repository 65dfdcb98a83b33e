// The HTTP client against servers that behave and that do not.
#include "mailroot/http/client.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <future>

#include "scripted_server.h"

namespace mailroot::http {

namespace {

using Then = ScriptedServer::Then;

Outcome ask(Client& client, Request request) {
  std::promise<Outcome> promise;
  auto future = promise.get_future();
  client.fetch(std::move(request),
               [&promise](Outcome outcome) { promise.set_value(std::move(outcome)); });
  return future.get();
}

Outcome ask(const ScriptedServer& server) {
  Client client({});
  return ask(client, {.url = server.url()});
}

FailureKind kind_of(const Outcome& outcome) {
  REQUIRE_FALSE(outcome.has_value());
  CHECK_FALSE(outcome.error().text.empty());
  return outcome.error().kind;
}

}  // namespace

TEST_CASE("GET and POST") {
  ScriptedServer server(
      "HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\n"
      "Content-Length: 2\r\n\r\n{}");
  Client client({});
  const Outcome got = ask(client, {.url = server.url("/token")});
  REQUIRE(got.has_value());
  CHECK(got->status == 200);
  CHECK(got->content_type == "application/json");
  CHECK(got->body == "{}");
  CHECK_FALSE(got->retry_after.has_value());
  const Outcome posted = ask(client, {.url = server.url(), .body = "a=b", .headers = {"X: y"}});
  REQUIRE(posted.has_value());
  const auto requests = server.requests();
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].starts_with("GET /token HTTP/1.1\r\n"));
  CHECK(requests[1].starts_with("POST / HTTP/1.1\r\n"));
  CHECK(requests[1].contains("\r\nX: y\r\n"));
  CHECK(requests[1].ends_with("\r\n\r\na=b"));
}

TEST_CASE("the server's clock") {
  ScriptedServer server(
      "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:01:40 GMT\r\nContent-Length: 0\r\n\r\n");
  const Outcome outcome = ask(server);
  REQUIRE(outcome.has_value());
  CHECK(outcome->date == 100);
}

TEST_CASE("by a proxy, which the configuration names and not the environment") {
  ScriptedServer proxy("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  Client client({.proxy = proxy.url(), .ca_file = {}});
  const Outcome outcome = ask(client, {.url = "http://127.0.0.1:1/x"});
  REQUIRE(outcome.has_value());
  REQUIRE(proxy.requests().size() == 1);
  CHECK(proxy.requests()[0].starts_with("GET http://127.0.0.1:1/x HTTP/1.1\r\n"));
  ::setenv("http_proxy", proxy.url().c_str(), 1);
  Client direct({});
  CHECK(kind_of(ask(direct, {.url = "http://127.0.0.1:1/x"})) == FailureKind::unreachable);
  ::unsetenv("http_proxy");
  CHECK(proxy.requests().size() == 1);
}

TEST_CASE("a redirect is an answer, not an order") {
  ScriptedServer elsewhere("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ScriptedServer server("HTTP/1.1 302 Found\r\nLocation: " + elsewhere.url() +
                        "\r\nContent-Length: 0\r\n\r\n");
  const Outcome outcome = ask(server);
  REQUIRE(outcome.has_value());
  CHECK(outcome->status == 302);
  CHECK(elsewhere.requests().empty());
}

TEST_CASE("Retry-After, up to a limit") {
  const auto wait_of = [](const std::string& text) {
    ScriptedServer server("HTTP/1.1 429 Slow\r\nRetry-After: " + text +
                          "\r\nContent-Length: 0\r\n\r\n");
    const Outcome outcome = ask(server);
    REQUIRE(outcome.has_value());
    CHECK(outcome->status == 429);
    return outcome->retry_after;
  };
  CHECK(wait_of("7") == std::chrono::seconds(7));
  CHECK(wait_of("99999999") == std::chrono::seconds(kRetryAfterMaxSeconds));
  CHECK_FALSE(wait_of("soon").has_value());
}

TEST_CASE("an endless body and an endless head end at the limit") {
  ScriptedServer body("HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n", Then::go_on);
  CHECK(kind_of(ask(body)) == FailureKind::too_large);
  std::string head = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 2000; ++i) head += "X-Header: " + std::string(60, 'x') + "\r\n";
  ScriptedServer fields(head, Then::hang);
  CHECK(kind_of(ask(fields)) == FailureKind::too_large);
}

TEST_CASE("half an answer, nothing, and no HTTP") {
  ScriptedServer half("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\"");
  CHECK(kind_of(ask(half)) == FailureKind::broken);
  ScriptedServer nothing("");
  CHECK(kind_of(ask(nothing)) == FailureKind::broken);
  ScriptedServer other("220 mail.example.org ESMTP\r\n");
  CHECK(kind_of(ask(other)) == FailureKind::broken);
}

TEST_CASE("silence ends at the request's own limit") {
  ScriptedServer server("HTTP/1.1 200 OK\r\n", Then::hang);
  Client client({});
  const Outcome outcome =
      ask(client, {.url = server.url(), .timeout = std::chrono::milliseconds(50)});
  CHECK(kind_of(outcome) == FailureKind::timed_out);
}

TEST_CASE("who is not there, and who is no https") {
  Client client({});
  CHECK(kind_of(ask(client, {.url = "http://127.0.0.1:1/"})) == FailureKind::unreachable);
  for (const char* url : {"http://login.example.com/", "ftp://127.0.0.1/", "file:///etc/passwd",
                          "http://127.0.0.1.example.com/", "https://u:p@127.0.0.1/", "", "::"}) {
    CAPTURE(url);
    CHECK(kind_of(ask(client, {.url = url})) == FailureKind::not_allowed);
  }
  CHECK(wrong_with_url("https://login.example.com/x").empty());
  CHECK(wrong_with_url("http://[::1]:80/").empty());
}

TEST_CASE("a server in clear where TLS is expected is not trusted") {
  ScriptedServer server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  Client client({});
  std::string url = server.url();
  url.replace(0, 4, "https");
  CHECK(kind_of(ask(client, {.url = url})) == FailureKind::untrusted);
}

TEST_CASE("the end of the client ends what is under way") {
  ScriptedServer server("", Then::hang);
  std::promise<Outcome> promise;
  auto future = promise.get_future();
  {
    Client client({});
    client.fetch({.url = server.url()},
                 [&promise](Outcome outcome) { promise.set_value(std::move(outcome)); });
  }
  CHECK(kind_of(future.get()) == FailureKind::stopping);
}

namespace {

reactor::task<void> wait_for_answer(reactor::Reactor& reactor, Client& client, Request request,
                                    Duration patience, std::vector<std::string>& told) {
  const reactor::Wait wait{reactor.now() + patience, nullptr};
  auto outcome = co_await fetch(client, reactor, std::move(request), wait);
  if (!outcome) {
    told.emplace_back(describe(outcome.error().code));
  } else {
    told.push_back(outcome->has_value() ? (*outcome)->body : (*outcome).error().text);
  }
  reactor.stop();
}

std::vector<std::string> run(Client& client, const Request& request, Duration patience) {
  std::string why;
  auto backend = reactor::make_backend(reactor::BackendChoice::epoll, {}, why);
  REQUIRE(backend);
  reactor::Reactor reactor(std::move(*backend), {});
  reactor::TaskGroup group;
  std::vector<std::string> told;
  group.spawn(wait_for_answer(reactor, client, request, patience, told));
  reactor.run();
  return told;
}

}  // namespace

TEST_CASE("a coroutine waits for its answer, or gives up before it comes") {
  ScriptedServer quick("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  ScriptedServer slow("", Then::hang);
  Client client({});
  CHECK(run(client, {.url = quick.url()}, std::chrono::seconds(20)) ==
        std::vector<std::string>{"hi"});
  // The reactor is gone when the answer comes.
  CHECK(run(client, {.url = slow.url()}, std::chrono::milliseconds(5)) ==
        std::vector<std::string>{"timed out"});
}

}  // namespace mailroot::http
