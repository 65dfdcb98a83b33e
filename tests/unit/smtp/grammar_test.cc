// Addresses, literals, limits, xtext, UTF-8 and ESMTP parameters: what is refused outnumbers what
// is taken.
#include "mailroot/smtp/grammar.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "mailroot/smtp/limits.h"

using namespace mailroot::smtp;

namespace {

constexpr AddressRules kForward{.default_domain = "here.test", .own_domain = "mx.here.test"};
constexpr AddressRules kReverse{.null_path = true, .default_domain = "here.test"};
constexpr AddressRules kBareRefused{.own_domain = "mx.here.test"};
constexpr AddressRules kUtf8{.smtputf8 = true, .default_domain = "here.test"};

// The wire form of what was read, or the error's name.
std::string read_path(std::string_view text, const AddressRules& rules = kForward) {
  const auto path = parse_path(text, rules);
  if (path) return to_path(path->mailbox);
  constexpr const char* kNames[] = {"syntax", "too_long", "no_domain", "non_ascii", "invalid_utf8"};
  return kNames[static_cast<size_t>(path.error())];
}

}  // namespace

TEST_CASE("plain paths keep the case of the local part and lower the domain") {
  CHECK(read_path("<Jane.Doe+x@Example.COM>") == "<Jane.Doe+x@example.com>");
  CHECK(read_path("<a@b> SIZE=1") == "<a@b>");
  CHECK(parse_path("<a@b> SIZE=1", kForward)->length == 5);
  CHECK(read_path("<a@b.test.>") == "<a@b.test>");
  CHECK(read_path("<printer@host_name.test>") == "<printer@host_name.test>");
  CHECK(read_path("<!#$%&'*+-/=?^_`{|}~@b>") == "<!#$%&'*+-/=?^_`{|}~@b>");
}

TEST_CASE("the null path is a reverse path only") {
  CHECK(read_path("<>", kReverse) == "<>");
  CHECK(parse_path("<>", kReverse)->mailbox.is_null());
  CHECK(read_path("<>") == "syntax");
  CHECK(read_path("< >", kReverse) == "syntax");
}

TEST_CASE("bare addresses are stamped") {
  CHECK(read_path("<user>") == "<user@here.test>");
  CHECK(read_path("<Postmaster>") == "<Postmaster@here.test>");
  CHECK(read_path("<POSTMASTER>", kBareRefused) == "<POSTMASTER@mx.here.test>");
  CHECK(read_path("<user>", kBareRefused) == "no_domain");
  CHECK(read_path("<\"user\">") == "<user@here.test>");
}

TEST_CASE("a quoted local part is data, whatever it looks like") {
  const auto path = parse_path("<\"a@evil\\\".test> \\\\b\"@here.test>", kForward);
  REQUIRE(path);
  CHECK(path->mailbox.local_part == "a@evil\".test> \\b");
  CHECK(path->mailbox.domain == "here.test");
  CHECK(to_path(path->mailbox) == "<\"a@evil\\\".test> \\\\b\"@here.test>");
  CHECK(read_path("<\"plain\"@b>") == "<plain@b>");
  CHECK(read_path("<\"\"@b>") == "<\"\"@b>");
  CHECK(read_path("<\"a@b\">") == "<\"a@b\"@here.test>");
  CHECK(read_path("<\"a..b\"@c>") == "<\"a..b\"@c>");
  CHECK(read_path("<\"a@b>") == "syntax");
  CHECK(read_path("<\"a\\\">") == "syntax");
  CHECK(read_path("<\"a\"b@c>") == "syntax");
  CHECK(read_path("<a\"b\"@c>") == "syntax");
  CHECK(read_path("<\"a\tb\"@c>") == "syntax");
  CHECK(read_path("<\"a\rb\"@c>") == "syntax");
  CHECK(read_path(std::string_view("<\"a\0b\"@c>", 9)) == "syntax");
}

TEST_CASE("percent and bang are plain local parts") {
  CHECK(read_path("<u%other.test@here.test>") == "<u%other.test@here.test>");
  CHECK(read_path("<other.test!u@here.test>") == "<other.test!u@here.test>");
  CHECK(read_path("<u%other.test>") == "<u%other.test@here.test>");
}

TEST_CASE("source routes are checked and ignored") {
  CHECK(read_path("<@a.test:u@b.test>") == "<u@b.test>");
  CHECK(read_path("<@a.test,@c.test:u@b.test>") == "<u@b.test>");
  CHECK(read_path("<@[127.0.0.1]:u@b.test>") == "<u@b.test>");
  CHECK(read_path("<@a.test:>") == "syntax");
  CHECK(read_path("<@a.test>") == "syntax");
  CHECK(read_path("<@a.test,:u@b.test>") == "syntax");
  CHECK(read_path("<@-a.test:u@b.test>") == "syntax");
  CHECK(read_path("<@[127.0.0.1:u@b.test>") == "syntax");
  CHECK(read_path("<@[1.2.3.4]>") == "syntax");
}

TEST_CASE("what is no path") {
  for (const char* text :
       {"",         "a@b",      "<",         "<a@b",         "a@b>",        "<<a@b>",
        "<a@@b>",   "<@b>",     "<a@>",      "<a@b@c>",      "<a b@c>",     "<a,b@c>",
        "<.a@b>",   "<a.@b>",   "<a..b@c>",  "<a@.b>",       "<a@b..c>",    "<a@-b>",
        "<a@b->",   "<a@b c>",  "<a@b/c>",   "<a@b\t>",      "< a@b>",      "<a@b >",
        "<(c)a@b>", "<a@b(c)>", "<a\\@b@c>", "<a@[1.2.3.4>", "<a@1.2.3.4]>"}) {
    CAPTURE(text);
    CHECK(read_path(text) == "syntax");
  }
  CHECK(read_path(std::string_view("<a\0@b>", 6)) == "syntax");
}

TEST_CASE("address literals") {
  CHECK(read_path("<a@[192.0.2.1]>") == "<a@[192.0.2.1]>");
  CHECK(read_path("<a@[IPv6:2001:DB8:0::1]>") == "<a@[IPv6:2001:db8::1]>");
  CHECK(read_path("<a@[ipv6:::1]>") == "<a@[IPv6:::1]>");
  CHECK(read_path("<a@[IPv6:::ffff:192.0.2.1]>") == "<a@[192.0.2.1]>");
  for (const char* text :
       {"<a@[]>", "<a@[IPv6:]>", "<a@[1.2.3]>", "<a@[1.2.3.256]>", "<a@[1.2.3.4.5]>", "<a@[::1]>",
        "<a@[IPv6:1.2.3.4]>", "<a@[IPv6:1::2::3]>", "<a@[IPv6:fe80::1%eth0]>", "<a@[x:data]>",
        "<a@[1.2.3.4]x>", "<a@[3232235777]>"}) {
    CAPTURE(text);
    CHECK(read_path(text) == "syntax");
  }
  CHECK(read_path("<a@3232235777>") == "<a@3232235777>");
}

TEST_CASE("limits of RFC 5321 4.5.3.1") {
  const std::string local_most(kLocalPartMax, 'l');
  CHECK(read_path("<" + local_most + "@b>") == "<" + local_most + "@b>");
  CHECK(read_path("<" + local_most + "l@b>") == "too_long");
  const std::string label_most(kLabelMax, 'd');
  CHECK(read_path("<a@" + label_most + ">") == "<a@" + label_most + ">");
  CHECK(read_path("<a@" + label_most + "d>") == "syntax");
  std::string domain = label_most + "." + label_most + "." + label_most + "." + label_most;
  CHECK(domain.size() == kDomainMax);
  CHECK(parse_domain(domain).value() == domain);
  CHECK(parse_domain(domain + ".d").error() == GrammarError::too_long);
  CHECK(read_path("<a@" + domain + ">") == "too_long");
  CHECK(read_path("<" + std::string(100'000, 'a')) == "too_long");
  std::string most = "<a@" + domain.substr(0, kPathMax - 4) + ">";
  CHECK(most.size() == kPathMax);
  CHECK(read_path(most) == most);
}

TEST_CASE("SMTPUTF8 addresses") {
  CHECK(read_path("<jürgen@müller.test>", kUtf8) == "<jürgen@müller.test>");
  CHECK(read_path("<\"jürgen x\"@b>", kUtf8) == "<\"jürgen x\"@b>");
  CHECK(read_path("<jürgen@b>") == "non_ascii");
  CHECK(read_path("<a@müller.test>") == "non_ascii");
  CHECK(read_path("<@müller.test:a@b>") == "non_ascii");
  for (const char* bad : {"<\x80@b>", "<\xc0\xaf@b>", "<\xed\xa0\x80@b>", "<\xf4\x90\x80\x80@b>",
                          "<a@\xff.test>", "<\xe2\x82@b>"}) {
    CHECK(read_path(bad, kUtf8) == "invalid_utf8");
    CHECK(read_path(bad) == "invalid_utf8");
  }
  for (const char* misleading :
       {"<a＠evil.test@b>", "<a@evil．test>", "<a@evil。test>", "<a\u0085b@c>", "<a\u2028b@c>"}) {
    CHECK(read_path(misleading, kUtf8) == "syntax");
  }
}

TEST_CASE("what to_string writes parse_mailbox reads back") {
  for (const char* local : {"a", "a.b", "", ".", "a b", "a\"b", "a\\b", "<>", "a@b", "ü"}) {
    const Mailbox mailbox{local, "b.test"};
    CHECK(parse_mailbox(to_string(mailbox), kUtf8).value() == mailbox);
  }
  CHECK(to_string(Mailbox{}) == "");
}

TEST_CASE("domains") {
  CHECK(parse_domain("A.B").value() == "a.b");
  CHECK(parse_domain("1.2.3.4").value() == "1.2.3.4");
  for (const char* bad : {"", ".", "a..b", ".a", "a b", "a@b", "[1.2.3.4]", "a..", "-a", "a-.b"}) {
    CAPTURE(bad);
    CHECK(parse_domain(bad).error() == GrammarError::syntax);
  }
}

TEST_CASE("xtext") {
  CHECK(xtext_encode("a+b=c d") == "a+2Bb+3Dc+20d");
  CHECK(xtext_decode("a+2Bb+3Dc+20d").value() == "a+b=c d");
  CHECK(xtext_decode("").value() == "");
  for (const char* bad : {"+", "+2", "+2b", "+ZZ", "a=b", "a b", "a\tb", "\x80"}) {
    CHECK_FALSE(xtext_decode(bad));
  }
}

TEST_CASE("parameters") {
  const auto split = [](std::string_view text, bool non_ascii = false) {
    std::vector<std::string> seen;
    ParameterReader reader(text, non_ascii);
    Parameter parameter;
    while (reader.next(parameter)) {
      seen.push_back(std::string(parameter.keyword) + (parameter.has_value ? "=" : "") +
                     std::string(parameter.value));
    }
    if (reader.malformed()) seen.push_back("malformed");
    return seen;
  };
  using Seen = std::vector<std::string>;
  CHECK(split("") == Seen{});
  CHECK(split("  ") == Seen{});
  CHECK(split(" SIZE=1  smtputf8 ") == Seen{"SIZE=1", "smtputf8"});
  CHECK(split(" X-9=<>") == Seen{"X-9=<>"});
  CHECK(split("SIZE=1") == Seen{"malformed"});
  CHECK(split(" SIZE=") == Seen{"malformed"});
  CHECK(split(" A =1") == Seen{"A", "malformed"});
  CHECK(split(" A=1=2") == Seen{"malformed"});
  CHECK(split(" -A") == Seen{"malformed"});
  CHECK(split(" A<") == Seen{"A", "malformed"});
  CHECK(split(" A=\tb") == Seen{"malformed"});
  CHECK(split(" A=ü") == Seen{"malformed"});
  CHECK(split(" A=ü", true) == Seen{"A=ü"});
}
