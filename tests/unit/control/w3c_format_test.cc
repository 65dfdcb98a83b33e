// The protocol log's bytes: existing analysers read them.
#include "w3c_format.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace mailroot;
using namespace mailroot::control;

namespace {

// 2026-03-05 08:30:01 UTC, a Thursday in the first week of the month.
const WallTime kTime{std::chrono::seconds(1772699401)};
const W3cSite kSite{"default", "relay01"};

log::ProtocolLine line_from(std::string_view method, std::string_view query) {
  log::ProtocolLine line;
  line.time = kTime;
  line.remote = *IpAddress::parse("192.0.2.10");
  line.local = *SocketAddress::parse("192.0.2.40:25");
  line.user = "scanner7";
  line.method = method;
  line.query = query;
  line.status = 250;
  line.sent_bytes = 49;
  line.received_bytes = 36;
  line.taken = std::chrono::milliseconds(7);
  return line;
}

std::string text_of(const log::ProtocolLine& line,
                    const std::vector<std::string>& fields = config::kProtocolLogFields) {
  std::string out;
  append_w3c_line(out, line, kSite, fields);
  return out;
}

}  // namespace

TEST_CASE("the head names version, date and fields") {
  CHECK(w3c_head({"time", "c-ip"}, kTime) == "#Software: Mailroot " MAILROOT_VERSION
                                             "\n#Version: 1.0\n#Date: 2026-03-05 08:30:01\n"
                                             "#Fields: time c-ip\n");
}

TEST_CASE("an inbound command has the fields of the IIS SMTP service, in its order") {
  CHECK(text_of(line_from("MAIL", "+FROM:<scan@corp.example.com> SIZE=100")) ==
        "2026-03-05 08:30:01 192.0.2.10 scanner7 default relay01 192.0.2.40 25 MAIL - "
        "+FROM:<scan@corp.example.com>+SIZE=100 250 0 49 36 7 SMTP - - - -\n");
}

TEST_CASE("an outbound line has no address of its own and the next hop's port") {
  log::ProtocolLine line = line_from("", "220 mx.example.net ESMTP");
  line.local.reset();
  line.remote_port = 2525;
  line.user = "OutboundConnectionResponse";
  line.status = 0;
  CHECK(text_of(line) ==
        "2026-03-05 08:30:01 192.0.2.10 OutboundConnectionResponse default relay01 - 2525 - - "
        "220+mx.example.net+ESMTP 0 0 49 36 7 SMTP - - - -\n");
}

TEST_CASE("chosen fields come in the chosen order") {
  CHECK(text_of(line_from("RSET", ""), {"cs-method", "sc-status", "time", "cs-uri-query"}) ==
        "RSET 250 08:30:01 -\n");
}

TEST_CASE("no octet of a peer ends a line or begins a field") {
  for (int octet = 0; octet < 256; ++octet) {
    CAPTURE(octet);
    const std::string text = text_of(
        line_from(std::string{'a', static_cast<char>(octet), 'b'}, "x"), {"cs-method", "c-ip"});
    CHECK(std::ranges::count(text, ' ') == 1);
    CHECK(std::ranges::count(text, '\n') == 1);
    CHECK(std::ranges::all_of(text.substr(0, text.size() - 1),
                              [](char c) { return c >= 0x20 && c < 0x7F; }));
  }
}

TEST_CASE("files are named by period, in UTC") {
  using config::LogRotation;
  const struct {
    LogRotation rotation;
    std::string_view name;
  } rows[] = {{LogRotation::hourly, "ex26030508.log"}, {LogRotation::daily, "ex260305.log"},
              {LogRotation::weekly, "ex260301.log"},   {LogRotation::monthly, "ex2603.log"},
              {LogRotation::size, "extend7.log"},      {LogRotation::never, "extend1.log"}};
  for (const auto& row : rows) CHECK(w3c_file_name(row.rotation, kTime, 7) == row.name);
  const WallTime last_second =
      kTime + std::chrono::hours(15) + std::chrono::minutes(29) + std::chrono::seconds(58);
  CHECK(w3c_file_name(LogRotation::daily, last_second, 0) == "ex260305.log");
  CHECK(w3c_file_name(LogRotation::daily, last_second + std::chrono::seconds(1), 0) ==
        "ex260306.log");
  CHECK(w3c_file_name(LogRotation::weekly, kTime + std::chrono::hours(24 * 26), 0) ==
        "ex260305.log");
}

TEST_CASE("numbers of files by size") {
  CHECK(w3c_file_number("extend12.log") == 12);
  for (const std::string_view other : {"extend.log", "extendx.log", "ex260305.log", "extend1",
                                       "extend99999999999.log", "extend-1.log", "extend"}) {
    CHECK(w3c_file_number(other) == 0);
  }
}
