// Who may connect, relay, and has to log in; what must never come out more open than it was.
#include <doctest/doctest.h>

#include "made.h"

namespace mailroot::import {

namespace {

std::vector<std::string> texts(const std::vector<Network>& networks) {
  std::vector<std::string> out;
  for (const Network& network : networks) out.push_back(network.to_string());
  return out;
}

using Texts = std::vector<std::string>;

ImportedServer imported(const Attributes& attributes) {
  return import_text(one_server(attributes)).servers.at(0);
}

std::string grant() {
  return ip_list(
      {}, {{"255.255.255.255", {"192.0.2.10", "192.0.2.11"}}, {"255.255.0.0", {"10.20.0.0"}}});
}
std::string deny() { return ip_list({{"255.255.255.255", {"203.0.113.66"}}}, {}); }
std::string nobody() { return ip_list({}, {{"255.255.255.255", {"0.0.0.0"}}}); }
std::string holes() { return ip_list({}, {{"255.0.255.0", {"10.0.1.0"}}}); }

}  // namespace

TEST_CASE("RelayIpList: absent is nobody, grants are the list") {
  CHECK(texts(server_of({}).access.relay_allow) == Texts{});
  const auto server = server_of({{"RelayIpList", grant()}});
  CHECK(texts(server.access.relay_allow) ==
        Texts{"192.0.2.10/32", "192.0.2.11/32", "10.20.0.0/16"});
  CHECK(server.access.relay_deny.empty());
  CHECK(texts(server_of({{"RelayIpList", nobody()}}).access.relay_allow) == Texts{});
  // Inherited.
  CHECK(texts(server_of({}, {{"RelayIpList", grant()}}).access.relay_allow).size() == 3);
}

TEST_CASE("RelayIpList present and empty was an open relay: closed, loudly, unless asked for") {
  for (const bool inherited : {false, true}) {
    const Attributes trap = {{"RelayIpList", ""}};
    const Attributes own = inherited ? Attributes{} : trap;
    const Attributes service = inherited ? trap : Attributes{};
    const auto result = import_text(one_server(own, service));
    const auto remarks = remarks_on(result, "RelayIpList");
    REQUIRE(remarks.size() == 1);
    CHECK(remarks[0].verdict == Verdict::decide);
    CHECK(remarks[0].text.starts_with("WAS AN OPEN RELAY in IIS"));
    CHECK(remarks[0].text.contains("--open-relay keep"));
    CHECK(load(result).only().access.relay_allow.empty());
    ConvertOptions keep;
    keep.keep_open_relay = true;
    const auto kept = import_text(one_server(own, service), keep);
    CHECK(texts(load(kept).only().access.relay_allow) == Texts{"0.0.0.0/0"});
    CHECK(remarks_on(kept, "RelayIpList")[0].text.starts_with("OPEN RELAY, kept"));
  }
}

TEST_CASE("a relay list of denials only was open too") {
  const auto result = import_text(one_server({{"RelayIpList", deny()}}));
  CHECK(has_verdict(remarks_on(result, "RelayIpList"), Verdict::decide));
  CHECK(load(result).only().access.relay_allow.empty());
  ConvertOptions keep;
  keep.keep_open_relay = true;
  const auto server = server_of({{"RelayIpList", deny()}}, {}, {}, keep);
  CHECK(texts(server.access.relay_allow) == Texts{"0.0.0.0/0"});
  CHECK(texts(server.access.relay_deny) == Texts{"203.0.113.66/32"});
}

TEST_CASE("a relay list that cannot be read is closed") {
  for (const std::string& value : {std::string("junk"), grant().substr(0, 40), holes()}) {
    const auto result = import_text(one_server({{"RelayIpList", value}}));
    CHECK(load(result).only().access.relay_allow.empty());
    const auto remarks = remarks_on(result, "RelayIpList");
    CHECK((has_verdict(remarks, Verdict::decide) || has_verdict(remarks, Verdict::not_carried)));
  }
}

TEST_CASE("lists by name are told and never open anything") {
  const auto granted = import_text(one_server({{"RelayIpList", ip_list({}, {}, 0, 1)}}));
  CHECK(load(granted).only().access.relay_allow.empty());
  CHECK(remarks_on(granted, "RelayIpList")[0].text.contains("1 grants by domain name"));
  const auto connect = import_text(one_server({{"IPSecurity", ip_list({}, {}, 0, 1)}}));
  CHECK(texts(load(connect).only().access.connect_deny) == Texts{"0.0.0.0/0", "::/0"});
  const auto denied = import_text(one_server({{"IPSecurity", ip_list({}, {}, 1, 0)}}));
  CHECK(denied.servers[0].held);
}

TEST_CASE("IPSecurity: absent and empty are everybody, denials all but, grants only") {
  for (const Attributes& attributes : {Attributes{}, Attributes{{"IPSecurity", ""}}}) {
    const auto server = server_of(attributes);
    CHECK(server.access.connect_allow.empty());
    CHECK(server.access.connect_deny.empty());
  }
  const auto denying = server_of({{"IPSecurity", deny()}});
  CHECK(denying.access.connect_allow.empty());
  CHECK(texts(denying.access.connect_deny) == Texts{"203.0.113.66/32"});
  const auto granting = server_of({{"IPSecurity", grant()}});
  CHECK(texts(granting.access.connect_allow).size() == 3);
  CHECK(granting.access.connect_deny.empty());
}

TEST_CASE("a connection list that grants nobody, or cannot be read, is not everybody") {
  for (const std::string& value : {nobody(), holes(), std::string("zz"), deny().substr(0, 60)}) {
    const auto result = import_text(one_server({{"IPSecurity", value}}));
    const auto loaded = load(result);
    CHECK(texts(loaded.only().access.connect_deny) == Texts{"0.0.0.0/0", "::/0"});
  }
  CHECK(imported({{"IPSecurity", "zz"}}).held);
  CHECK_FALSE(imported({{"IPSecurity", nobody()}}).held);
  // A denial that no network says: the server waits.
  CHECK(imported({{"IPSecurity", ip_list({{"255.0.255.0", {"10.0.1.0"}}}, {})}}).held);
}

TEST_CASE("long lists are a line an entry, and beyond the configuration's limit they are told") {
  std::vector<std::string> addresses;
  for (int i = 0; i < 10'001; ++i) {
    addresses.push_back(IpAddress::v4(0x0A000000u + static_cast<uint32_t>(i)).to_string());
  }
  const auto result =
      import_text(one_server({{"RelayIpList", ip_list({}, {{"255.255.255.255", addresses}})}}));
  CHECK(load(result).only().access.relay_allow.size() == 10'000);
  CHECK(has_verdict(remarks_on(result, "RelayIpList"), Verdict::not_carried));
}

TEST_CASE("who had to log in, or to use TLS, holds the virtual server") {
  CHECK_FALSE(imported({}).held);
  CHECK_FALSE(imported({{"AuthFlags", "AuthAnonymous | AuthBasic | AuthNTLM"}}).held);
  CHECK_FALSE(imported({{"AuthFlags", "7"}}).held);
  CHECK(imported({{"AuthFlags", "AuthBasic"}}).held);
  CHECK(imported({{"AuthFlags", "6"}}).held);
  CHECK(imported({{"AccessSSLFlags", "AccessSSL | AccessSSL128"}}).held);
  CHECK(imported({{"AccessSSLFlags", "8"}}).held);
  CHECK_FALSE(imported({{"AccessSSLFlags", "AccessSSLNegotiateCert"}}).held);
  CHECK_FALSE(server_of({{"AuthFlags", "2"}}).autostart);
  const auto result = import_text(one_server({{"AuthFlags", "AuthBasic"}}));
  CHECK(has_verdict(remarks_on(result, "ServerAutoStart"), Verdict::different));
}

TEST_CASE("secrets are never shown") {
  const std::string blob = "49634462500000000600000040000000d1a5b20c";
  const auto result = import_text(
      one_server({{"RoutePassword", blob}, {"RouteUserName", "ann"}, {"RouteAction", "264"}},
                 {{"AnonymousUserPass", blob}, {"LogOdbcPassword", blob}},
                 domain("a.example", {{"RouteAction", "4104"}, {"RoutePassword", blob}}) +
                     element("IIsSmtpRoutingSource", "/LM/SmtpSvc/1/RoutingSources",
                             {{"SmtpDsPassword", blob}, {"SmtpDsHost", "dc.example"}})));
  CHECK_FALSE(result.servers[0].yaml.contains(blob));
  CHECK(result.servers[0].yaml.contains("secrets.d/smtpsvc-1.password") !=
        result.servers[0].yaml.contains("secrets.d/default.password"));
  CHECK_FALSE(report_text(result).contains(blob));
  for (const auto& document : report_json(result)) CHECK_FALSE(document.contains(blob));
  CHECK(has_verdict(remarks_on(result, "RoutePassword"), Verdict::not_carried));
}

TEST_CASE("a certificate is only a thumbprint") {
  const auto result =
      import_text(one_server({{"SSLCertHash", "9f2d1c4b"}, {"SSLStoreName", "MY"}}));
  CHECK(remarks_on(result, "SSLCertHash")[0].text.contains("PFX"));
  CHECK(result.servers[0].yaml.contains("# tls: { certificate: secrets.d/"));
  CHECK(load(result).problems.empty());
}

}  // namespace mailroot::import
