// Values, inheritance, ids, homes, clashes.
#include "mailroot/import/convert.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "made.h"

namespace mailroot::import {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

std::string server(int number, const Attributes& attributes) {
  Attributes all = attributes;
  all.emplace_back("DefaultDomain", fmt::format("s{}.example", number));
  all.emplace_back("FullyQualifiedDomainName", fmt::format("mx.s{}.example", number));
  return element("IIsSmtpServer", fmt::format("/LM/SmtpSvc/{}", number), all);
}

std::vector<std::string> ids(const Imported& imported) {
  std::vector<std::string> out;
  for (const auto& one : imported.servers) out.push_back(one.id);
  return out;
}

Imported with_maps(const std::string& text, const std::vector<std::string>& maps) {
  ConvertOptions options;
  for (const auto& map : maps) {
    const auto parsed = parse_path_map(map);
    REQUIRE(parsed.has_value());
    options.maps.push_back(*parsed);
  }
  return import_text(text, options);
}

}  // namespace

TEST_CASE("units: bytes, seconds, minutes") {
  const auto one = server_of({{"MaxMessageSize", "26214400"},
                              {"MaxSessionSize", "104857600"},
                              {"ConnectionTimeout", "300"},
                              {"RemoteTimeout", "90"},
                              {"SmtpRemoteProgressiveRetry", "5,10,90,1440"},
                              {"SmtpRemoteDelayExpireMinutes", "120"},
                              {"SmtpRemoteNDRExpireMinutes", "4320"},
                              {"SmtpLocalDelayExpireMinutes", "30"},
                              {"SmtpLocalNDRExpireMinutes", "1440"},
                              {"SmtpRemoteRetryThreshold", "0"},
                              {"MaxBatchedMessages", "7"},
                              {"MaxRecipients", "64000"},
                              {"MaxOutConnections", "11"},
                              {"MaxOutConnectionsPerDomain", "12"},
                              {"MaxConnections", "13"},
                              {"RemoteSmtpPort", "587"},
                              {"HopCount", "14"}});
  CHECK(one.size_limit_bytes == 25 * kMiB);
  CHECK(one.session_size_limit_bytes == 100 * kMiB);
  CHECK(one.connection_timeout == minutes(5));
  CHECK(one.delivery.outbound_timeout == seconds(90));
  CHECK(one.delivery.retry_intervals ==
        std::vector<Duration>{minutes(5), minutes(10), minutes(90), hours(24)});
  CHECK(one.delivery.delay_notification == hours(2));
  CHECK(one.delivery.expiration == hours(72));
  CHECK(one.delivery.local_delay_notification == minutes(30));
  CHECK(one.delivery.local_expiration == hours(24));
  CHECK(one.delivery.quick_retries_count == 0);
  CHECK(one.per_connection_limit == 7);
  CHECK(one.recipients_limit == 64000);
  CHECK(one.delivery.outbound_connections == 11);
  CHECK(one.delivery.outbound_per_domain == 12);
  CHECK(one.connections_limit == 13);
  CHECK(one.delivery.outbound_port == 587);
  CHECK(one.delivery.hop_limit == 14);
}

TEST_CASE("no bound: 0, 2000000000 and 4294967295, -1") {
  for (const char* const none : {"0", "2000000000", "4294967295", "-1"}) {
    const auto one = server_of({{"MaxMessageSize", none},
                                {"MaxSessionSize", none},
                                {"MaxBatchedMessages", none},
                                {"MaxRecipients", none},
                                {"MaxConnections", none},
                                {"MaxOutConnections", none}});
    CHECK(one.size_limit_bytes == 0);
    CHECK(one.session_size_limit_bytes == 0);
    CHECK(one.per_connection_limit == 0);
    CHECK(one.recipients_limit == 1000);
    CHECK(one.connections_limit == 1000);
    CHECK(one.delivery.outbound_connections == 1000);
  }
}

TEST_CASE("sizes that do not fit together") {
  const auto raised = server_of({{"MaxMessageSize", "10485760"}, {"MaxSessionSize", "2097152"}});
  CHECK(raised.session_size_limit_bytes == 10 * kMiB);
  const auto session_only = server_of({{"MaxMessageSize", "0"}, {"MaxSessionSize", "2097152"}});
  CHECK(session_only.size_limit_bytes == 2 * kMiB);
  const auto tiny = server_of({{"MaxMessageSize", "5"}, {"MaxSessionSize", "7"}});
  CHECK(tiny.size_limit_bytes == kKiB);
  CHECK(tiny.session_size_limit_bytes == kKiB);
}

TEST_CASE("values that are none: Mailroot's defaults, and a remark") {
  const auto result = import_text(one_server({{"HopCount", "many"},
                                              {"MaxMessageSize", "2 MB"},
                                              {"SmtpRemoteProgressiveRetry", "soon"},
                                              {"RemoteSmtpPort", "99999"},
                                              {"SendNdrTo", "not an address"}}));
  const auto one = load(result).only();
  CHECK(one.delivery.hop_limit == 30);
  CHECK(one.delivery.retry_intervals.size() == 4);
  CHECK(one.delivery.outbound_port == 65535);
  CHECK(has_verdict(remarks_on(result, "HopCount"), Verdict::not_carried));
  CHECK(has_verdict(remarks_on(result, "MaxMessageSize"), Verdict::different));
  CHECK(one.size_limit_bytes == 2 * kMiB);
  CHECK(has_verdict(remarks_on(result, "RemoteSmtpPort"), Verdict::different));
  CHECK(has_verdict(remarks_on(result, "SendNdrTo"), Verdict::decide));
}

TEST_CASE("inheritance: own, then the service's, then the schema's default") {
  const Attributes service = {{"HopCount", "20"}, {"MaxRecipients", "50"}};
  const auto result = import_text(one_server({{"HopCount", "21"}}, service));
  const auto one = load(result).only();
  CHECK(one.delivery.hop_limit == 21);
  CHECK(one.recipients_limit == 50);
  CHECK(remarks_on(result, "HopCount")[0].origin == Origin::own);
  CHECK(remarks_on(result, "MaxRecipients")[0].origin == Origin::inherited);
  // Absent in both, with a service key: the schema's, which is not what setup writes.
  CHECK(one.per_connection_limit == 0);
  CHECK(one.delivery.delay_notification == hours(1));
  CHECK(remarks_on(result, "MaxBatchedMessages")[0].origin == Origin::schema);
  // An extract without the service key: what setup writes.
  const auto extract = import_text(metabase(server(1, {{"ServerBindings", ":25:"}})));
  CHECK(load(extract).only().per_connection_limit == 20);
  CHECK(load(extract).only().delivery.delay_notification == hours(12));
  CHECK(remarks_on(extract, "MaxBatchedMessages")[0].origin == Origin::setup);
  CHECK(report_text(extract).contains("/LM/SmtpSvc is not in the file"));
}

TEST_CASE("bindings: newlines, blanks and commas part them; the empty address is the wildcard") {
  for (const char* const text : {"192.0.2.40:25:\n\t\t\t:2525:", "192.0.2.40:25:    :2525:",
                                 "192.0.2.40:25:,:2525:", "192.0.2.40:25, :2525:host"}) {
    const auto one = server_of({{"ServerBindings", text}});
    REQUIRE(one.bindings.size() == 2);
    CHECK(one.bindings[0].to_string() == "192.0.2.40:25");
    CHECK(one.bindings[1].to_string() == "all-unassigned:2525");
  }
  CHECK(server_of({{"ServerBindings", "[2001:db8::1]:25:"}}).bindings[0].to_string() ==
        "[2001:db8::1]:25");
  const auto wildcard = import_text(one_server({{"ServerBindings", ":25:"}}));
  CHECK(remarks_on(wildcard, "ServerBindings")[0].verdict == Verdict::different);
  CHECK(remarks_on(wildcard, "ServerBindings")[0].text.contains("IPv6"));
}

TEST_CASE("bindings that are none") {
  const auto mixed = import_text(one_server(
      {{"ServerBindings", "nonsense 192.0.2.1:0: 300.1.1.1:25: :25: :25: 192.0.2.1:25:"}}));
  CHECK(load(mixed).only().bindings.size() == 2);
  CHECK(remarks_on(mixed, "ServerBindings").size() == 6);
  CHECK_FALSE(mixed.servers[0].held);
  for (const char* const text : {"", "nonsense", "192.0.2.1:"}) {
    const auto none = import_text(one_server({{"ServerBindings", text}}));
    CHECK(none.servers[0].held);
    CHECK(load(none).only().bindings[0].to_string() == "all-unassigned:25");
    CHECK_FALSE(load(none).only().autostart);
  }
}

TEST_CASE("names: domain and host name, masquerade, smart host, banner") {
  const auto one = server_of({{"DefaultDomain", "Corp.Example."},
                              {"FullyQualifiedDomainName", "MX.corp.example"},
                              {"MasqueradeDomain", "example.com"},
                              {"DoMasquerade", "TRUE"},
                              {"SmartHost", "[198.51.100.7]; relay.example"},
                              {"SmartHostType", "1"},
                              {"ConnectResponse", "mx.corp.example \"ESMTP\" ready"},
                              {"SendNdrTo", "postmaster@corp.example"},
                              {"EnableReverseDnsLookup", "TRUE"},
                              {"SmtpInboundCommandSupportOptions", "3503297"}});
  CHECK(one.default_domain == "corp.example");
  CHECK(one.fqdn == "mx.corp.example");
  CHECK(one.delivery.masquerade_domain == "example.com");
  REQUIRE(one.delivery.smart_host.size() == 2);
  CHECK(one.delivery.smart_host[0].to_string() == "[198.51.100.7]");
  CHECK(one.delivery.attempt_direct_delivery_first);
  CHECK(one.banner == "\"ESMTP\" ready");
  CHECK(one.ndr_copy_to == "postmaster@corp.example");
  CHECK(one.delivery.reverse_dns_lookup);
  CHECK(one.disabled_extensions == std::vector<std::string>{"8BITMIME"});
}

TEST_CASE("what IIS had but did not use stays unused") {
  const auto one = server_of({{"MasqueradeDomain", "example.com"},
                              {"DoMasquerade", "FALSE"},
                              {"SmartHost", "relay.example"},
                              {"SmartHostType", "0"}});
  CHECK(one.delivery.masquerade_domain.empty());
  CHECK(one.delivery.smart_host.empty());
  // A smart host that was used and cannot be read must not become delivery by DNS.
  const auto lost = import_text(one_server({{"SmartHost", "a b..c"}, {"SmartHostType", "2"}}));
  CHECK(lost.servers[0].held);
}

TEST_CASE("TLS towards next hops is carried; a password does not come along and holds the server") {
  for (const char* const bits : {"8", "264", "268", "136"}) {
    CHECK(import_text(one_server({{"RouteAction", bits}})).servers[0].held);
  }
  using config::OutboundTls;
  CHECK(server_of({{"RouteAction", "4"}}).delivery.security.tls == OutboundTls::required);
  CHECK(server_of({{"AlwaysUseSsl", "TRUE"}}).delivery.security.tls == OutboundTls::required);
  CHECK(server_of({{"RouteAction", "0"}}).delivery.security.tls == OutboundTls::opportunistic);
  CHECK_FALSE(import_text(one_server({{"RouteAction", "4"}})).servers[0].held);
  CHECK_FALSE(import_text(one_server({{"RouteAction", "0"}})).servers[0].held);
}

TEST_CASE("Drop and Pickup switches") {
  CHECK(server_of({}).drop_layout == config::DropLayout::flat);
  CHECK(server_of({}).drop_enabled);
  CHECK_FALSE(server_of({{"DropDirectory", ""}}).drop_enabled);
  CHECK_FALSE(server_of({{"ShouldPickupMail", "FALSE"}}).pickup_enabled);
  CHECK(import_text(one_server({{"ShouldDeliver", "FALSE"}})).servers[0].held);
  CHECK_FALSE(server_of({{"ServerAutoStart", "FALSE"}}).autostart);
}

TEST_CASE("the protocol log: off, by period, by size, its fields in order") {
  CHECK_FALSE(server_of({{"LogFilePeriod", "4"}}).protocol_log.enabled);
  const auto hourly = server_of({{"LogType", "1"}, {"LogFilePeriod", "4"}}).protocol_log;
  CHECK(hourly.enabled);
  CHECK(hourly.rotation == config::LogRotation::hourly);
  CHECK(hourly.fields ==
        std::vector<std::string>{"time", "c-ip", "cs-method", "cs-uri-stem", "sc-status"});
  const auto sized = server_of({{"LogType", "1"},
                                {"LogFilePeriod", "0"},
                                {"LogFileTruncateSize", "1048576"},
                                {"LogExtFileFlags", "LogExtFileUserAgent | LogExtFileDate"}})
                         .protocol_log;
  CHECK(sized.rotation == config::LogRotation::size);
  CHECK(sized.size_limit_bytes == kMiB);
  CHECK(sized.fields == std::vector<std::string>{"date", "cs(User-Agent)"});
  const auto never =
      server_of({{"LogType", "1"}, {"LogFilePeriod", "0"}, {"LogFileTruncateSize", "-1"}});
  CHECK(never.protocol_log.rotation == config::LogRotation::never);
  CHECK(server_of({{"LogType", "1"}, {"LogExtFileFlags", "4194303"}}).protocol_log.fields.size() ==
        21);
  const auto odbc = import_text(
      one_server({{"LogType", "1"}, {"LogPluginClsid", "{FF16065B-DE82-11CF-BC0A-00AA006111E0}"}}));
  CHECK(has_verdict(remarks_on(odbc, "LogPluginClsid"), Verdict::different));
}

TEST_CASE("ids: from the names, safe, unique, and the default server's own") {
  const auto result = import_text(metabase(
      server(1, {{"ServerBindings", "192.0.2.1:25:"},
                 {"ServerComment", "Default SMTP Virtual Server"}}) +
      server(2, {{"ServerBindings", "192.0.2.2:25:"}, {"ServerComment", "../../etc/passwd"}}) +
      server(3, {{"ServerBindings", "192.0.2.3:25:"}, {"ServerComment", "B\xC3\xBCro Relay!"}}) +
      server(4, {{"ServerBindings", "192.0.2.4:25:"}, {"ServerComment", "buro relay"}}) +
      server(5, {{"ServerBindings", "192.0.2.5:25:"}, {"ServerComment", "Buro-Relay"}}) +
      server(6, {{"ServerBindings", "192.0.2.6:25:"}}) +
      server(7, {{"ServerBindings", "192.0.2.7:25:"}, {"ServerComment", "default"}}) +
      server(8, {{"ServerBindings", "192.0.2.8:25:"}, {"ServerComment", std::string(300, 'x')}})));
  CHECK(ids(result) == std::vector<std::string>{"default", "etc-passwd", "buero-relay",
                                                "buro-relay", "buro-relay-5", "smtpsvc-6",
                                                "default-7", std::string(48, 'x')});
  const Loaded loaded = load(result);
  CHECK(loaded.problems.empty());
  CHECK(loaded.check == 0);
  CHECK(loaded.servers.at("buero-relay").name == "B\xC3\xBCro Relay!");
  CHECK(loaded.servers.at("default").home_directory == "/var/spool/mailroot/default");
}

TEST_CASE("homes: mapped by the longest map, in any case, at a whole component") {
  const std::string text =
      metabase(server(1, {{"ServerBindings", "192.0.2.1:25:"},
                          {"ServerComment", "one"},
                          {"PickupDirectory", "c:\\INETPUB\\mailroot\\Pickup"}}) +
               server(2, {{"ServerBindings", "192.0.2.2:25:"},
                          {"ServerComment", "two"},
                          {"PickupDirectory", "D:\\Mailroot2\\Pickup\\"}}) +
               server(3, {{"ServerBindings", "192.0.2.3:25:"},
                          {"ServerComment", "three"},
                          {"PickupDirectory", "D:\\Mailroot20\\pickup"}}) +
               server(4, {{"ServerBindings", "192.0.2.4:25:"},
                          {"ServerComment", "four"},
                          {"PickupDirectory", "E:\\drop-here"}}));
  const auto loaded = load(with_maps(text, {"C:\\Inetpub=/srv", "C:\\Inetpub\\mailroot\\=/srv/mail",
                                            "D:\\Mailroot2=/data/two", "E:=/data/e"}));
  CHECK(loaded.problems.empty());
  CHECK(loaded.servers.at("one").home_directory == "/srv/mail");
  CHECK(loaded.servers.at("two").home_directory == "/data/two");
  CHECK(loaded.servers.at("three").home_directory == "/var/spool/mailroot/three");
  CHECK(loaded.servers.at("four").home_directory == "/var/spool/mailroot/four");
  CHECK(loaded.check == 0);
}

TEST_CASE("homes that a map would put into each other stay apart") {
  const std::string text = metabase(server(1, {{"ServerBindings", "192.0.2.1:25:"},
                                               {"ServerComment", "one"},
                                               {"PickupDirectory", "C:\\m\\Pickup"}}) +
                                    server(2, {{"ServerBindings", "192.0.2.2:25:"},
                                               {"ServerComment", "two"},
                                               {"PickupDirectory", "C:\\m\\vsi 2\\Pickup"}}) +
                                    server(3, {{"ServerBindings", "192.0.2.3:25:"},
                                               {"ServerComment", "three"},
                                               {"PickupDirectory", "C:\\m\\Pickup"}}));
  for (const char* const to : {"/srv/m", "/var/spool/mailroot", "/var/spool", "/",
                               "/var/spool/mailroot/two", "/var/spool/mailroot/three/x"}) {
    INFO(to);
    const auto loaded = load(with_maps(text, {std::string("C:\\m=") + to}));
    CHECK(loaded.problems.empty());
    CHECK(loaded.check == 0);
    CHECK(loaded.servers.size() == 3);
  }
}

TEST_CASE("maps and paths that cannot be used") {
  for (const char* const wrong : {"", "C:\\x", "C:\\x=relative", "=/srv", "C:\\x=/srv/../etc",
                                  "C:\\x=/a//b", "C:\\x=/a\nb"}) {
    CHECK_FALSE(parse_path_map(wrong).has_value());
  }
  const auto up = load(
      with_maps(one_server({{"PickupDirectory", "C:\\m\\..\\..\\etc\\Pickup"}}), {"C:\\m=/srv/m"}));
  CHECK(up.problems.empty());
  CHECK(up.only().home_directory.starts_with("/var/spool/mailroot/"));
}

TEST_CASE("two servers that claim one binding are both written, with a remark on the later") {
  const auto result = import_text(
      metabase(server(1, {{"ServerBindings", ":25:"}, {"ServerComment", "one"}}) +
               server(2, {{"ServerBindings", "192.0.2.1:25: :25:"}, {"ServerComment", "two"}})));
  const Loaded loaded = load(result);
  CHECK(loaded.problems.empty());
  CHECK(loaded.check == 2);
  bool told = false;
  for (const Remark& remark : result.servers[1].remarks) {
    told =
        told || (remark.verdict == Verdict::decide && remark.text.contains("(one.yaml) claims it"));
  }
  CHECK(told);
}

}  // namespace mailroot::import
