#include <doctest/doctest.h>

#include "mailroot/message/pickup.h"

namespace mailroot::message {

namespace {

std::string convert(std::string_view content, bool stuffed, size_t step) {
  PickupContent pickup(stuffed);
  std::vector<ByteView> out;
  std::string result;
  for (size_t at = 0; at < content.size(); at += step)
    pickup.add(as_bytes(content.substr(at, step)), out);
  pickup.finish(out);
  for (const ByteView view : out) result += as_text(view);
  CHECK(result.size() == pickup.size_bytes());
  return result;
}

bool looks_stuffed(std::string_view content) {
  DotStuffingProbe whole;
  whole.add(as_bytes(content));
  DotStuffingProbe bytes;
  for (size_t at = 0; at < content.size(); ++at) bytes.add(as_bytes(content.substr(at, 1)));
  CHECK(whole.looks_stuffed() == bytes.looks_stuffed());
  return whole.looks_stuffed();
}

}  // namespace

TEST_CASE("line ends become CRLF, at every split") {
  const struct {
    const char* content;
    const char* sent;
  } kCases[] = {
      {"", ""},
      {"a\r\nb\r\n", "a\r\nb\r\n"},
      {"a\nb\n", "a\r\nb\r\n"},
      {"a\rb\r", "a\r\nb\r\n"},
      {"a\n\nb", "a\r\n\r\nb\r\n"},
      {"\r\r\n\n", "\r\n\r\n\r\n"},
      {"a\r\n\rb", "a\r\n\r\nb\r\n"},
      {"\n", "\r\n"},
      {"\r", "\r\n"},
      {".\n..\n", ".\r\n..\r\n"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.content);
    for (size_t step = 1; step <= 8; ++step) CHECK(convert(c.content, false, step) == c.sent);
  }
}

TEST_CASE("stuffed dots are taken away, at every split") {
  const struct {
    const char* content;
    const char* sent;
  } kCases[] = {
      {"..a\r\n", ".a\r\n"},
      {"a\n..\nb\n", "a\r\n.\r\nb\r\n"},
      {".\r\n", "\r\n"},
      {".", "\r\n"},
      {"a\r..b\r\n", "a\r\n.b\r\n"},
      {"a..b\r\n", "a..b\r\n"},
      {"...\r\n", "..\r\n"},
      {".\n.\n", "\r\n\r\n"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.content);
    for (size_t step = 1; step <= 8; ++step) CHECK(convert(c.content, true, step) == c.sent);
  }
}

TEST_CASE("nothing is copied") {
  const std::string content = "a\r\nb\r\n";
  PickupContent pickup(false);
  std::vector<ByteView> out;
  pickup.add(as_bytes(content), out);
  REQUIRE(out.size() == 1);
  CHECK(as_text(out[0]).data() == content.data());
}

TEST_CASE("was it stuffed?") {
  CHECK_FALSE(looks_stuffed(""));
  CHECK_FALSE(looks_stuffed("no dots\r\na.b\r\n"));
  CHECK(looks_stuffed("..a\r\n"));
  CHECK(looks_stuffed("x\r\n..a\r\n..\r\n"));
  CHECK_FALSE(looks_stuffed("x\n..a\n.b\n"));
  CHECK_FALSE(looks_stuffed("..a\r\n."));
  CHECK_FALSE(looks_stuffed(".a\r\n"));
}

}  // namespace mailroot::message
