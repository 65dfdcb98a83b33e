#include <doctest/doctest.h>

#include "mailroot/message/pickup.h"

namespace mailroot::message {

namespace {

// The addresses joined by blanks, or "error".
std::string read(std::string_view body, bool null_path = false) {
  std::vector<smtp::Mailbox> mailboxes;
  if (!parse_address_list(body, "default.example", null_path, mailboxes)) return "error";
  std::string result;
  for (const smtp::Mailbox& mailbox : mailboxes)
    result += (result.empty() ? "" : " ") + smtp::to_path(mailbox);
  return result;
}

}  // namespace

TEST_CASE("address lists") {
  const struct {
    const char* body;
    const char* addresses;
  } kCases[] = {
      {"", ""},
      {" ann@example.com\r\n", "<ann@example.com>"},
      {"<ann@example.com>", "<ann@example.com>"},
      {"Ann Other <ann@example.com>", "<ann@example.com>"},
      {"\"Other, Ann\" <ann@example.com>, bob@example.org", "<ann@example.com> <bob@example.org>"},
      {"\"a>b,<c\\\"\" <ann@example.com>", "<ann@example.com>"},
      {"ann@example.com (Ann, of (nested) \\) fame), bob@example.org",
       "<ann@example.com> <bob@example.org>"},
      {"(only a comment)", ""},
      {"Team: ann@example.com, Bob <bob@example.org>;", "<ann@example.com> <bob@example.org>"},
      {"undisclosed-recipients:;", ""},
      {"Team: a@x.example;, b@y.example", "<a@x.example> <b@y.example>"},
      {"a@x.example,, ,b@y.example,", "<a@x.example> <b@y.example>"},
      {"ann @ example . com", "<ann@example.com>"},
      {"\"a b\"@example.com", "<\"a b\"@example.com>"},
      {"<\"a > b\"@example.com>", "<\"a > b\"@example.com>"},
      {"ann@example.com,\r\n\tbob@example.org", "<ann@example.com> <bob@example.org>"},
      {"postmaster", "<postmaster@default.example>"},
      {"=?utf-8?q?J=C3=B6rg?= <j@example.com>", "<j@example.com>"},
      {"a@[192.0.2.1]", "<a@[192.0.2.1]>"},
      {"<@relay.example:ann@example.com>", "<ann@example.com>"},
      {"Ann <ann@EXAMPLE.com> (home)", "<ann@example.com>"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.body);
    CHECK(read(c.body) == c.addresses);
  }
}

TEST_CASE("what is no address list") {
  for (const char* body : {"Ann Other",
                           "ann@@example.com",
                           "ann@",
                           "@example.com",
                           "<ann@example.com",
                           "ann>",
                           "\"open <ann@example.com>",
                           "(open ann@example.com",
                           "a@x.example b@y.example",
                           "<a@x.example> <b@y.example>",
                           "<a@x.example> b@y.example",
                           "Ann <>",
                           "<a@x.example>@y",
                           "a@x..example",
                           "\"a\\",
                           "(\\",
                           "<\"a\\",
                           "a@x.example\nEvil: b@y.example z",
                           "<<a@b>>",
                           "T: U: a@x.example;;",
                           "a;b@x.example"}) {
    CAPTURE(body);
    CHECK(read(body) == "error");
  }
}

TEST_CASE("the null path where it is allowed") {
  CHECK(read("<>", true) == "<>");
  CHECK(read("<>", false) == "error");
}

TEST_CASE("long lists and deep comments are read in linear time, up to the limit") {
  std::string list;
  for (size_t i = 0; i < kPickupRecipientsMax; ++i) list += "a@x.example,";
  std::vector<smtp::Mailbox> mailboxes;
  CHECK(parse_address_list(list, "", false, mailboxes));
  CHECK(mailboxes.size() == kPickupRecipientsMax);
  mailboxes.clear();
  CHECK_FALSE(parse_address_list(list + "b@x.example", "", false, mailboxes));
  const std::string deep = std::string(100000, '(') + std::string(100000, ')');
  CHECK(read(deep + "a@x.example") == "<a@x.example>");
}

}  // namespace mailroot::message
