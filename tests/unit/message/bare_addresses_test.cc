#include "mailroot/message/bare_addresses.h"

#include <doctest/doctest.h>

namespace mailroot::message {

namespace {

std::string completed(std::string_view text) {
  return with_domain(text, bare_addresses(text), "d.example");
}

}  // namespace

TEST_CASE("a local-part alone gets the domain") {
  CHECK(completed("From: ann\r\n\r\n") == "From: ann@d.example\r\n\r\n");
  CHECK(completed("From:ann\r\n\r\n") == "From:ann@d.example\r\n\r\n");
  CHECK(completed("to: ann.b+c\r\n\r\n") == "to: ann.b+c@d.example\r\n\r\n");
  CHECK(completed("CC: <ann>\r\n\r\n") == "CC: <ann@d.example>\r\n\r\n");
  CHECK(completed("Reply-To: Ann Lee <ann>\r\n\r\n") ==
        "Reply-To: Ann Lee <ann@d.example>\r\n\r\n");
  CHECK(completed("Sender : \"Lee, Ann\" < ann >\r\n\r\n") ==
        "Sender : \"Lee, Ann\" < ann@d.example >\r\n\r\n");
  CHECK(completed("From: ann (Ann (x) Lee)\r\n\r\n") ==
        "From: ann@d.example (Ann (x) Lee)\r\n\r\n");
  CHECK(completed("From: (Ann) ann\r\n\r\n") == "From: (Ann) ann@d.example\r\n\r\n");
  CHECK(completed("To: <\"a b\">\r\n\r\n") == "To: <\"a b\"@d.example>\r\n\r\n");
}

TEST_CASE("lists, groups and folded lines") {
  CHECK(completed("To: ann, bob@x.example,\r\n carl,\r\n\t<dora>\r\n\r\n") ==
        "To: ann@d.example, bob@x.example,\r\n carl@d.example,\r\n\t<dora@d.example>\r\n\r\n");
  CHECK(completed("To: us: ann, bob@x.example;, carl\r\n\r\n") ==
        "To: us: ann@d.example, bob@x.example;, carl@d.example\r\n\r\n");
  CHECK(completed("To: undisclosed-recipients:;\r\n\r\n") ==
        "To: undisclosed-recipients:;\r\n\r\n");
  CHECK(completed("To: ann\nCc: bob\n\n") == "To: ann@d.example\nCc: bob@d.example\n\n");
  CHECK(completed("To:\r\n ann\r\n\r\n") == "To:\r\n ann@d.example\r\n\r\n");
}

TEST_CASE("what has a domain, or may be a name, stays") {
  for (const char* text : {"From: ann@x.example\r\n\r\n",
                           "From: <ann@x.example>\r\n\r\n",
                           "From: ann@[192.0.2.1]\r\n\r\n",
                           "From: ann@[IPv6:2001:db8::1]\r\n\r\n",
                           "From: ann @ x . example\r\n\r\n",
                           "To: <>\r\n\r\n",
                           "To: \r\n\r\n",
                           "To:\r\n\r\n",
                           "From: Ann Lee\r\n\r\n",
                           "From: \"Ann Lee\"\r\n\r\n",
                           "From: =?utf-8?q?Ann?=\r\n\r\n",
                           "From: .ann\r\n\r\n",
                           "From: ann.\r\n\r\n",
                           "From: a..n\r\n\r\n",
                           "From: \xC3\xA4nne\r\n\r\n",
                           "To: <@a.example:ann@b.example>\r\n\r\n",
                           "Subject: ann\r\n\r\n",
                           "X-From: ann\r\n\r\n",
                           "Bcc: ann\r\n\r\n",
                           "From ann Thu\r\n\r\n",
                           "Received: from ann\r\n\r\n",
                           "\r\nFrom: ann\r\n",
                           "Subject: x\r\n\r\nFrom: ann\r\n",
                           "no colon\r\n\r\n",
                           "",
                           "\r\n",
                           "From"}) {
    CAPTURE(text);
    CHECK(bare_addresses(text).empty());
  }
  const std::string longest(64, 'a');
  CHECK(bare_addresses("To: " + longest + "\r\n\r\n").size() == 1);
  CHECK(bare_addresses("To: " + longest + "a\r\n\r\n").empty());
}

TEST_CASE("a field that is no address list stays as a whole") {
  for (const char* text :
       {"To: ann, <bob\r\n\r\n", "To: ann, \"bob\r\n\r\n", "To: ann, (bob\r\n\r\n",
        "To: ann, <bob> carl\r\n\r\n", "To: ann, <b<c>\r\n\r\n", "To: ann, b]\r\n\r\n",
        "To: ann, [b\r\n\r\n", "To: ann, <a, b>\r\n\r\n", "To: ann, <bob> \"x\"\r\n\r\n",
        "To: ann, <bob> [x]\r\n\r\n", "To: ann, \"\\\r\n\r\n", "To: ann, (\\\r\n\r\n"}) {
    CAPTURE(text);
    const auto places = bare_addresses(text);
    const bool is_stray = std::string_view(text).contains("b]");
    CHECK(places.size() == (is_stray ? 1 : 0));
  }
  CHECK(completed("To: ann, <bob\r\nCc: carl\r\n\r\n") ==
        "To: ann, <bob\r\nCc: carl@d.example\r\n\r\n");
}

TEST_CASE("every cut of a header section is survived") {
  const std::string text =
      "From: \"A \\\" (b\" <a.b> (c \\) (d))\r\nTo: x: y, <z>;, [1],\r\n \"q\"@r\r\n\r\n";
  for (size_t size = 0; size <= text.size(); ++size) {
    const std::string_view cut = std::string_view(text).substr(0, size);
    for (const size_t place : bare_addresses(cut)) CHECK(place <= size);
  }
}

}  // namespace mailroot::message
