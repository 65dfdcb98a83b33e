// The mail-host logic over fixed answers, on a real reactor.
#include "mailroot/dns/resolver.h"

#include <doctest/doctest.h>

#include <functional>

using namespace mailroot;
using namespace mailroot::dns;
using reactor::task;

namespace {

using Hosts = std::expected<MailHosts, ResolveFailure>;

task<void> ask(reactor::Reactor& reactor, Resolver& resolver, std::string domain, Hosts& out) {
  out = co_await resolver.mail_hosts(std::move(domain), {});
  reactor.stop();
}

Hosts hosts_of(const std::string& domain, std::vector<FixedAnswer> answers) {
  std::string why;
  auto backend = reactor::make_backend(reactor::BackendChoice::epoll, {}, why);
  REQUIRE(backend);
  reactor::Reactor reactor(std::move(*backend), {});
  auto resolver = make_fixed_resolver(reactor, std::move(answers));
  Hosts out;
  reactor::TaskGroup group;
  group.spawn(ask(reactor, *resolver, domain, out));
  reactor.run();
  return out;
}

Failure failure_of(const std::string& domain, std::vector<FixedAnswer> answers) {
  const Hosts hosts = hosts_of(domain, std::move(answers));
  REQUIRE_FALSE(hosts.has_value());
  CHECK(hosts.error().text.contains(domain));
  return hosts.error().failure;
}

}  // namespace

TEST_CASE("mail hosts come by preference, with both address families") {
  const Hosts hosts =
      hosts_of("example.com", {{"example.com", {"mx:20 b.example", "mx:10 A.Example."}},
                               {"a.example", {"192.0.2.1", "2001:db8::1"}},
                               {"b.example", {"192.0.2.2"}}});
  REQUIRE(hosts.has_value());
  REQUIRE(hosts->hosts.size() == 2);
  CHECK(hosts->from_mx);
  CHECK(hosts->hosts[0].name == "a.example");
  CHECK(hosts->hosts[0].addresses.size() == 2);
  CHECK(hosts->hosts[1].preference == 20);
}

TEST_CASE("without MX the domain's own addresses serve") {
  const Hosts hosts = hosts_of("example.com", {{"example.com", {"192.0.2.7"}}});
  REQUIRE(hosts.has_value());
  CHECK_FALSE(hosts->from_mx);
  CHECK(hosts->hosts.at(0).addresses.at(0).to_string() == "192.0.2.7");
}

TEST_CASE("a host that cannot be found does not hide the others") {
  const Hosts hosts = hosts_of(
      "example.com",
      {{"example.com", {"mx:10 gone.example", "mx:20 b.example"}}, {"b.example", {"192.0.2.2"}}});
  REQUIRE(hosts.has_value());
  REQUIRE(hosts->hosts.size() == 1);
  CHECK(hosts->hosts[0].name == "b.example");
}

TEST_CASE("address literals answer themselves, in both spellings") {
  CHECK(hosts_of("[192.0.2.9]", {})->hosts.at(0).addresses.at(0).to_string() == "192.0.2.9");
  CHECK(hosts_of("[ipv6:::1]", {})->hosts.at(0).addresses.at(0).to_string() == "::1");
}

TEST_CASE("permanent failures") {
  CHECK(failure_of("nowhere.example", {}) == Failure::no_such_domain);
  CHECK(failure_of("null.example", {{"null.example", {"null-mx"}}}) == Failure::null_mx);
  CHECK(failure_of("empty.example", {{"empty.example", {}}}) == Failure::no_addresses);
  CHECK(failure_of("dead.example", {{"dead.example", {"mx:5 gone.example"}}}) ==
        Failure::no_addresses);
  CHECK(failure_of("alias.example", {{"alias.example", {"mx:5 www.example"}},
                                     {"www.example", {"cname:real.example", "192.0.2.1"}}}) ==
        Failure::alias_mx);
  CHECK(failure_of("in valid", {}) == Failure::no_such_domain);
  CHECK(failure_of("[300.1.1.1]", {}) == Failure::no_such_domain);
}

TEST_CASE("transient failures are not taken for an answer") {
  CHECK(failure_of("a.example", {{"a.example", {"servfail"}}}) == Failure::server_failure);
  CHECK(failure_of("b.example", {{"b.example", {"timeout"}}}) == Failure::timed_out);
  CHECK(failure_of("c.example", {{"c.example", {"mx:10 d.example"}},
                                 {"d.example", {"servfail"}}}) == Failure::server_failure);
}

TEST_CASE("of fifty mail hosts the best are asked, and no more") {
  std::vector<std::string> values;
  std::vector<FixedAnswer> answers;
  for (int i = 0; i < 50; ++i) {
    values.push_back("mx:" + std::to_string(100 - i) + " h" + std::to_string(i) + ".example");
    answers.push_back({"h" + std::to_string(i) + ".example", {"192.0.2.1"}});
  }
  answers.push_back({"many.example", values});
  const Hosts hosts = hosts_of("many.example", answers);
  REQUIRE(hosts.has_value());
  CHECK(hosts->hosts.size() == 16);
  CHECK(hosts->hosts[0].name == "h49.example");
}
