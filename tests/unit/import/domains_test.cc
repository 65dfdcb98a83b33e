#include <doctest/doctest.h>
#include <fmt/format.h>

#include "made.h"

namespace mailroot::import {

namespace {

using config::DomainType;

config::VirtualServer with_domains(const std::string& domains, const Attributes& server = {}) {
  return server_of(server, {}, domains);
}

ImportedServer imported(const std::string& domains) {
  return import_text(one_server({}, {}, domains)).servers.at(0);
}

}  // namespace

TEST_CASE("alias, remote, wildcard: names in lower case, bits decoded one by one") {
  const auto server =
      with_domains(domain("Alias.Example", {{"RouteAction", "16"}}) +
                   domain("*.Branch.example", {{"RouteAction", "4096"}}) +
                   domain("partner.example",
                          {{"RouteAction", "4198402"}, {"RouteActionString", "[198.51.100.25]"}}) +
                   domain("plain.example", {{"RouteAction", "0"}}));
  REQUIRE(server.domains.size() == 4);
  CHECK(server.domains[0].name == "alias.example");
  CHECK(server.domains[0].type == DomainType::alias);
  CHECK(server.domains[1].name == "*.branch.example");
  CHECK(server.domains[1].relay);
  CHECK(server.domains[1].smart_host.empty());
  CHECK(server.domains[2].relay);
  CHECK(server.domains[2].helo);
  REQUIRE(server.domains[2].smart_host.size() == 1);
  CHECK(server.domains[2].smart_host[0].to_string() == "[198.51.100.25]");
  CHECK_FALSE(server.domains[3].relay);
  CHECK(server.domains[3].type == DomainType::remote);
  CHECK(server.autostart);
}

TEST_CASE("TLS of a domain is carried; a password does not come along and holds the server") {
  const auto strict = with_domains(domain("a.example", {{"RouteAction", "4100"}}));
  REQUIRE(strict.domains.size() == 1);
  CHECK(strict.domains[0].security.tls == config::OutboundTls::required);
  CHECK(strict.autostart);
  for (const char* const bits : {"4104", "4224", "4352", "2101248"}) {
    const auto server = imported(domain("a.example", {{"RouteAction", bits}}));
    CHECK(server.held);
    CHECK(server.domains == 1);
  }
  CHECK_FALSE(imported(domain("a.example", {{"RouteAction", "4096"}})).held);
}

TEST_CASE("a domain that is queued for ETRN or ATRN, with its accounts") {
  const auto result = import_text(
      one_server({}, {},
                 domain("dialup.example",
                        {{"RouteAction", "4610"}, {"AuthTurnList", "CORP\\one\n\t\tCORP\\two"}})));
  const auto remarks = remarks_on(result, "AuthTurnList");
  REQUIRE(remarks.size() == 1);
  CHECK(remarks[0].value == "CORP\\one CORP\\two");
  CHECK(remarks[0].subject == "domain dialup.example");
  CHECK(result.servers[0].yaml.contains("queue_for: atrn"));
  CHECK(load(result).problems.empty());
}

TEST_CASE("ETRN is there for a domain without accounts; ATRN is not") {
  const auto carried = imported(domain("dialup.example", {{"RouteAction", "4608"}}));
  CHECK_FALSE(carried.held);
  const auto result =
      import_text(one_server({}, {}, domain("dialup.example", {{"RouteAction", "4608"}})));
  CHECK(result.servers[0].yaml.contains("queue_for: etrn"));
  const auto mask = remarks_on(result, "SmtpInboundCommandSupportOptions");
  REQUIRE(mask.size() == 1);
  CHECK(mask[0].text == "this version does not offer ATRN");
}

TEST_CASE("domains that cannot be: told, and not in the file") {
  struct Case {
    std::string name, action;
    Verdict verdict;
  };
  for (const Case& wrong :
       {Case{"corp.example", "64", Verdict::same}, Case{"CORP.example", "16", Verdict::same},
        Case{"*", "4096", Verdict::not_carried}, Case{"*.", "4096", Verdict::not_carried},
        Case{"a b.example", "4096", Verdict::not_carried},
        Case{"192.0.2.1", "4096", Verdict::not_carried},
        Case{"a..example", "4096", Verdict::not_carried},
        Case{"*.many.example", "16", Verdict::decide}}) {
    const auto result =
        import_text(one_server({}, {}, domain(wrong.name, {{"RouteAction", wrong.action}})));
    CHECK(has_verdict(remarks_on(result, "RouteAction"), wrong.verdict));
    CHECK(result.servers[0].domains == 0);
    CHECK(load(result).problems.empty());
  }
  const auto twice = import_text(one_server({}, {},
                                            domain("a.example", {{"RouteAction", "16"}}) +
                                                domain("A.example", {{"RouteAction", "4096"}})));
  CHECK(twice.servers[0].domains == 1);
  CHECK(has_verdict(remarks_on(twice, "RouteAction"), Verdict::not_carried));
  CHECK(load(twice).only().domains[0].type == DomainType::alias);
}

TEST_CASE("routes that cannot be hold the server: mail would go by DNS") {
  for (const char* const host : {"", "two words", "[192.0.2.1", "a..b", "host:99999"}) {
    const auto server =
        imported(domain("a.example", {{"RouteAction", "4098"}, {"RouteActionString", host}}));
    CHECK(server.held);
  }
  CHECK(imported(domain("a.example", {{"RouteAction", "many"}})).held);
  const auto unused = imported(
      domain("a.example", {{"RouteAction", "4096"}, {"RouteActionString", "[192.0.2.1]"}}));
  CHECK_FALSE(unused.held);
  CHECK_FALSE(unused.yaml.contains("192.0.2.1]"));
}

TEST_CASE("local domains of their own become aliases; unknown bits and properties are told") {
  const auto local =
      import_text(one_server({}, {}, domain("pop.example", {{"RouteAction", "32"}})));
  CHECK(load(local).only().domains[0].type == DomainType::alias);
  CHECK(has_verdict(remarks_on(local, "RouteAction"), Verdict::different));
  const auto odd = import_text(one_server(
      {}, {},
      domain("a.example",
             {{"RouteAction", "2147487744"}, {"Weather", "fair"}, {"RelayIpList", "18"}})));
  bool told = false;
  for (const Remark& remark : remarks_on(odd, "RouteAction")) {
    told = told || (remark.verdict == Verdict::not_carried && remark.text.contains("0x80000000"));
  }
  CHECK(told);
  CHECK(has_verdict(remarks_on(odd, "Weather"), Verdict::not_carried));
  CHECK(has_verdict(remarks_on(odd, "RelayIpList"), Verdict::not_carried));
}

TEST_CASE("every property of a domain has its remark, also where the domain has no entry") {
  for (const char* const name : {"a.example", "corp.example", "not a name", "*.a.example"}) {
    for (const char* const bits : {"0", "16", "4098", "many"}) {
      for (const char* const value : {"", "x", "4096"}) {
        Attributes attributes = {{"RouteAction", bits}};
        for (const char* const property :
             {"RouteActionString", "RouteUserName", "RoutePassword", "AuthTurnList", "RelayIpList",
              "RelayForAuth", "CSideEtrnDomains", "Weather"}) {
          attributes.emplace_back(property, value);
        }
        const auto result = import_text(one_server({}, {}, domain(name, attributes)));
        for (const auto& [property, text] : attributes) {
          INFO(std::string(name) << " " << std::string(bits) << " " << property << "=" << text);
          bool told = false;
          for (const Remark& remark : remarks_on(result, property)) {
            told = told || remark.subject == std::string("domain ") + name;
          }
          CHECK(told);
        }
      }
    }
  }
}

TEST_CASE("more domains than one file may hold: the server is not written, and why") {
  std::string many;
  for (int i = 0; i < 30'000; ++i) {
    many += domain(fmt::format("d{}.example", i), {{"RouteAction", "4096"}});
  }
  const auto server = imported(many);
  CHECK(server.problem.contains("KiB"));
  CHECK(server.yaml.empty());
  CHECK(report_text(import_text(one_server({}, {}, many))).contains("NOT WRITTEN"));
}

}  // namespace mailroot::import
