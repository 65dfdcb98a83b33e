#include "mailroot/message/trace.h"

#include <doctest/doctest.h>

namespace mailroot::message {

namespace {

WallTime at_seconds(int64_t seconds) { return WallTime(std::chrono::seconds(seconds)); }

ReceivedFacts facts() {
  ReceivedFacts facts;
  facts.client_name = "client.example.com";
  facts.client_ip = IpAddress::parse("192.0.2.1");
  facts.by_host = "relay.example.com";
  facts.queue_id = "00000001002000000003";
  facts.received_at = at_seconds(1772703000);
  return facts;
}

}  // namespace

TEST_CASE("dates") {
  CHECK(date_time(at_seconds(0)) == "Thu, 01 Jan 1970 00:00:00 +0000");
  CHECK(date_time(at_seconds(1772703000)) == "Thu, 05 Mar 2026 09:30:00 +0000");
  CHECK(date_time(at_seconds(951782399)) == "Mon, 28 Feb 2000 23:59:59 +0000");
  CHECK(date_time(at_seconds(951782400)) == "Tue, 29 Feb 2000 00:00:00 +0000");
  CHECK(iso_time(at_seconds(1772703000)) == "2026-03-05T09:30:00.000Z");
}

TEST_CASE("times beyond the years of the format are cut, not wrapped") {
  CHECK(iso_time(WallTime::min()) == "1970-01-01T00:00:00.000Z");
  CHECK(iso_time(at_seconds(-1)) == "1970-01-01T00:00:00.000Z");
  CHECK(iso_time(WallTime::max()) == "2261-12-31T23:59:59.999Z");
  CHECK(date_time(WallTime::max()) == "Tue, 31 Dec 2261 23:59:59 +0000");
}

TEST_CASE("times are read as they are written") {
  for (const char* text :
       {"1970-01-01T00:00:00.000Z", "2000-02-29T23:59:59.999Z", "2261-12-31T23:59:59.999Z"}) {
    const std::optional<WallTime> time = parse_iso_time(text);
    REQUIRE(time.has_value());
    CHECK(iso_time(*time) == text);
  }
}

TEST_CASE("what is no time is none") {
  for (const char* text :
       {"", "2026-03-05T09:30:00Z", "2026-03-05T09:30:00.000", "2026-03-05 09:30:00.000Z",
        "2026-03-05T09:30:00.000z", "2026-13-05T09:30:00.000Z", "2026-00-05T09:30:00.000Z",
        "2026-02-30T09:30:00.000Z", "2025-02-29T09:30:00.000Z", "2026-03-05T24:00:00.000Z",
        "2026-03-05T09:60:00.000Z", "2026-03-05T09:30:60.000Z", "1969-12-31T23:59:59.999Z",
        "2262-01-01T00:00:00.000Z", "20a6-03-05T09:30:00.000Z", "2026-03-05T09:30:00.-00Z",
        "2026-03- 5T09:30:00.000Z", "2026-03-05T09:30:00.0000Z"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_iso_time(text).has_value());
  }
}

TEST_CASE("Received after a reverse lookup") {
  ReceivedFacts asked = facts();
  const auto begins = [&](std::string_view text) {
    return received_field(asked).starts_with("Received: from client.example.com " +
                                             std::string(text) + "\r\n\tby relay.");
  };
  CHECK(begins("([192.0.2.1])"));
  asked.client_host = "";
  CHECK(begins("([192.0.2.1] unverified)"));
  asked.client_host = "Client.example.COM";
  CHECK(begins("(Client.example.COM [192.0.2.1])"));
  asked.client_host = "other.example";
  CHECK(begins("(other.example [192.0.2.1] unverified)"));
  asked.client_host = "a) b\r\nX: ";
  CHECK(begins("(a??b??X:? [192.0.2.1] unverified)"));
}

TEST_CASE("Received") {
  CHECK(received_field(facts()) ==
        "Received: from client.example.com ([192.0.2.1])\r\n"
        "\tby relay.example.com with ESMTP id 00000001002000000003;\r\n"
        "\tThu, 05 Mar 2026 09:30:00 +0000\r\n");
}

TEST_CASE("Received with the only recipient, over IPv6 and TLS") {
  const smtp::Mailbox bob = {.local_part = "bob", .domain = "example.org"};
  ReceivedFacts f = facts();
  f.client_ip = IpAddress::parse("2001:db8::1");
  f.protocol = smtp::ExtendedProtocol::esmtps;
  f.only_recipient = &bob;
  CHECK(received_field(f) ==
        "Received: from client.example.com ([IPv6:2001:db8::1])\r\n"
        "\tby relay.example.com with ESMTPS id 00000001002000000003\r\n"
        "\tfor <bob@example.org>;\r\n"
        "\tThu, 05 Mar 2026 09:30:00 +0000\r\n");
}

TEST_CASE("Received from Pickup names no client") {
  ReceivedFacts f = facts();
  f.client_ip.reset();
  CHECK(received_field(f) ==
        "Received: by relay.example.com (Pickup) id 00000001002000000003;\r\n"
        "\tThu, 05 Mar 2026 09:30:00 +0000\r\n");
}

TEST_CASE("a client's name cannot break the field") {
  using namespace std::string_view_literals;
  const auto from = [](std::string_view name) {
    ReceivedFacts f = facts();
    f.client_name = name;
    const std::string field = received_field(f);
    return field.substr(15, field.find(" (") - 15);
  };
  CHECK(from("") == "unknown");
  CHECK(from("a\r\nX-Evil: 1") == "a??X-Evil:?1");
  CHECK(from("a (b) <c>; \"d\"") == "a??b???c????d?");
  CHECK(from("a\0b\x1B[31m"sv) == "a?b?[31m");
  CHECK(from("[IPv6:2001:db8::1]") == "[IPv6:2001:db8::1]");
  CHECK(from("\xC3\xA9") == "??");
  CHECK(from(std::string(5000, 'x')) == std::string(255, 'x'));
}

TEST_CASE("an internationalised recipient is shown only in an internationalised message") {
  const smtp::Mailbox bob = {.local_part =
                                 "b\xC3\xB6"
                                 "b",
                             .domain = "example.org"};
  ReceivedFacts f = facts();
  f.only_recipient = &bob;
  CHECK(received_field(f).find("for") == std::string::npos);
  f.protocol = smtp::ExtendedProtocol::utf8smtp;
  CHECK(received_field(f).find("for <b\xC3\xB6"
                               "b@example.org>;") != std::string::npos);
  CHECK(received_field(f).find("with UTF8SMTP id") != std::string::npos);
  const smtp::Mailbox evil = {.local_part = "\xC3\xB6\r\nX-Evil: 1", .domain = "example.org"};
  f.only_recipient = &evil;
  CHECK(received_field(f).find("Evil") == std::string::npos);
}

TEST_CASE("Return-Path") {
  CHECK(return_path_field({}) == "Return-Path: <>\r\n");
  CHECK(return_path_field({.local_part = "ann", .domain = "example.com"}) ==
        "Return-Path: <ann@example.com>\r\n");
}

TEST_CASE("what a submitted message lacks is added, and no more") {
  const auto missing = [](bool date, bool message_id) {
    HeaderFacts header;
    header.has_date = date;
    header.has_message_id = message_id;
    return missing_fields(header, at_seconds(1772703000), "00000001002000000003", "relay.example");
  };
  CHECK(missing(true, true) == "");
  CHECK(missing(false, true) == "Date: Thu, 05 Mar 2026 09:30:00 +0000\r\n");
  CHECK(missing(true, false) ==
        "Message-ID: <00000001002000000003.1772703000000000000@relay.example>\r\n");
  CHECK(missing(false, false) == missing(false, true) + missing(true, false));
}

TEST_CASE("every protocol has its keyword") {
  using smtp::ExtendedProtocol;
  CHECK(with_keyword(ExtendedProtocol::smtp) == "SMTP");
  CHECK(with_keyword(ExtendedProtocol::esmtpa) == "ESMTPA");
  CHECK(with_keyword(ExtendedProtocol::esmtpsa) == "ESMTPSA");
  CHECK(with_keyword(ExtendedProtocol::utf8smtps) == "UTF8SMTPS");
  CHECK(with_keyword(ExtendedProtocol::utf8smtpa) == "UTF8SMTPA");
  CHECK(with_keyword(ExtendedProtocol::utf8smtpsa) == "UTF8SMTPSA");
}

}  // namespace mailroot::message
