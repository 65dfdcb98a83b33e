// Who may relay. Recipients go through the one grammar, as on the wire.
#include <doctest/doctest.h>

#include <vector>

#include "mailroot/route/router.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::route {

namespace {

config::Domain domain(std::string name, config::DomainType type, bool relay) {
  config::Domain out;
  out.name = std::move(name);
  out.type = type;
  out.relay = relay;
  return out;
}

std::shared_ptr<config::VirtualServer> sample() {
  auto server = std::make_shared<config::VirtualServer>();
  server->default_domain = "local.example";
  server->domains = {
      domain("alias.example", config::DomainType::alias, false),
      domain("open.example", config::DomainType::remote, true),
      domain("closed.example", config::DomainType::remote, false),
      domain("*.partner.example", config::DomainType::remote, true),
      domain("*.secret.partner.example", config::DomainType::remote, false),
      domain("door.secret.partner.example", config::DomainType::remote, true),
  };
  server->access.relay_allow = {*Network::parse("10.0.0.0/8"), *Network::parse("2001:db8::/32")};
  server->access.relay_deny = {*Network::parse("10.9.0.0/16")};
  return server;
}

const IpAddress kStranger = *IpAddress::parse("192.0.2.99");

smtp::Mailbox mailbox(std::string_view path) {
  smtp::AddressRules rules;
  rules.default_domain = "local.example";
  const auto parsed = smtp::parse_path(path, rules);
  REQUIRE_MESSAGE(parsed.has_value(), path);
  return parsed->mailbox;
}

RelayGround ground(std::string_view path, const IpAddress& client = kStranger,
                   bool authenticated = false) {
  return Router(sample()).decide(mailbox(path), client, authenticated).ground;
}

}  // namespace

TEST_CASE("local domains, aliases and addresses without a domain are accepted from anybody") {
  for (const std::string_view path :
       {"<a@local.example>", "<a@LOCAL.Example>", "<a@local.example.>", "<a@alias.example>",
        "<anybody>", "<postmaster>"}) {
    CAPTURE(path);
    CHECK(ground(path) == RelayGround::local_domain);
  }
  CHECK(Router(sample()).decide({"postmaster", ""}, kStranger, false).is_local());
}

TEST_CASE("a foreign domain is refused with its address") {
  const auto decision =
      Router(sample()).decide(mailbox("<User@Foreign.example>"), kStranger, false);
  CHECK_FALSE(decision.accepted());
  CHECK(decision.reply == "550 5.7.1 Unable to relay for <User@foreign.example>");
  CHECK(Router(sample()).decide(mailbox("<a@local.example>"), kStranger, false).reply.empty());
}

TEST_CASE("no suffix, prefix, subdomain or neighbour of a domain is that domain") {
  for (const std::string_view path :
       {"<a@sub.local.example>", "<a@xlocal.example>", "<a@local.example.com>", "<a@ocal.example>",
        "<a@example>", "<a@sub.alias.example>", "<a@sub.open.example>", "<a@openexample>",
        "<a@partner.example>", "<a@xpartner.example>", "<a@partner.example.com>"}) {
    CAPTURE(path);
    CHECK(ground(path) == RelayGround::none);
  }
}

TEST_CASE("the tricks of old relay tests are plain local parts") {
  // Local domain: accepted as local, whatever stands in front of the last '@'.
  for (const std::string_view path :
       {"<user%foreign.example@local.example>", "<foreign.example!user@local.example>",
        "<\"user@foreign.example\"@local.example>", "<\"user%foreign.example\"@local.example>",
        "<\"a\\@foreign.example\"@local.example>", "<@foreign.example:user@local.example>",
        "<@a.example,@b.example:user@local.example>"}) {
    CAPTURE(path);
    CHECK(ground(path) == RelayGround::local_domain);
  }
  // And the other way round: a local name in the local part opens nothing.
  for (const std::string_view path :
       {"<user%local.example@foreign.example>", "<local.example!user@foreign.example>",
        "<\"user@local.example\"@foreign.example>", "<@local.example:user@foreign.example>",
        "<\"<a@local.example>\"@foreign.example>",
        "<@local.example,@local.example:a@foreign.example>"}) {
    CAPTURE(path);
    CHECK(ground(path) == RelayGround::none);
  }
}

TEST_CASE("what such a local part becomes is one local address, nothing is handed on") {
  const Router router(sample());
  const auto hop = router.next_hop(mailbox("<user%foreign.example@local.example>"));
  CHECK(hop.kind == HopKind::drop);
  const auto stamped = router.restamp(mailbox("<\"user@foreign.example\"@alias.example>"));
  CHECK(smtp::to_string(stamped) == "\"user@foreign.example\"@local.example");
}

TEST_CASE("address literals are foreign, our own too") {
  for (const std::string_view path :
       {"<a@[127.0.0.1]>", "<a@[10.0.0.1]>", "<a@[192.0.2.1]>", "<a@[IPv6:::1]>"}) {
    CAPTURE(path);
    CHECK(ground(path) == RelayGround::none);
  }
}

TEST_CASE("a remote domain is open only where its own entry says so; the longest match decides") {
  CHECK(ground("<a@open.example>") == RelayGround::remote_domain);
  CHECK(ground("<a@OPEN.example>") == RelayGround::remote_domain);
  CHECK(ground("<a@closed.example>") == RelayGround::none);
  CHECK(ground("<a@x.partner.example>") == RelayGround::remote_domain);
  CHECK(ground("<a@y.x.partner.example>") == RelayGround::remote_domain);
  CHECK(ground("<a@secret.partner.example>") == RelayGround::remote_domain);
  CHECK(ground("<a@x.secret.partner.example>") == RelayGround::none);
  CHECK(ground("<a@door.secret.partner.example>") == RelayGround::remote_domain);
  CHECK(ground("<a@x.door.secret.partner.example>") == RelayGround::none);
}

TEST_CASE("relay networks: deny beats allow, mapped addresses are IPv4") {
  const auto from = [](std::string_view client) {
    return ground("<a@foreign.example>", *IpAddress::parse(client));
  };
  for (const std::string_view inside : {"10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3",
                                        "2001:db8::1", "10.8.255.255", "10.10.0.0"}) {
    CAPTURE(inside);
    CHECK(from(inside) == RelayGround::relay_list);
  }
  for (const std::string_view outside :
       {"9.255.255.255", "11.0.0.0", "10.9.0.0", "10.9.255.255", "::ffff:10.9.1.1", "2001:db9::1",
        "127.0.0.1", "::1", "::10.1.2.3"}) {
    CAPTURE(outside);
    CHECK(from(outside) == RelayGround::none);
  }
}

TEST_CASE("who authenticated may relay; nobody may when the list is absent") {
  CHECK(ground("<a@foreign.example>", kStranger, true) == RelayGround::authenticated);
  auto server = sample();
  server->access = {};
  server->domains.clear();
  const Router router(server);
  for (const std::string_view client : {"127.0.0.1", "::1", "10.0.0.1"}) {
    CHECK_FALSE(
        router.decide(mailbox("<a@foreign.example>"), *IpAddress::parse(client), false).accepted());
  }
}

TEST_CASE("who may connect: an empty list is everybody, deny beats allow") {
  auto server = sample();
  CHECK(Router(server).may_connect(kStranger));
  server->access.connect_deny = {*Network::parse("192.0.2.0/24")};
  CHECK_FALSE(Router(server).may_connect(kStranger));
  CHECK(Router(server).may_connect(*IpAddress::parse("198.51.100.1")));
  server->access.connect_allow = {*Network::parse("192.0.2.0/25"), *Network::parse("10.0.0.0/8")};
  CHECK_FALSE(Router(server).may_connect(kStranger));
  CHECK_FALSE(Router(server).may_connect(*IpAddress::parse("198.51.100.1")));
  CHECK(Router(server).may_connect(*IpAddress::parse("10.1.1.1")));
}

}  // namespace mailroot::route
