#include "mailroot/message/downgrade.h"

#include <doctest/doctest.h>

namespace mailroot::message {

namespace {

constexpr std::string_view kHead =
    "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\nTo: y\r\n";
constexpr std::string_view kEncodedHead =
    "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\nTo: y\r\n";

HeaderFacts facts_of(std::string_view content) {
  HeaderScan scan;
  scan.add(as_bytes(content));
  return scan.finish();
}

std::string downgrade(std::string_view content, size_t step) {
  Downgrade downgrade(facts_of(content));
  std::string out;
  for (size_t at = 0; at < content.size(); at += step)
    downgrade.add(as_bytes(content.substr(at, step)), out);
  downgrade.finish(out);
  return out;
}

}  // namespace

TEST_CASE("only one text part that says it is 8bit") {
  const auto can = [](std::string_view header) {
    return is_downgradable(facts_of(std::string(header) + "\r\nbody"));
  };
  CHECK(is_downgradable(facts_of(std::string(kHead) + "\r\n\xC3\xA9")));
  CHECK(can("MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"));
  CHECK(can("MIME-Version: 1.0\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 8BIT\r\n"));
  CHECK_FALSE(can("Content-Transfer-Encoding: 8bit\r\n"));
  CHECK_FALSE(can("MIME-Version: 1.0\r\n"));
  CHECK_FALSE(can("MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n"));
  CHECK_FALSE(can("MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit (really)\r\n"));
  CHECK_FALSE(
      can("MIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\nContent-Transfer-Encoding: "
          "8bit\r\n"));
  CHECK_FALSE(
      can("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: "
          "8bit\r\n"));
  CHECK_FALSE(
      can("MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: "
          "8bit\r\n"));
  CHECK_FALSE(is_downgradable(facts_of(kHead)));
}

TEST_CASE("the body becomes quoted-printable, the header keeps all but one field; every split") {
  const struct {
    const char* body;
    const char* encoded;
  } kCases[] = {
      {"", ""},
      {"plain\r\n", "plain\r\n"},
      {"caf\xC3\xA9\r\n", "caf=C3=A9\r\n"},
      {"a=b\r\n", "a=3Db\r\n"},
      {"a b\tc\r\n", "a b\tc\r\n"},
      {"blank \r\ntab\t\r\n", "blank=20\r\ntab=09\r\n"},
      {"two  \r\n", "two =20\r\n"},
      {" \r\n", "=20\r\n"},
      {"end ", "end=20"},
      {"\x7F\x01\r\n", "=7F=01\r\n"},
      {".\r\n..\r\n", ".\r\n..\r\n"},
      {"\r\n\r\n", "\r\n\r\n"},
      {"a\rb\r", "a=0Db=0D"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.body);
    const std::string content = std::string(kHead) + "\r\n" + c.body;
    for (size_t step = 1; step <= content.size(); ++step)
      CHECK(downgrade(content, step) == std::string(kEncodedHead) + "\r\n" + c.encoded);
  }
}

TEST_CASE("lines are broken softly at 76 columns and never inside an escape") {
  std::string body;
  for (int i = 0; i < 300; ++i) body += "\xC3\xA9z";
  const std::string out = downgrade(std::string(kHead) + "\r\n" + body + "\r\n", 11);
  std::string_view rest = std::string_view(out).substr(out.find("\r\n\r\n") + 4);
  std::string decoded;
  while (!rest.empty()) {
    const size_t end = rest.find("\r\n");
    REQUIRE(end != std::string_view::npos);
    std::string_view line = rest.substr(0, end);
    CHECK(line.size() <= 76);
    rest.remove_prefix(end + 2);
    const bool soft = line.ends_with('=');
    if (soft) line.remove_suffix(1);
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] != '=') {
        decoded += line[i];
        continue;
      }
      REQUIRE(i + 2 < line.size());
      decoded += static_cast<char>(std::stoi(std::string(line.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    }
    if (!soft) decoded += "\r\n";
  }
  CHECK(decoded == body + "\r\n");
}

TEST_CASE("a folded field is replaced whole") {
  const std::string content =
      "MIME-Version: 1.0\r\nContent-Transfer-Encoding:\r\n 8bit\r\n\r\n\xC3\xA9";
  CHECK(downgrade(content, 3) ==
        "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9");
}

}  // namespace mailroot::message
