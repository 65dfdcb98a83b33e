// Files as they come: encodings, forms, and what is refused.
#include "mailroot/import/metabase.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "made.h"
#include "mailroot/import/limits.h"

namespace mailroot::import {

namespace {

std::string refusal(std::string_view octets) {
  const auto parsed = parse_metabase(std::string(octets));
  return parsed ? "" : parsed.error();
}

}  // namespace

TEST_CASE("keys, in any case, with their properties and the newlines of a MULTISZ") {
  const std::string text = metabase(
      element("IIsWebServer", "/LM/W3SVC/1", {{"ServerComment", "web"}}) +
      element("IIsSmtpService", "/LM/SMTPSVC", {{"HopCount", "15"}},
              "<Custom Name=\"UnknownName_36930\" ID=\"36930\" Value=\"C:\\x\" Type=\"STRING\"/>"
              "<Custom ID=\"5\" Value=\"y\"/>") +
      element("IIsSmtpServer", "/lm/smtpsvc/7/",
              {{"ServerBindings", "192.0.2.1:25:\r\n\t\t:26:"}}) +
      element("IIsSmtpDomain", "/LM/SmtpSvc/7/Domain", {}) +
      element("IIsSmtpDomain", "/LM/SmtpSvc/7/Domain/Example.COM", {{"RouteAction", "16"}}) +
      element("IIsSmtpRoutingSource", "/LM/SmtpSvc/7/RoutingSources", {{"SmtpDsHost", "dc"}}) +
      element("IIsSmtpSessions", "/LM/SmtpSvc/7/Sessions", {}) +
      element("IIsSmtpInfo", "/LM/SmtpSvc/Info", {}) +
      element("IIsObject", "/LM/EventManager/SourceTypes", {}));
  const auto parsed = parse_metabase(std::string(text));
  REQUIRE(parsed.has_value());
  REQUIRE(parsed->service.has_value());
  CHECK(parsed->service->find("hopcount")->value == "15");
  REQUIRE(parsed->service->properties.size() == 3);
  CHECK(parsed->service->properties[1].id == 36930);
  CHECK(parsed->service->properties[2].name == "UnknownName_5");
  REQUIRE(parsed->instances.size() == 1);
  const Instance& instance = parsed->instances[0];
  CHECK(instance.number == 7);
  CHECK(instance.key.find("ServerBindings")->value == "192.0.2.1:25:\r\n\t\t:26:");
  REQUIRE(instance.domains.size() == 1);
  CHECK(instance.domains[0].name == "Example.COM");
  CHECK(instance.routing_sources.size() == 1);
  CHECK(instance.others.size() == 1);
  CHECK(parsed->others.size() == 1);
  CHECK(parsed->foreign_keys.at("W3SVC") == 1);
  CHECK(parsed->event_keys == 1);
  CHECK(parsed->oddities.empty());
}

TEST_CASE("UTF-8 with and without a mark, UTF-16 of both orders with and without") {
  const std::string text = one_server({{"ServerComment", "Relay & <1>"}});
  for (const std::string& octets :
       {text, "\xEF\xBB\xBF" + text, utf16(text, false, true), utf16(text, true, true),
        utf16(text, false, false), utf16(text, true, false)}) {
    const auto parsed = parse_metabase(std::string(octets));
    REQUIRE(parsed.has_value());
    CHECK(parsed->instances[0].key.find("ServerComment")->value == "Relay & <1>");
  }
  const auto accents = parse_metabase(one_server({{"ServerComment", "B\xC3\xBCro"}}));
  REQUIRE(accents.has_value());
  CHECK(accents->instances[0].key.find("ServerComment")->value == "B\xC3\xBCro");
}

TEST_CASE("a pair of surrogates is one character; half of one is refused") {
  std::string text = utf16(one_server({{"ServerComment", "x*y"}}), false, true);
  const size_t star = text.find('*');
  std::string pair = text;
  pair.replace(star, 2, "\x3D\xD8\xE7\xDC");  // U+1F4E7
  const auto parsed = parse_metabase(pair);
  REQUIRE(parsed.has_value());
  CHECK(parsed->instances[0].key.find("ServerComment")->value == "x\xF0\x9F\x93\xA7y");
  std::string half = text;
  half.replace(star, 2, "\x3D\xD8");
  CHECK(refusal(half) == "holds octets that are not UTF-16");
  CHECK(refusal(text + "x") == "is UTF-16 with half a character at its end: it is cut short");
}

TEST_CASE("what is no text of a metabase") {
  CHECK(refusal("") == "is empty");
  CHECK(refusal("MetaBase").starts_with("is no XML; the binary MetaBase.bin"));
  CHECK(refusal(std::string_view("\1\0<\0\2", 5)).starts_with("is no XML; the binary"));
  CHECK(refusal(one_server({{"ServerComment", "B\xFCro"}})) ==
        "holds octets that are neither UTF-8 nor UTF-16");
  std::string hole = one_server({});
  hole[hole.size() / 2] = '\0';
  CHECK_FALSE(refusal(hole).empty());
  CHECK(refusal(std::string_view("\xFF\xFE\0\0<\0\0\0", 8)).starts_with("is UTF-32"));
}

TEST_CASE("XML that is broken is told with its line") {
  const std::string text = one_server({});
  const std::string cut = refusal(text.substr(0, text.size() - 30));
  CHECK(cut.starts_with("is no well-formed XML: "));
  CHECK(cut.contains(" at line "));
  CHECK(refusal("<a>\n<b>\n</a>\n") == "is no well-formed XML: Start-end tags mismatch at line 3");
  CHECK(refusal("<a Location='/LM/SmtpSvc/1' x=/>").starts_with("is no well-formed XML: "));
}

TEST_CASE("XML that is no metabase, and a metabase without the SMTP service") {
  CHECK(refusal("<html><body/></html>") == "is XML, but no metabase: no element has a Location");
  const std::string web = refusal(metabase(element("IIsWebServer", "/LM/W3SVC/1", {})));
  CHECK(web ==
        "holds no virtual server of the SMTP service (/LM/SmtpSvc/1 and so on); it has keys of "
        "W3SVC");
  CHECK(refusal(metabase(element("IIsSmtpService", "/LM/SmtpSvc", {})))
            .starts_with("holds no virtual server"));
  // A number that is none, and one below which lies only a domain.
  CHECK(refusal(metabase(element("IIsSmtpServer", "/LM/SmtpSvc/-1", {})))
            .starts_with("holds no virtual server"));
  CHECK(refusal(metabase(domain("example.com", {}))).starts_with("holds no virtual server"));
}

TEST_CASE("entity bombs: a document type is refused, and nothing is ever expanded") {
  const std::string bomb =
      "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 "
      "\"&lol;&lol;&lol;\">]>" +
      one_server({{"ServerComment", "&lol2;"}}).substr(22);
  CHECK(refusal(bomb) ==
        "declares a document type; a metabase has none, and entities are not expanded");
  std::string external = "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>";
  CHECK(refusal(external).starts_with("declares a document type"));
  // Without a declaration the reference stays as it is written.
  std::string bare = one_server({{"ServerComment", "MARK"}});
  bare.replace(bare.find("MARK"), 4, "&lol2;&#65;&amp;");
  const auto parsed = parse_metabase(bare);
  REQUIRE(parsed.has_value());
  CHECK(parsed->instances[0].key.find("ServerComment")->value == "&lol2;A&");
}

TEST_CASE("limits have names") {
  CHECK(refuse_size(kMetabaseSizeMax) == std::nullopt);
  REQUIRE(refuse_size(kGiB).has_value());
  CHECK(*refuse_size(kGiB) ==
        "is 1024 MiB large, more than 128 MiB (limit kMetabaseSizeMax); it was not read");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  for (int i = 0; i < 100'000; ++i) deep += "</a>";
  CHECK(refusal(deep) == "is nested deeper than 16 elements (limit kDepthMax)");
  std::string many = "<a>";
  for (size_t i = 0; i < kTagsMax; ++i) many += "<b/>";
  CHECK(refusal(many + "</a>").contains("(limit kTagsMax)"));
  CHECK(refusal("<a x=\"" + std::string(kAttributesMax + 1, '=') + "\"/>")
            .contains("(limit kAttributesMax)"));
  Attributes attributes;
  for (size_t i = 0; i <= kPropertiesMax; ++i) attributes.emplace_back(fmt::format("P{}", i), "1");
  CHECK(refusal(one_server(attributes)).contains("(limit kPropertiesMax)"));
  std::string customs;
  for (size_t i = 0; i <= kPropertiesMax; ++i) customs += fmt::format("<Custom ID=\"{}\"/>", i);
  CHECK(refusal(metabase(element("IIsSmtpServer", "/LM/SmtpSvc/1", {}, customs)))
            .contains("(limit kPropertiesMax)"));
  CHECK(refusal(metabase(domain(std::string(kLocationMax, 'a'), {}))).contains("kLocationMax"));
  std::string servers;
  for (size_t i = 1; i <= kServersMax + 1; ++i) {
    servers += element("IIsSmtpServer", fmt::format("/LM/SmtpSvc/{}", i), {});
  }
  CHECK(refusal(metabase(servers)).contains("(limit kServersMax)"));
}

TEST_CASE("what is there twice is told; the first counts") {
  const auto parsed = parse_metabase(metabase(
      element("IIsSmtpServer", "/LM/SmtpSvc/1", {{"HopCount", "1"}}) +
      element("IIsSmtpServer", "/lm/smtpsvc/1", {{"HopCount", "2"}}) + domain("a.example", {}, 9)));
  REQUIRE(parsed.has_value());
  CHECK(parsed->instances[0].key.find("HopCount")->value == "1");
  REQUIRE(parsed->oddities.size() == 2);
  CHECK(parsed->oddities[0].contains("/lm/smtpsvc/1 is there twice"));
  CHECK(parsed->oddities[1].contains("/LM/SmtpSvc/9 has keys below it"));
}

}  // namespace mailroot::import
