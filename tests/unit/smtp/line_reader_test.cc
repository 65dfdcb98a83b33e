// Command lines out of a stream: the same events however it is cut, and bounded memory.
#include "line_reader.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "mailroot/smtp/limits.h"

using namespace mailroot;
using namespace mailroot::smtp;

namespace {

using Event = LineReader::Event;

// Lines in order; "<too long>" and "<endless>" for those events.
std::vector<std::string> read_all(std::string_view stream, size_t step,
                                  LineReader::Rules rules = LineReader::Rules::commands) {
  LineReader reader;
  std::vector<std::string> seen;
  while (!stream.empty()) {
    std::string part(stream.substr(0, step));
    stream.remove_prefix(part.size());
    while (!part.empty()) {
      size_t consumed = 0;
      const Event event = reader.read(as_bytes(part), consumed, rules);
      REQUIRE(consumed > 0);
      if (event == Event::line) seen.emplace_back(reader.line());
      if (event == Event::too_long) seen.emplace_back("<too long>");
      part.erase(0, consumed);
    }
  }
  return seen;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("only CRLF ends a line") {
  const std::string stream = "one\r\n\r\ntwo\nthree\r\nfo\rur\r\r\n\n\r\nend";
  const Lines expected{"one", "", "two\nthree", "fo\rur\r", "\n"};
  for (size_t step = 1; step <= stream.size(); ++step) CHECK(read_all(stream, step) == expected);
}

TEST_CASE("an over-long line is told once and its rest skipped to CRLF") {
  for (const size_t extra : {0u, 1u, 2u, 100u, 5000u}) {
    const std::string longest(kCommandLineMax - 2, 'x');
    const std::string stream =
        longest + "\r\n" + longest + "y" + std::string(extra, 'z') + "\n\rQUIT\n\r\nnext\r\n";
    const Lines expected{longest, "<too long>", "next"};
    for (const size_t step : {1u, 2u, 3u, 1000u, 2047u, 2048u, 2049u, 4096u, 100'000u}) {
      CHECK(read_all(stream, step) == expected);
    }
  }
}

TEST_CASE("the CRLF may straddle the limit") {
  for (const size_t length : {kCommandLineMax - 1, kCommandLineMax}) {
    const std::string stream = std::string(length, 'x') + "\r\nnext\r\n";
    for (const size_t step : {1u, 2047u, 2048u, 2049u, 10'000u}) {
      CHECK(read_all(stream, step) == Lines{"<too long>", "next"});
    }
  }
}

TEST_CASE("a line of 100 MB without an end costs no memory; beyond the limit it is endless") {
  LineReader reader;
  const std::string block(1 << 20, 'x');
  size_t consumed = 0;
  Event event = reader.read(as_bytes(block), consumed, LineReader::Rules::commands);
  CHECK(event == Event::too_long);
  CHECK(consumed == kCommandLineMax);
  for (int i = 0; i < 100; ++i) {
    event = reader.read(as_bytes(block), consumed, LineReader::Rules::commands);
    CHECK(event == Event::incomplete);
    CHECK(consumed == block.size());
  }
  uint64_t skipped = 100u << 20;
  while (event == Event::incomplete && skipped <= kSwallowedMax) {
    event = reader.read(as_bytes(block), consumed, LineReader::Rules::commands);
    skipped += consumed;
  }
  CHECK(event == Event::endless);
}

TEST_CASE("forget drops what has begun") {
  LineReader reader;
  size_t consumed = 0;
  CHECK(reader.read(as_bytes("NO"), consumed, LineReader::Rules::commands) == Event::incomplete);
  CHECK_FALSE(reader.at_line_start());
  reader.forget();
  CHECK(reader.at_line_start());
  CHECK(reader.read(as_bytes("OP\r\n"), consumed, LineReader::Rules::commands) == Event::line);
  CHECK(reader.line() == "OP");
}

TEST_CASE("a line of AUTH may be longer, however it is cut") {
  const std::string longest = "auth " + std::string(kAuthLineMax - 7, 'x');
  const std::string other(kCommandLineMax - 2, 'x');
  const std::string stream = longest + "\r\n" + other + "\r\n" + other + "y\r\n" + longest +
                             "y\r\nAUTHX" + longest + "\r\nnext\r\n";
  const Lines expected{longest, other, "<too long>", "<too long>", "<too long>", "next"};
  for (const size_t step : {1u, 2u, 3u, 4u, 5u, 6u, 2047u, 2048u, 2049u, 12'287u, 100'000u}) {
    CHECK(read_all(stream, step, LineReader::Rules::long_auth) == expected);
  }
  const Lines as_commands{"<too long>", other, "<too long>", "<too long>", "<too long>", "next"};
  CHECK(read_all(stream, 1000, LineReader::Rules::commands) == as_commands);
}

TEST_CASE("a response may be as long as a line of AUTH") {
  const std::string longest(kAuthLineMax - 2, 'x');
  for (const size_t step : {1u, 2048u, 12'287u, 100'000u}) {
    CHECK(read_all(longest + "\r\n" + longest + "y\r\n", step, LineReader::Rules::response) ==
          Lines{longest, "<too long>"});
  }
}

TEST_CASE("a wiped line leaves the reader at a line's start") {
  LineReader reader;
  size_t consumed = 0;
  CHECK(reader.read(as_bytes("sec"), consumed, LineReader::Rules::response) == Event::incomplete);
  CHECK(reader.read(as_bytes("ret\r\nNOOP\r\n"), consumed, LineReader::Rules::response) ==
        Event::line);
  CHECK(consumed == 5);
  CHECK(reader.line() == "secret");
  reader.wipe();
  CHECK(reader.at_line_start());
  CHECK(reader.read(as_bytes("NOOP\r\n"), consumed, LineReader::Rules::commands) == Event::line);
  CHECK(reader.line() == "NOOP");
}
