// One event, one line: whatever a peer sent, it stays inside its own field.
#include "log_format.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

using namespace mailroot;
using namespace mailroot::control;

namespace {

const WallTime kTime{std::chrono::milliseconds(1764028800123)};  // 2025-11-25 00:00:00.123 UTC

std::string as_text(log::Event event, bool for_journal = false) {
  return format_text(event, kTime, for_journal);
}

nlohmann::json as_json(log::Event event) {
  const std::string line = format_json(event, kTime);
  CHECK(line.find('\n') == std::string::npos);
  return nlohmann::json::parse(line);
}

}  // namespace

TEST_CASE("text: time, level, event, fields in order") {
  const std::string line =
      as_text(log::Event(log::Level::info, "accepted").with("server", "default").with("size", 42));
  CHECK(line == "2025-11-25T00:00:00.123Z info accepted server=default size=42");
  CHECK(as_text(log::Event(log::Level::error, "listen")).ends_with(" error listen"));
}

TEST_CASE("text for the journal begins with the priority and has no time") {
  const struct {
    log::Level level;
    std::string_view front;
  } rows[] = {{log::Level::trace, "<7>"},
              {log::Level::debug, "<7>"},
              {log::Level::info, "<6>"},
              {log::Level::warning, "<4>"},
              {log::Level::error, "<3>"}};
  for (const auto& row : rows) {
    CHECK(as_text(log::Event(row.level, "x").with("a", 1), true) ==
          std::string(row.front) + "x a=1");
  }
}

TEST_CASE("text: values that could end the line or look like a field are quoted and escaped") {
  const auto value = [](std::string_view text) {
    const std::string line = as_text(log::Event(log::Level::info, "e").with("v", text), true);
    return line.substr(std::string_view("<6>e v=").size());
  };
  CHECK(value("plain") == "plain");
  CHECK(value("") == "\"\"");
  CHECK(value("two words") == "\"two words\"");
  CHECK(value("a=b").front() == '"');
  for (const char c : {'\n', '\r', '\0', '\x1b', '\x7f', '\xc3', '\t'}) {
    const std::string escaped = value(std::string("a") + c + "b");
    CHECK(escaped.find(c) == std::string::npos);
    CHECK(escaped.starts_with("a"));
  }
  // A quote inside never closes the field.
  const std::string forged = value("x\" status=sent y=\"");
  CHECK(forged.front() == '"');
  CHECK(forged.find('"', 1) == forged.size() - 1);
}

TEST_CASE("json: numbers stay numbers, texts come back as they were") {
  const auto line = as_json(log::Event(log::Level::warning, "deferred")
                                .with("server", "default")
                                .with("size", int64_t{1} << 53)
                                .with("reply", "451 \"quoted\" \\ back"));
  CHECK(line["time"] == "2025-11-25T00:00:00.123Z");
  CHECK(line["level"] == "warning");
  CHECK(line["event"] == "deferred");
  CHECK(line["size"] == int64_t{1} << 53);
  CHECK(line["reply"] == "451 \"quoted\" \\ back");
}

TEST_CASE("json: every byte makes a valid document") {
  for (int byte = 0; byte < 256; ++byte) {
    CAPTURE(byte);
    const std::string text{'a', static_cast<char>(byte), 'b'};
    const auto line = as_json(log::Event(log::Level::info, "e").with("v", text));
    const std::string back = line["v"];
    CHECK(back.front() == 'a');
    CHECK(back.back() == 'b');
    if (byte < 0x80) CHECK(back == text);
  }
}
