#include "message_text.h"

#include <doctest/doctest.h>

namespace mailroot::ctl {
namespace {

TEST_CASE("message text: characters that are no bytes") {
  for (const char* const bad : {"\xC3", "\xC4\x80", "\x80", "\xE2\x82\xAC", "a\xC2z"}) {
    CAPTURE(bad);
    CHECK_FALSE(bytes_of_characters(bad).has_value());
  }
  CHECK(bytes_of_characters("") == "");
  CHECK(bytes_of_characters("a\xC3\xBF\xC2\x80") == "a\xFF\x80");
}

std::string shown(std::string_view bytes) {
  TerminalText text;
  const std::string out = text.add(bytes);
  return out + text.finish();
}

TEST_CASE("message text: a message cannot command the terminal") {
  CHECK(shown("\x1B[2J\r\n") == "\\x1b[2J\n");
  CHECK(shown("a\rb") == "a\\x0db");
  CHECK(shown("a\r") == "a\\x0d");
  CHECK(shown("a\r\r\n") == "a\\x0d\n");
  CHECK(shown("\x9B\x7F\t") == "\\x9b\\x7f\t");
}

TEST_CASE("message text: a line end in two pieces is one") {
  TerminalText text;
  CHECK(text.add("a\r") == "a");
  CHECK(text.add("\nb\r") == "\nb");
  CHECK(text.add("c") == "\\x0dc");
  CHECK(text.finish().empty());
}

}  // namespace
}  // namespace mailroot::ctl
