// Entries of lists, and keys that are not there yet.
#include <doctest/doctest.h>

#include "edits.h"

namespace mailroot::config {

TEST_CASE("lists in brackets") {
  CHECK(edited("a: [x, y]  # c\n", add("a", {"z"})) == "a: [x, y, z]  # c\n");
  CHECK(edited("a: [ x,y ]\n", add("a", {"z", "w"})) == "a: [ x,y, z, w ]\n");
  CHECK(edited("a: []\n", add("a", {"z"})) == "a: [z]\n");
  CHECK(edited("a: [x, \"y\", 'z']\n", remove("a", {1})) == "a: [x, 'z']\n");
  CHECK(edited("a: [x,y,z]\n", remove("a", {0})) == "a: [y,z]\n");
  CHECK(edited("a: [x, y]\n", remove("a", {0, 1})) == "a: []\n");
  CHECK(edited("a: [x, \"y\", z]\n", set_list("a", {"y", "w"})) == "a: [\"y\", w]\n");
  CHECK(edited("a: [x, y]\n", set_list("a", {})) == "a: []\n");
  CHECK(edited("a: [x,\n    y,  # why\n   ]\n", add("a", {"z"})) ==
        "a: [x,\n    y, z,  # why\n   ]\n");
  CHECK(edited("a: [\"[192.0.2.7]:587\", 'b,c']\n", add("a", {"d"})) ==
        "a: [\"[192.0.2.7]:587\", 'b,c', d]\n");
  CHECK(edited("d: [{ name: a }]\n", add("d", {"{ name: b }"}, true)) ==
        "d: [{ name: a }, { name: b }]\n");
}

TEST_CASE("lists in lines") {
  constexpr std::string_view text =
      "a:\n"
      "  # the first\n"
      "  -   x   # one\n"
      "  - \"y\"\n"
      "\n"
      "  # the last\n"
      "  - z\n"
      "# end\n"
      "b: 1\n";
  CHECK(edited(text, add("a", {"w"})) ==
        "a:\n  # the first\n  -   x   # one\n  - \"y\"\n\n  # the last\n  - z\n  -   w\n# end\nb: "
        "1\n");
  CHECK(edited(text, remove("a", {1})) ==
        "a:\n  # the first\n  -   x   # one\n\n  # the last\n  - z\n# end\nb: 1\n");
  CHECK(edited(text, set_list("a", {"x", "n", "z"})) ==
        "a:\n  # the first\n  -   x   # one\n  -   n\n\n  # the last\n  - z\n# end\nb: 1\n");
  CHECK(edited(text, set_list("a", {"n", "y"})) ==
        "a:\n  # the first\n  -   n\n  - \"y\"\n\n  # the last\n# end\nb: 1\n");
  CHECK(edited("a: # c\n  - x\nb: 1\n", remove("a", {0})) == "a: [] # c\nb: 1\n");
  CHECK(edited("a:\n- x\nb: 1\n", add("a", {"y"})) == "a:\n- x\n- y\nb: 1\n");
  CHECK(edited("a:\n- name: x\n  type: t\n- name: y\n  type: t\nb: 1\n", remove("a", {0})) ==
        "a:\n- name: y\n  type: t\nb: 1\n");
  CHECK(edited("a:\n- name: x\n  type: t\nb: 1\n", add("a", {"{ name: y }"}, true)) ==
        "a:\n- name: x\n  type: t\n- { name: y }\nb: 1\n");
  // An alias elsewhere in the list is none of our business.
  CHECK(edited("a: &n x\nb:\n  - *n\n  - y\n", add("b", {"z"})) ==
        "a: &n x\nb:\n  - *n\n  - y\n  - z\n");
}

TEST_CASE("a key that is missing goes where it is usually written") {
  constexpr std::string_view text =
      "# head\n"
      "name: x\n"
      "bindings: [{ address: 127.0.0.1, port: 25 }]\n"
      "\n"
      "messages:\n"
      "   size_limit: 1 MB\n"
      "   # more to come\n"
      "\n"
      "# the end\n"
      "banner: y\n";
  CHECK(edited(text, set("default_domain", "a.example")) ==
        "# head\nname: x\nbindings: [{ address: 127.0.0.1, port: 25 }]\n"
        "default_domain: a.example\n\nmessages:\n   size_limit: 1 MB\n   # more to come\n\n"
        "# the end\nbanner: y\n");
  CHECK(edited(text, set("messages.recipients_limit", "7")) ==
        "# head\nname: x\nbindings: [{ address: 127.0.0.1, port: 25 }]\n\nmessages:\n"
        "   size_limit: 1 MB\n   recipients_limit: 7\n   # more to come\n\n# the end\nbanner: y\n");
  CHECK(edited(text, set("messages.badmail.keep", "7d")) ==
        "# head\nname: x\nbindings: [{ address: 127.0.0.1, port: 25 }]\n\nmessages:\n"
        "   size_limit: 1 MB\n   badmail:\n      keep: 7d\n   # more to come\n\n# the end\n"
        "banner: y\n");
  CHECK(edited(text, set("delivery.outbound.port", "26")) ==
        "# head\nname: x\nbindings: [{ address: 127.0.0.1, port: 25 }]\n\nmessages:\n"
        "   size_limit: 1 MB\ndelivery:\n   outbound:\n      port: 26\n   # more to come\n\n"
        "# the end\nbanner: y\n");
}

TEST_CASE("a key in front of all others") {
  CHECK(edited("banner: y\n", set("name", "x")) == "name: x\nbanner: y\n");
  CHECK(edited("# head\nbanner: y\n", set("name", "x")) == "# head\nname: x\nbanner: y\n");
  CHECK(edited("# head\n\n# of y\nbanner: y\n", set("name", "x")) ==
        "# head\n\nname: x\n# of y\nbanner: y\n");
  CHECK(edited("---\nbanner: y\n...\n", set("name", "x")) == "---\nname: x\nbanner: y\n...\n");
  CHECK(edited("---\nname: y\n...\n", set("banner", "x")) == "---\nname: y\nbanner: x\n...\n");
}

TEST_CASE("empty files and empty sections") {
  CHECK(edited("", set("name", "x")) == "name: x\n");
  CHECK(edited("# only this", set("name", "x")) == "# only this\nname: x");
  CHECK(edited("# only this\n\n", set("delivery.hop_limit", "3")) ==
        "# only this\n\ndelivery:\n  hop_limit: 3\n");
  CHECK(edited("delivery:\nbanner: x\n", set("delivery.hop_limit", "3")) ==
        "delivery:\n  hop_limit: 3\nbanner: x\n");
  CHECK(edited("delivery:   # later\n  # this\n", set("delivery.hop_limit", "3")) ==
        "delivery:   # later\n  hop_limit: 3\n  # this\n");
  CHECK(edited("delivery: {}\n", set("delivery.hop_limit", "3")) == "delivery: { hop_limit: 3 }\n");
  CHECK(edited("delivery: { outbound: }\n", set("delivery.outbound.port", "3")) ==
        "delivery: { outbound: { port: 3 } }\n");
  CHECK(edited("{}\n", set("name", "x")) == "{ name: x }\n");
}

TEST_CASE("missing lists") {
  CHECK(edited("name: x\n", add("access.relay.allow", {"10.0.0.0/8", "\"::1\""})) ==
        "name: x\naccess:\n  relay:\n    allow: [10.0.0.0/8, \"::1\"]\n");
  CHECK(edited("name: x\n", add("domains", {"{ name: a, type: alias }"}, true)) ==
        "name: x\ndomains:\n  - { name: a, type: alias }\n");
  CHECK(edited("access: { relay: { deny: [] } }\n", add("access.relay.allow", {"10.0.0.0/8"})) ==
        "access: { relay: { allow: [10.0.0.0/8], deny: [] } }\n");
  CHECK(edited("name: x\n", remove("domains", {0})) == "name: x\n");
}

}  // namespace mailroot::config
