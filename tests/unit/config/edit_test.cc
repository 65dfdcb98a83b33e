// Values that are there: what changes, and that nothing else does.
#include <doctest/doctest.h>

#include "edits.h"

namespace mailroot::config {

namespace {

constexpr std::string_view kFile =
    "# Our relay. Ask Ann before you change it.\n"
    "name:   Office   # for people\n"
    "bindings:\n"
    "  - { address: 127.0.0.1, port: 25 }   # local\n"
    "  - { address: 127.0.0.2, port: 25 }\n"
    "\n"
    "messages:\n"
    "    # big drawings\n"
    "    size_limit: '20 MiB'\n"
    "    recipients_limit: 100\n"
    "delivery: { hop_limit: 30, outbound: { port: 25 } }  # flow\n"
    "access:\n"
    "    relay:\n"
    "        allow: [10.0.0.0/8, \"::1\"]\n";

// The file with one piece of it replaced.
std::string with(std::string_view old, std::string_view fresh) {
  std::string out(kFile);
  const size_t at = out.find(old);
  REQUIRE(at != std::string::npos);
  return out.replace(at, old.size(), fresh);
}

}  // namespace

TEST_CASE("a scalar keeps its comment, its blanks and its quotes") {
  CHECK(edited(kFile, set("name", "New one")) == with("Office", "New one"));
  CHECK(edited(kFile, set("name", "\"a: b # c\"")) == with("Office", "\"a: b # c\""));
  CHECK(edited(kFile, set("messages.size_limit", "30 MiB")) == with("'20 MiB'", "'30 MiB'"));
  CHECK(edited(kFile, set("messages.recipients_limit", "7")) == with("100", "7"));
  CHECK(edited("name: 'x'\n", set("name", "\"it's\"")) == "name: 'it''s'\n");
  CHECK(edited("name: \"x\"\n", set("name", "plain")) == "name: \"plain\"\n");
  CHECK(edited("name: \"x\"\n", set("name", "\"a\\\"b\"")) == "name: \"a\\\"b\"\n");
  // What is never written in quotes loses them.
  CHECK(edited("autostart: 'x'\n", set("autostart", "true")) == "autostart: true\n");
  CHECK(edited("a: 'unlimited'\n", set("a", "500")) == "a: 500\n");
}

TEST_CASE("the same value changes nothing") {
  CHECK(edited(kFile, set("name", "Office")) == kFile);
  CHECK(edited(kFile, set("messages.size_limit", "20 MiB")) == kFile);
  CHECK(edited(kFile, set_list("access.relay.allow", {"10.0.0.0/8", "\"::1\""})) == kFile);
}

TEST_CASE("values inside braces") {
  CHECK(edited(kFile, set("delivery.hop_limit", "9")) == with("hop_limit: 30", "hop_limit: 9"));
  CHECK(edited(kFile, set("delivery.outbound.port", "26")) == with("port: 25 } }", "port: 26 } }"));
  CHECK(edited("a: {b: 'x, y', c: [1, 2]}\n", set("a.b", "z")) == "a: {b: 'z', c: [1, 2]}\n");
  CHECK(edited("a: {b: , c: 1}\n", set("a.b", "z")) == "a: {b: z , c: 1}\n");
  CHECK(edited("a: {\n  b: 1,  # one\n  c: 2\n}\n", set("a.b", "7")) ==
        "a: {\n  b: 7,  # one\n  c: 2\n}\n");
  CHECK(edited("{ name: x, banner: y }\n", set("name", "z")) == "{ name: z, banner: y }\n");
}

TEST_CASE("a value without one, and a value on the next line") {
  CHECK(edited("name:\nbanner: x\n", set("name", "z")) == "name: z\nbanner: x\n");
  CHECK(edited("name:   # none yet\n", set("name", "z")) == "name: z   # none yet\n");
  CHECK(edited("name: ~  # none\n", set("name", "z")) == "name: z  # none\n");
  CHECK(edited("name:\n  x # c\nbanner: y\n", set("name", "z")) == "name:\n  z # c\nbanner: y\n");
  CHECK(edited("name:", set("name", "z")) == "name: z");
}

TEST_CASE(
    "quoted keys, a quoted text over lines, tabs behind the colon, UTF-8, a byte order mark") {
  CHECK(edited("\"name\" : x\n", set("name", "z")) == "\"name\" : z\n");
  CHECK(edited("'messages':\n  'size_limit': 1 MB\n", set("messages.size_limit", "2 MB")) ==
        "'messages':\n  'size_limit': 2 MB\n");
  CHECK(edited("name: \"a\n  b\"\nbanner: x\n", set("name", "z")) == "name: \"z\"\nbanner: x\n");
  CHECK(edited("name:\tx\t# c\n", set("name", "z")) == "name:\tz\t# c\n");
  CHECK(edited("name: 'B\u00fcro' # \u00fc\nbanner: x\n", set("name", "\"\u00c4mter\"")) ==
        "name: '\u00c4mter' # \u00fc\nbanner: x\n");
  CHECK(edited("a: { \u00fc: 1, c: 2 }\n", set("a.c", "3")) == "a: { \u00fc: 1, c: 3 }\n");
  CHECK(edited("\xEF\xBB\xBFname: x\nbanner: y\n", set("name", "z")) ==
        "\xEF\xBB\xBFname: z\nbanner: y\n");
}

TEST_CASE("line ends stay as they are") {
  CHECK(edited("name: x # c\r\nbanner: y\r\n", set("name", "z")) == "name: z # c\r\nbanner: y\r\n");
  CHECK(edited("a:\r\n  - x\r\n", add("a", {"y"})) == "a:\r\n  - x\r\n  - y\r\n");
  CHECK(edited("banner: y\r\n", set("messages.size_limit", "2 MB")) ==
        "messages:\r\n  size_limit: 2 MB\r\nbanner: y\r\n");
  CHECK(edited("name: x", set("name", "z")) == "name: z");
  CHECK(edited("a:\n  - x", add("a", {"y"})) == "a:\n  - x\n  - y");
  CHECK(edited("name: x", set("banner", "y")) == "name: x\nbanner: y");
  CHECK(edited("name: x\r\nfqdn: a", set("banner", "y")) == "name: x\r\nfqdn: a\r\nbanner: y");
}

TEST_CASE("another kind of value takes the place") {
  CHECK(edited("a:\n  - x\n  - y\nb: 1\n", set("a", "z")) == "a: z\nb: 1\n");
  CHECK(edited("a: [x, y]  # c\nb: 1\n", set("a", "z")) == "a: z  # c\nb: 1\n");
  CHECK(edited("a: x  # c\n", set_list("a", {"1", "2"})) == "a: [1, 2]  # c\n");
  CHECK(edited("a:\nb: 1\n", set_list("a", {"1", "2"})) == "a: [1, 2]\nb: 1\n");
  CHECK(edited("a:\nb: 1\n", add("a", {"1"})) == "a: [1]\nb: 1\n");
}

TEST_CASE("a key of a list's entry") {
  constexpr std::string_view text =
      "domains:\n"
      "- name: a.example   # first\n"
      "  type: remote\n"
      "# about b\n"
      "- { name: b.example, type: remote }\n"
      "banner: x\n";
  CHECK(edited(text, set("domains[0].name", "c.example")) ==
        "domains:\n- name: c.example   # first\n  type: remote\n# about b\n"
        "- { name: b.example, type: remote }\nbanner: x\n");
  CHECK(edited(text, set("domains[0].relay", "true")) ==
        "domains:\n- name: a.example   # first\n  type: remote\n  relay: true\n# about b\n"
        "- { name: b.example, type: remote }\nbanner: x\n");
  CHECK(edited(text, set("domains[1].relay", "true")) ==
        "domains:\n- name: a.example   # first\n  type: remote\n# about b\n"
        "- { name: b.example, type: remote, relay: true }\nbanner: x\n");
  CHECK(edited(text, erase("domains[0].type")) ==
        "domains:\n- name: a.example   # first\n# about b\n"
        "- { name: b.example, type: remote }\nbanner: x\n");
  CHECK(edited("d: [{ name: a, type: b }, { name: c }]\n", set("d[1].type", "x")) ==
        "d: [{ name: a, type: b }, { name: c, type: x }]\n");
}

TEST_CASE("a key goes, with a section that would be empty") {
  CHECK(edited(kFile, erase("messages.recipients_limit")) ==
        with("    recipients_limit: 100\n", ""));
  CHECK(edited(kFile, erase("delivery.hop_limit")) == with("hop_limit: 30, ", ""));
  CHECK(edited(kFile, erase("delivery.outbound.port")) == with("{ port: 25 } }", "{} }"));
  CHECK(edited(kFile, erase("access.relay.allow")) ==
        with("access:\n    relay:\n        allow: [10.0.0.0/8, \"::1\"]\n", ""));
  CHECK(edited(kFile, erase("bindings")) ==
        with("bindings:\n  - { address: 127.0.0.1, port: 25 }   # local\n"
             "  - { address: 127.0.0.2, port: 25 }\n",
             ""));
  // A comment in the section stays, and with it the section.
  CHECK(edited("a:\n  # why\n  b: 1\nc: 2\n", erase("a.b")) == "a:\n  # why\nc: 2\n");
  CHECK(edited("name: x\n", erase("name")) == "");
  CHECK(edited(kFile, erase("banner")) == kFile);
  CHECK(edited(kFile, erase("delivery.quick_retries.count")) == kFile);
}

}  // namespace mailroot::config
