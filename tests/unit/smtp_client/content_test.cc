#include "mailroot/smtp/content.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>

namespace mailroot::smtp {

namespace {

// Nothing if it was refused.
std::optional<std::string> stuff(std::string_view content, size_t step) {
  DotStuffer stuffer;
  std::vector<ByteView> out;
  for (size_t at = 0; at < content.size(); at += step)
    if (!stuffer.add(as_bytes(content.substr(at, step)), out)) return std::nullopt;
  if (!stuffer.finish(out)) return std::nullopt;
  std::string wire;
  for (const ByteView view : out) wire += as_text(view);
  CHECK(wire.size() == stuffer.wire_bytes());
  return wire;
}

ContentTraits scan(std::string_view content, size_t step) {
  ContentScan scan;
  for (size_t at = 0; at < content.size(); at += step) scan.add(as_bytes(content.substr(at, step)));
  return scan.traits();
}

}  // namespace

TEST_CASE("dots are added where a line begins with one, at every split") {
  const struct {
    const char* content;
    const char* wire;
  } kCases[] = {
      {"", ".\r\n"},
      {"a\r\n", "a\r\n.\r\n"},
      {"a", "a\r\n.\r\n"},
      {".", "..\r\n.\r\n"},
      {".\r\n", "..\r\n.\r\n"},
      {"..\r\n", "...\r\n.\r\n"},
      {"a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"},
      {"a.\r\n.b.\r\n", "a.\r\n..b.\r\n.\r\n"},
      {"\r\n\r\n.\r\n.\r\n", "\r\n\r\n..\r\n..\r\n.\r\n"},
      {"a\r\n.", "a\r\n..\r\n.\r\n"},
      {"S: x\r\n\r\n.\r\nMAIL FROM:<x>\r\n", "S: x\r\n\r\n..\r\nMAIL FROM:<x>\r\n.\r\n"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.content);
    for (size_t step = 1; step <= 12; ++step) CHECK(stuff(c.content, step) == c.wire);
  }
}

TEST_CASE("nothing is copied: views point into the content") {
  const std::string content = "abc\r\ndef\r\n";
  DotStuffer stuffer;
  std::vector<ByteView> out;
  REQUIRE(stuffer.add(as_bytes(content), out));
  REQUIRE(out.size() == 1);
  CHECK(as_text(out[0]).data() == content.data());
}

// The smuggling sequences: whatever another server might take for an end of data.
TEST_CASE("content with bare CR or LF is never sent by DATA") {
  for (const char* content :
       {"a\n", "a\n.\n", "a\n.\r\n", "a\r\n.\n", "a\r.\r", "a\r.\r\n", "a\r\n.\r", "a\r\r\n.\r\n",
        "\n", "\r", "a\rb\r\n", "a\r\n\r", "\n.\r\n", "a\r\n\n.\r\n"}) {
    CAPTURE(content);
    for (size_t step = 1; step <= 8; ++step) {
      CHECK(stuff(content, step) == std::nullopt);
      CHECK(scan(content, step).bare_line_end);
    }
  }
}

TEST_CASE("of a refused piece nothing is put out") {
  DotStuffer stuffer;
  std::vector<ByteView> out;
  REQUIRE(stuffer.add(as_bytes("good\r\n"), out));
  CHECK_FALSE(stuffer.add(as_bytes(".a\r\n.b\nc\r\n"), out));
  CHECK(out.size() == 1);
}

TEST_CASE("traits, at every split") {
  const auto check = [](std::string_view content, ContentTraits expected) {
    CAPTURE(content);
    for (const size_t step : {1UL, 2UL, 3UL, 7UL, 8UL, 9UL, 5000UL})
      CHECK(scan(content, step) == expected);
  };
  using namespace std::string_view_literals;
  check("", {});
  check("Subject: a\r\n\r\nbody\r\n", {});
  check("no line end", {});
  check("Subject: \xC3\xA9\r\n\r\nbody\r\n", {.eight_bit_header = true});
  check("Subject: e\r\n\r\nb\xC3\xA9\r\n", {.eight_bit_body = true});
  check("\r\n\xFF", {.eight_bit_body = true});
  check("a\r\n\r\n0123456789\0\r\n"sv, {.nul = true});
  check("a\r\n\r\n\x01\x01\x01\x01\x01\x01\x01\x01\x01\r\n", {});
  check("a\r\n\r\n" + std::string(998, 'x') + "\r\n", {});
  check("a\r\n\r\n" + std::string(999, 'x') + "\r\n", {.long_line = true});
  check("a\r\n\r\n" + std::string(999, 'x'), {.long_line = true});
  check("a\nb", {.bare_line_end = true});
}

TEST_CASE("what nobody has scanned is assumed from the declared type") {
  CHECK(ContentTraits::assume(BodyType::seven_bit) == ContentTraits{});
  CHECK(ContentTraits::assume(BodyType::eight_bit_mime).eight_bit_body);
  CHECK_FALSE(ContentTraits::assume(BodyType::eight_bit_mime).is_binary());
  CHECK(ContentTraits::assume(BodyType::binary_mime).is_binary());
}

}  // namespace mailroot::smtp
