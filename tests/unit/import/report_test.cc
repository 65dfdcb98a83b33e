// Nothing of a metabase is left out of the report.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "made.h"
#include "properties.h"

namespace mailroot::import {

namespace {

// Every property that facts name, and some nobody knows.
const char* const kNames[] = {"AccessFlags",
                              "AccessSSLFlags",
                              "AddNoHeaders",
                              "AdminACL",
                              "AllowAnonymous",
                              "AllowVerify",
                              "AlwaysUseSsl",
                              "AnonymousUserName",
                              "AnonymousUserPass",
                              "AuthFlags",
                              "BadMailDirectory",
                              "ClusterEnabled",
                              "ConnectResponse",
                              "ConnectionTimeout",
                              "DefaultLogonDomain",
                              "DisablePickupDotStuff",
                              "DisableSocketPooling",
                              "DoMasquerade",
                              "DomainRouting",
                              "DropDirectory",
                              "EnableReverseDnsLookup",
                              "EtrnDays",
                              "EtrnSubdomains",
                              "HopCount",
                              "IPSecurity",
                              "LimitRemoteConnections",
                              "LocalDomains",
                              "LocalRetryAttempts",
                              "LocalRetryInterval",
                              "LogExtFileFlags",
                              "LogFileDirectory",
                              "LogFilePeriod",
                              "LogFileTruncateSize",
                              "LogPluginClsid",
                              "LogType",
                              "MasqueradeDomain",
                              "MaxBandwidth",
                              "MaxBatchedMessages",
                              "MaxConnections",
                              "MaxDirChangeIOSize",
                              "MaxEndpointConnections",
                              "MaxMailObjects",
                              "MaxMessageSize",
                              "MaxOutConnections",
                              "MaxOutConnectionsPerDomain",
                              "MaxRecipients",
                              "MaxSessionSize",
                              "MaxSmtpErrors",
                              "NTAuthenticationProviders",
                              "NameResolutionType",
                              "PickupDirectory",
                              "PostmasterEmail",
                              "PostmasterName",
                              "QueueDirectory",
                              "RelayForAuth",
                              "RelayIpList",
                              "RemoteRetryAttempts",
                              "RemoteRetryInterval",
                              "RemoteSmtpPort",
                              "RemoteSmtpSecurePort",
                              "RemoteTimeout",
                              "RouteAction",
                              "RoutePassword",
                              "RouteUserName",
                              "RoutingDll",
                              "RoutingSources",
                              "SaslLogonDomain",
                              "SecureBindings",
                              "SendBadTo",
                              "SendNdrTo",
                              "ServerAutoStart",
                              "ServerListenBacklog",
                              "ServerListenTimeout",
                              "ServerSize",
                              "ServerState",
                              "ShouldDeliver",
                              "ShouldPickupMail",
                              "ShouldPipelineIn",
                              "ShouldPipelineOut",
                              "SmartHost",
                              "SmartHostType",
                              "SmtpAqueueWait",
                              "SmtpClearTextProvider",
                              "SmtpConnectTimeout",
                              "SmtpDSNLanguageID",
                              "SmtpDSNOptions",
                              "SmtpDisableRelay",
                              "SmtpDomainValidationFlags",
                              "SmtpDotStuffPickupDirFiles",
                              "SmtpEventlogLevel",
                              "SmtpHeloNoDomain",
                              "SmtpInboundCommandSupportOptions",
                              "SmtpIpRestrictionFlag",
                              "SmtpLocalDelayExpireMinutes",
                              "SmtpLocalNDRExpireMinutes",
                              "SmtpMailNoHelo",
                              "SmtpOutboundCommandSupportOptions",
                              "SmtpRemoteDelayExpireMinutes",
                              "SmtpRemoteNDRExpireMinutes",
                              "SmtpRemoteProgressiveRetry",
                              "SmtpRemoteRetryThreshold",
                              "SmtpSSLCertHostnameValidation",
                              "SmtpSSLRequireTrustedCA",
                              "SmtpServiceVersion",
                              "SmtpUseTcpDns",
                              "SSLCertHash",
                              "SSLStoreName",
                              "UpdatedDefaultDomain",
                              "UpdatedFQDN",
                              "Win32Error",
                              "Weather",
                              "X"};

}  // namespace

TEST_CASE("every property of a virtual server has its remark, whatever it says") {
  for (const char* const value : {"1", "0", "TRUE", "FALSE", "4294967295", "", "two words", "[x"}) {
    Attributes attributes;
    for (const char* const name : kNames) attributes.emplace_back(name, value);
    for (const bool at_service : {false, true}) {
      const auto result = at_service ? import_text(one_server({}, attributes))
                                     : import_text(one_server(attributes));
      for (const char* const name : kNames) {
        INFO("property " << std::string(name) << " value '" << std::string(value)
                         << "' at the service: " << at_service);
        CHECK_FALSE(remarks_on(result, name).empty());
      }
      const Loaded loaded = load(result);
      for (const auto& problem : loaded.problems) FAIL_CHECK(problem);
    }
  }
}

TEST_CASE("Custom properties by name, by number, and unknown ones") {
  const std::string customs =
      "<Custom Name=\"HopCount\" ID=\"1\" Value=\"7\"/>"
      "<Custom Name=\"UnknownName_36895\" ID=\"36895\" Value=\"55\"/>"
      "<Custom Name=\"Sink\" ID=\"40000\" Value=\"x\"/>";
  const auto result = import_text(
      metabase(element("IIsSmtpServer", "/LM/SmtpSvc/1", {{"ServerBindings", ":25:"}}, customs)));
  const auto server = load(result).only();
  CHECK(server.delivery.hop_limit == 7);
  CHECK(server.recipients_limit == 55);
  REQUIRE(remarks_on(result, "Sink").size() == 1);
  CHECK(remarks_on(result, "Sink")[0].text == "a Custom property that is not known");
}

TEST_CASE("an attribute that is there twice, subkeys, sinks, other services: all told") {
  std::string text =
      one_server({{"HopCount", "7"}, {"HopCount", "8"}}, {{"Weather", "fair"}},
                 element("IIsSmtpUser", "/LM/SmtpSvc/1/User/ann", {{"Mailbox", "x"}}) +
                     element("IIsSmtpInfo", "/LM/SmtpSvc/Info", {}) +
                     element("IIsObject", "/LM/EventManager/x", {}) +
                     element("IIsWebServer", "/LM/W3SVC/1", {}));
  const auto result = import_text(text);
  const std::string report = report_text(result);
  for (const char* const words : {"HopCount=8: is there twice", "key ann: IIsSmtpUser",
                                  "/LM/SmtpSvc/Info", "event sinks (EventManager)",
                                  "1 keys of W3SVC", "/LM/SmtpSvc: Weather=fair: is not known"}) {
    INFO(words);
    CHECK(report.contains(words));
  }
  CHECK(load(result).only().delivery.hop_limit == 7);
}

TEST_CASE("LDAP routing that was on has to be decided, off it is told") {
  for (const bool on : {true, false}) {
    const auto result = import_text(
        one_server({}, {},
                   element("IIsSmtpRoutingSource", "/LM/SmtpSvc/1/RoutingSources",
                           {{"SmtpDsHost", "dc.example"}, {"SmtpDsUseCat", on ? "1" : "0"}})));
    const auto remarks = remarks_on(result, "RoutingSources");
    REQUIRE(remarks.size() == 1);
    CHECK(remarks[0].verdict == (on ? Verdict::decide : Verdict::not_carried));
    CHECK(result.servers[0].yaml.contains("SmtpDsHost=dc.example"));
  }
}

TEST_CASE("the JSON says what the text says") {
  const auto result = import_text(one_server({{"RelayIpList", ""}, {"HopCount", "15"}}));
  const auto documents = report_json(result);
  REQUIRE(documents.size() == 2);
  const auto server = nlohmann::json::parse(documents[0]);
  CHECK(server["number"] == 1);
  CHECK(server["held"] == false);
  size_t decisions = 0;
  for (const auto& remark : server["remarks"]) {
    if (remark["verdict"] == "decide") ++decisions;
    if (remark.value("property", "") == "HopCount")
      CHECK(remark["key"] == "delivery.hop_limit: 15");
  }
  CHECK(decisions == 1);
  CHECK(nlohmann::json::parse(documents[1])["service"] == "SmtpSvc");
}

TEST_CASE("what comes from the file cannot break a line of report or YAML") {
  const std::string evil =
      "a\nautostart: false\n# \x1b[2Jb\xE2\x80\xA8"
      "c\xC2\x85"
      "d\xE2\x80\xAE";
  const auto result = import_text(one_server(
      {{"ServerComment", evil},
       {"ConnectResponse", evil},
       {"MaxRecipients", evil},
       {"PickupDirectory", "C:\\" + evil + "\\Pickup"},
       {evil.substr(0, 1), evil}},
      {}, domain("x", {{"RouteAction", evil}, {"AuthTurnList", evil}, {"RouteUserName", evil}})));
  const Loaded loaded = load(result);
  CHECK(loaded.problems.empty());
  CHECK_FALSE(result.servers[0].yaml.contains('\x1b'));
  for (const Remark& remark : result.servers[0].remarks) {
    CHECK(remark.value.find_first_of("\n\r\x1b") == std::string::npos);
    CHECK_FALSE(remark.value.contains("\xE2\x80\xA8"));
  }
}

}  // namespace mailroot::import
