// Where mail goes, what it is called, and how addresses are rewritten on the way.
#include <doctest/doctest.h>

#include "mailroot/route/router.h"

namespace mailroot::route {

namespace {

config::SmartHost literal(std::string host, std::optional<uint16_t> port = {}) {
  return {std::move(host), true, port, {}};
}
config::SmartHost named(std::string host, std::optional<uint16_t> port = {}) {
  return {std::move(host), false, port, {}};
}

std::shared_ptr<config::VirtualServer> sample() {
  auto server = std::make_shared<config::VirtualServer>();
  server->default_domain = "local.example";
  config::Domain alias;
  alias.name = "alias.example";
  alias.type = config::DomainType::alias;
  config::Domain partner;
  partner.name = "*.partner.example";
  partner.smart_host = {literal("192.0.2.9"), named("relay.example", 587)};
  config::Domain old;
  old.name = "old.partner.example";
  old.helo = true;
  server->domains = {alias, partner, old};
  return server;
}

std::string key_for(const std::shared_ptr<config::VirtualServer>& server, std::string domain) {
  return Router(server).next_hop({"user", std::move(domain)}).key();
}

}  // namespace

TEST_CASE("local mail goes into Drop") {
  CHECK(key_for(sample(), "local.example") == "drop");
  CHECK(key_for(sample(), "alias.example") == "drop");
  CHECK(key_for(sample(), "") == "drop");
}

TEST_CASE("foreign mail goes by DNS") {
  auto server = sample();
  CHECK(key_for(server, "example.com") == "mx:example.com");
  CHECK(key_for(server, "[192.0.2.1]") == "mx:[192.0.2.1]");
  server->delivery.outbound_port = 2525;
  const auto hop = Router(server).next_hop({"user", "example.com"});
  CHECK(hop.kind == HopKind::mail_hosts);
  CHECK(hop.port == 2525);
  CHECK(hop.key() == "mx:example.com:2525");
}

TEST_CASE("a domain's smart hosts, in order, with the port where none is written") {
  CHECK(key_for(sample(), "x.partner.example") == "smart:[192.0.2.9]:25;relay.example:587");
  // All domains behind the same list are one destination.
  CHECK(key_for(sample(), "x.partner.example") == key_for(sample(), "y.z.partner.example"));
  auto server = sample();
  server->delivery.outbound_port = 2525;
  CHECK(key_for(server, "x.partner.example") == "smart:[192.0.2.9]:2525;relay.example:587");
}

TEST_CASE("the longest match decides, HELO is part of the key") {
  const auto hop = Router(sample()).next_hop({"user", "old.partner.example"});
  CHECK(hop.kind == HopKind::mail_hosts);
  CHECK(hop.hello_only);
  CHECK(hop.key() == "mx:old.partner.example;helo");
}

TEST_CASE("the server's smart host") {
  auto server = sample();
  server->delivery.smart_host = {literal("2001:db8::1"), named("smart.example")};
  CHECK(key_for(server, "example.com") == "smart:[2001:db8::1]:25;smart.example:25");
  CHECK(key_for(server, "example.com") == key_for(server, "example.net"));
  CHECK(key_for(server, "local.example") == "drop");
  // A domain with its own list keeps it; an entry without one goes by DNS, as in IIS.
  CHECK(key_for(server, "x.partner.example") == "smart:[192.0.2.9]:25;relay.example:587");
  CHECK(key_for(server, "old.partner.example") == "mx:old.partner.example;helo");
}

TEST_CASE("credentials are for those they were written down for") {
  auto server = sample();
  server->delivery.smart_host = {literal("192.0.2.9"), named("relay.example")};
  server->delivery.smart_host[1].port = 587;
  server->delivery.login.method = config::LoginMethod::plain;
  const auto by_server = Router(server).next_hop({"user", "example.com"});
  CHECK(by_server.login == HopLogin::server);
  CHECK(by_server.key() == "smart:[192.0.2.9]:25;relay.example:587");
  // The same hosts, but nobody logs in there for this domain: not the same connections.
  const auto by_domain = Router(server).next_hop({"user", "x.partner.example"});
  CHECK(by_domain.login == HopLogin::none);
  CHECK(by_domain.key() == "smart:[192.0.2.9]:25;relay.example:587;anonymous");
  CHECK(Router(server).next_hop({"user", "old.partner.example"}).login == HopLogin::none);
  for (auto& domain : server->domains) domain.login.method = config::LoginMethod::automatic;
  const auto own = Router(server).next_hop({"user", "x.partner.example"});
  CHECK(own.login == HopLogin::domain);
  CHECK(own.login_domain == "*.partner.example");
  CHECK(own.key() == "smart:[192.0.2.9]:25;relay.example:587;login:*.partner.example");
}

TEST_CASE("direct delivery first: a destination a domain, the smart host behind it") {
  auto server = sample();
  server->delivery.smart_host = {named("smart.example")};
  server->delivery.attempt_direct_delivery_first = true;
  const auto hop = Router(server).next_hop({"user", "Example.COM"});
  CHECK(hop.kind == HopKind::direct_first);
  CHECK(hop.domain == "example.com");
  REQUIRE(hop.smart_hosts.size() == 1);
  CHECK(hop.smart_hosts[0].port == 25);
  CHECK(hop.key() == "direct:example.com;smart:smart.example:25");
  CHECK(key_for(server, "x.partner.example") == "smart:[192.0.2.9]:25;relay.example:587");
  server->delivery.smart_host.clear();
  CHECK(key_for(server, "example.com") == "mx:example.com");
}

TEST_CASE("aliases and bare addresses are stamped with the default domain") {
  const Router router(sample());
  CHECK(router.restamp({"A.b", "alias.example"}) == smtp::Mailbox{"A.b", "local.example"});
  CHECK(router.restamp({"postmaster", ""}) == smtp::Mailbox{"postmaster", "local.example"});
  CHECK(router.restamp({"a", "foreign.example"}) == smtp::Mailbox{"a", "foreign.example"});
  CHECK(router.restamp({}).is_null());
}

TEST_CASE("masquerading replaces local domains of senders only") {
  auto server = sample();
  CHECK(Router(server).masquerade({"a", "alias.example"}).domain == "alias.example");
  server->delivery.masquerade_domain = "public.example";
  const Router router(server);
  CHECK(router.masquerade({"a", "alias.example"}) == smtp::Mailbox{"a", "public.example"});
  CHECK(router.masquerade({"a", "LOCAL.example"}).domain == "public.example");
  CHECK(router.masquerade({"a", ""}).domain == "public.example");
  CHECK(router.masquerade({"a", "sub.local.example"}).domain == "sub.local.example");
  CHECK(router.masquerade({"a", "foreign.example"}).domain == "foreign.example");
  CHECK(router.masquerade({}).is_null());
}

TEST_CASE("the router keeps its server alive") {
  auto server = sample();
  const Router router(server);
  server.reset();
  CHECK(router.next_hop({"user", "x.partner.example"}).kind == HopKind::smart_hosts);
  CHECK(router.server().default_domain == "local.example");
}

}  // namespace mailroot::route
