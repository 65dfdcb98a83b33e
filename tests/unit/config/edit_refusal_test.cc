// What cannot be changed safely is refused with its place, and with what to do.
#include <doctest/doctest.h>

#include "edits.h"

namespace mailroot::config {

namespace {

void check_refusal(std::string_view text, const Edit& edit, const std::string& expected) {
  CAPTURE(std::string(text));
  CHECK(refusal(text, edit) == expected + ": this cannot be changed safely; edit the file by hand");
}

}  // namespace

TEST_CASE("anchors, aliases and merge keys on the way") {
  check_refusal("a: &x 1\nb: *x\n", set("a", "2"),
                "a.yaml:1:1: a: its value has an anchor (&) and may stand in other places too");
  check_refusal("a: &x 1\nb: *x\n", set("b", "2"),
                "a.yaml:2:1: b: its value is a copy (*alias) of what stands at line 1");
  check_refusal("a: &x\n  c: 1\nb: *x\n", set("b.c", "2"),
                "a.yaml:3:1: b.c: its value is a copy (*alias) of what stands at line 1");
  check_refusal("a: &x\n  c: 1\nb: *x\n", set("a.c", "2"),
                "a.yaml:1:1: a.c: its value has an anchor (&) and may stand in other places too");
  check_refusal("a: &x [1]\nb: *x\n", add("a", {"2"}),
                "a.yaml:1:1: a: its value has an anchor (&) and may stand in other places too");
  check_refusal("&k a: 1\n*k : 2\nb: 3\n", set("b", "2"),
                "a.yaml:1:1: b: a key with an anchor (&) or an alias (*) beside it");
  // An entry that others copy cannot go.
  check_refusal("a:\n  - &x 1\n  - 2\nb: *x\n", remove("a", {0}),
                "a.yaml:1:1: a: it is written in an unusual way");
}

TEST_CASE("a merge key is a key like any other: what it brings is not there") {
  const std::string text = "base: &b { c: 1 }\nd:\n  <<: *b\n  e: 2\n";
  CHECK(edited(text, set("d.e", "3")) == "base: &b { c: 1 }\nd:\n  <<: *b\n  e: 3\n");
}

TEST_CASE("values over several lines") {
  check_refusal("a: |\n  x\n", set("a", "2"),
                "a.yaml:1:1: a: its value is written in an unusual way");
  check_refusal("a: >-\n  x\n", set("a", "2"),
                "a.yaml:1:1: a: its value is written in an unusual way");
  check_refusal("a: x\n  y\nb: 1\n", set("a", "2"),
                "a.yaml:1:1: a: it is written in an unusual way");
  check_refusal("a: [x,\n  y]\n", remove("a", {0}),
                "a.yaml:1:1: a: the list goes over several lines in brackets");
  check_refusal("a: [x,\n  y]\n", set("a", "1"),
                "a.yaml:1:1: a: its value goes over several lines");
  check_refusal("a: { b: 1,\n  c: 2 }\n", erase("a.c"),
                "a.yaml:2:3: a.c: the braces around it go over several lines");
}

TEST_CASE("comments that would be lost") {
  check_refusal("a:\n  - x\n  # why\n  - y\n", set("a", "1"),
                "a.yaml:1:1: a: a comment stands inside the value");
}

TEST_CASE("odd ways to write a key") {
  check_refusal("? a\n: 1\n", set("a", "2"), "a.yaml:1:3: a: the key is written in an unusual way");
  check_refusal("a: 1\na: 2\n", set("a", "3"),
                "a.yaml:2:1: a: it is set twice; remove one of them");
  check_refusal("d:\n- name: x\n  type: t\n", erase("d[0].name"),
                "a.yaml:2:3: d[0].name: it stands on the line of its entry's dash");
}

TEST_CASE("paths that lead nowhere") {
  check_refusal("a: 1\n", set("a.b", "2"),
                "a.yaml:1:4: a.b: there is a value where a section should be");
  check_refusal("a: [{b: 1}]\n", set("a[1].b", "2"), "a.yaml:1:1: a[1].b: there is no entry 1");
  check_refusal("c: 1\n", set("a[1].b", "2"), "a.yaml:1:1: a[1].b: there is no entry 1 of a");
  for (const char* path :
       {"", ".", "a.", "a..b", "a[", "a[]", "a[x].b", "a[0]", "[0].a", "a[-1].b"}) {
    CAPTURE(path);
    check_refusal("a: 1\n", set(path, "2"),
                  "a.yaml:1:1: " + std::string(path) + (*path ? ": " : "") + "this is no key");
  }
}

TEST_CASE("values that are no YAML") {
  for (const char* value : {"a\nb", "[a", "\"a", "*x", "&x a", "- a", "a: b", "", "!t a", "{a: b",
                            "a ", " a", "a # c", "[a] # c", "'a' b"}) {
    CAPTURE(value);
    CHECK(refusal("a: 1\n", set("a", value)).contains("no YAML on one line"));
    CHECK(refusal("a: [1]\n", add("a", {value})).contains("no YAML on one line"));
  }
  // Inside brackets a comma would part it.
  CHECK(refusal("a: [1]\n", add("a", {"2, 3"})).contains("written in an unusual way"));
}

TEST_CASE("files that are no YAML are answered as everywhere") {
  CHECK(refusal("a: 1\n\tb: 2\n", set("a", "2")) ==
        "a.yaml:2:1: a tab in the indentation; use spaces");
  CHECK(refusal("a: [1\n", set("a", "2")).starts_with("a.yaml:"));
  CHECK(refusal("a: 1\n---\nb: 2\n", set("a", "2")).contains("a second document in one file"));
  CHECK(refusal("a: \xff\n", set("a", "2")).contains("not UTF-8"));
  CHECK(refusal("name: x\n" + std::string(1024 * 1024 - 10, '#'), set("banner", "yyyyyyyyyyyy"))
            .contains("larger than 1024 KiB"));
}

}  // namespace mailroot::config
