// What is wrong before keys matter: octets, YAML, size, depth.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "instance.h"

namespace mailroot::config {

namespace {

void check_only(const std::vector<std::string>& problems, std::string_view expected) {
  REQUIRE(problems.size() == 1);
  CHECK(problems[0] == expected);
}

}  // namespace

TEST_CASE("syntax errors have a place") {
  check_only(problems_of_server("bindings: [{address: 127.0.0.1, port: 25}\nname: x\n"),
             "a.yaml:2:1: syntax error: the '[' of 1:11 is not closed");
  check_only(problems_of_server("bindings: [{address: 127.0.0.1, port: 25]\n"),
             "a.yaml:1:41: syntax error: a bracket closes that is not the last one opened");
  check_only(problems_of_server("name: 'never closed\n"),
             "a.yaml:1:20: syntax error: a quoted text is not closed before the end of the file");
  check_only(problems_of_server("name: a\n  b: c\n"),
             "a.yaml:2:4: syntax error: illegal map value");
  check_only(problems_of_server("connections:\n  limit: 5\n timeout: 1m\n"),
             "a.yaml:3:2: syntax error: not a key of this map nor an entry of this list "
             "(indentation?)");
}

TEST_CASE("octets that do not belong into the file") {
  check_only(problems_of_server("connections:\n\tlimit: 5\n"),
             "a.yaml:2:1: a tab in the indentation; use spaces");
  check_only(problems_of_server("name: caf\xE9\n"), "a.yaml:1:10: octets that are not UTF-8");
  check_only(problems_of_server("name: \xC3\xA9 \xED\xA0\x80\n"),
             "a.yaml:1:10: octets that are not UTF-8");
  check_only(problems_of_server(std::string("name: a\0b\n", 10)),
             "a.yaml:1:8: control character 0x00");
  check_only(problems_of_server("name: a\x1B[31m\n"), "a.yaml:1:8: control character 0x1B");
  check_only(problems_of_server("name: a\rb\n"), "a.yaml:1:8: control character 0x0D");
}

TEST_CASE("a byte order mark, CRLF, tabs elsewhere and UTF-8 are fine") {
  const auto server = server_from(
      "\xEF\xBB\xBFname: caf\xC3\xA9 \t # tab\r\n\t\r\n"
      "bindings: [{address: 127.0.0.1, port: 2525}]\r\n");
  CHECK(server.name == "caf\xC3\xA9");
}

TEST_CASE("one document, no tags, words as keys") {
  check_only(problems_of_server("name: a\n---\nname: b\n"),
             "a.yaml:2:1: a second document in one file");
  check_only(problems_of_server("name: !!str a\n"),
             "a.yaml:1:7: YAML tags are not used in this file");
  check_only(problems_of_server("name: !secret {a: b}\n"),
             "a.yaml:1:7: YAML tags are not used in this file");
  check_only(problems_of_server("? [a, b]\n: c\n"), "a.yaml:1:3: a key must be a word, not a list");
  check_only(problems_of_server("- a\n"),
             "a.yaml:1:1: wrong value; found a list; allowed: a map of keys");
  check_only(problems_of_server("just words\n"),
             "a.yaml:1:1: wrong value; found \"just words\"; allowed: a map of keys");
}

TEST_CASE("aliases work within bounds") {
  const auto server = server_from(
      "bindings: [{address: 127.0.0.1, port: 2525}]\n"
      "access: { connect: { allow: &inner [10.0.0.0/8] }, relay: { allow: *inner } }\n");
  REQUIRE(server.access.relay_allow.size() == 1);
  CHECK(server.access.relay_allow[0].to_string() == "10.0.0.0/8");
  check_only(problems_of_server("name: *nobody\n"),
             "a.yaml:1:7: syntax error: the referenced anchor is not defined");
  check_only(problems_of_server("domains: &a [*a]\n"),
             "a.yaml:1:14: an alias inside its own anchor");
}

TEST_CASE("an alias bomb is refused, wide, long or deep") {
  std::string wide = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    wide += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) wide += (j > 0 ? ", " : "") + last;
    wide += "]\n";
  }
  const auto problems = problems_of_server(wide);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].contains("more than 100000 values"));

  std::string lengthy = "name: &t " + std::string(500'000, 'x') + "\nlist: [*t";
  for (int i = 0; i < 40; ++i) lengthy += ", *t";
  const auto too_long = problems_of_server(lengthy + "]\n");
  REQUIRE(too_long.size() == 1);
  CHECK(too_long[0].contains("8 MiB of text"));

  std::string deep = "a0: &a0 [x]\n";
  for (int i = 1; i < 40; ++i) {
    deep += fmt::format("a{}: &a{} [*a{}]\n", i, i, i - 1);
  }
  const auto too_deep = problems_of_server(deep);
  REQUIRE(too_deep.size() == 1);
  CHECK(too_deep[0].contains("nested deeper than 32 levels"));
}

TEST_CASE("depth and size have limits") {
  const auto deep = problems_of_server("domains: " + std::string(500'000, '['));
  REQUIRE(deep.size() == 1);
  CHECK(deep[0].contains("nested deeper than 32 levels"));
  const auto deep_block = problems_of_server([] {
    std::string out;
    for (int i = 0; i < 600; ++i) out += std::string(static_cast<size_t>(i), ' ') + "a:\n";
    return out;
  }());
  REQUIRE(deep_block.size() == 1);
  CHECK(deep_block[0].contains("nested deeper than 32 levels"));
  check_only(problems_of_server("# " + std::string(1024 * 1024, 'x')),
             "a.yaml: is larger than 1024 KiB");
}

TEST_CASE("files that cannot be read") {
  Instance instance;
  check_only(instance.problems(), "mailroot.yaml: there is no such file");
  std::filesystem::create_directory(instance.path("mailroot.yaml"));
  check_only(instance.problems(), "mailroot.yaml: is not a regular file");

  Instance other;
  other.write("mailroot.yaml", "");
  std::filesystem::create_symlink("nowhere", other.path("virtual-servers.d/a.yaml"));
  check_only(other.problems(), "virtual-servers.d/a.yaml: there is no such file");
}

TEST_CASE("a file whose reading fails") {
  Instance instance;
  // Regular, and its first octet cannot be read, by root neither.
  std::filesystem::create_symlink("/proc/self/mem", instance.path("mailroot.yaml"));
  const auto problems = instance.problems();
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].starts_with("mailroot.yaml: cannot be read: "));
}

TEST_CASE("one syntax error a file, all files at once, with the schema errors of the others") {
  Instance instance;
  instance.write("mailroot.yaml", "log: { level: loud }\n")
      .write("virtual-servers.d/a.yaml", "name: [\nautostart: true\n")
      .write("virtual-servers.d/b.yaml", "name: \"open\n")
      .write("virtual-servers.d/c.yaml", "bindings: []\nunknown: 1\n");
  const auto problems = instance.problems();
  REQUIRE(problems.size() == 5);
  CHECK(problems[0].starts_with("mailroot.yaml:1:15: log.level:"));
  CHECK(problems[1].starts_with("virtual-servers.d/a.yaml:2:"));
  CHECK(problems[2].starts_with("virtual-servers.d/b.yaml:1:12: syntax error"));
  CHECK(problems[3].starts_with("virtual-servers.d/c.yaml:1:11: bindings:"));
  CHECK(problems[4].starts_with("virtual-servers.d/c.yaml:2:1: unknown:"));
}

}  // namespace mailroot::config
