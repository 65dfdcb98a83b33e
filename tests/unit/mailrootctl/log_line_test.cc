#include "log_line.h"

#include <doctest/doctest.h>

namespace mailroot::ctl {
namespace {

TEST_CASE("log lines: what is none") {
  for (const char* const bad :
       {"", " ", "{", "{}", "[]", "{\"event\":\"x\"}", "nonsense", "2026-03-05T09:30:00.123Z",
        "2026-03-05T09:30:00.123Z info", "2026-03-05T09:30:00.123Z info delivered junk",
        "Traceback (most recent call last):"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_log_line(bad, "").has_value());
  }
  CHECK_FALSE(parse_log_line("", "2026-03-05T09:30:00.123Z").has_value());
}

TEST_CASE("log lines: what is cut off or hostile does no harm") {
  const auto cut = parse_log_line("2026-03-05T09:30:00.123Z info delivered reply=\"250 o", "");
  REQUIRE(cut.has_value());
  CHECK(cut->field("reply") == "250 o");
  const auto json = parse_log_line(R"({"time":"T","event":"x\u001b[2J","k":"\u001b"})", "");
  REQUIRE(json.has_value());
  CHECK(json->event == "x\\x1b[2J");
  CHECK(json->field("k") == "\\x1b");
}

TEST_CASE("log lines: both formats say the same") {
  const auto text = parse_log_line(
      "2026-03-05T09:30:00.123Z info delivered queue_id=A to=<b@c> reply=\"250 ok\" code=250", "");
  const auto json = parse_log_line(
      R"({"time":"2026-03-05T09:30:00.123Z","level":"info","event":"delivered","queue_id":"A",)"
      R"("to":"<b@c>","reply":"250 ok","code":250})",
      "");
  REQUIRE(text.has_value());
  REQUIRE(json.has_value());
  CHECK(text->time == json->time);
  CHECK(text->event == "delivered");
  CHECK(text->fields == json->fields);
  CHECK(text->field("none").empty());
  const auto journal = parse_log_line("delivered to=\"\" x=1", "2026-03-05T09:30:00.123Z");
  REQUIRE(journal.has_value());
  CHECK(journal->field("x") == "1");
}

TEST_CASE("log lines: addresses") {
  const auto line = parse_log_line("accepted from=<Ann@Example.com> to=<bob@example.org>", "T");
  REQUIRE(line.has_value());
  CHECK_FALSE(names_address(*line, "nn@example.com"));
  CHECK_FALSE(names_address(*line, ""));
  CHECK(names_address(*line, "ann@example.COM"));
  CHECK(names_address(*line, "bob@example.org"));
}

}  // namespace
}  // namespace mailroot::ctl
