// The small pure parts: machine names, scalars, nearest keys.
#include <doctest/doctest.h>

#include "mailroot/config/machine.h"
#include "nearest.h"
#include "scalars.h"

namespace mailroot::config {

TEST_CASE("the machine's name without DNS") {
  const auto name = [](MachineFiles files) { return machine_names(files).fqdn; };
  CHECK(name({"MX.Example.com\n", "", ""}) == "mx.example.com");
  CHECK(name({"# comment\nmx.example.com.\n", "", ""}) == "mx.example.com");
  CHECK(name({"mx\n", "127.0.0.1 localhost\n127.0.1.1\tmx.example.com mx # me\n", ""}) ==
        "mx.example.com");
  CHECK(name({"mx\n", "127.0.1.1 mx mx.example.com\n", ""}) == "mx.example.com");
  CHECK(name({"mx\n", "192.0.2.1 web.example.com web\n192.0.2.2 mx.example.org mx\n", ""}) ==
        "mx.example.org");
  CHECK(name({"mx\n", "192.0.2.1 other.example.com\n", "mail.example.net\n"}) ==
        "mail.example.net");
  CHECK(name({"mx\n", "127.0.0.1 localhost.localdomain localhost mx\n", "mail.example.net\n"}) ==
        "mail.example.net");
}

TEST_CASE("the domain of local programs is in /etc/mailname, else the machine's name") {
  const auto name = [](const char* mailname) {
    return mail_name({"mx.example.com", "", mailname});
  };
  CHECK(name("Mail.Example.net.\n") == "mail.example.net");
  CHECK(name("bare\n") == "bare");
  for (const char* none : {"", "\n\n", "# comment\n", "a@b\n"})
    CHECK(name(none) == "mx.example.com");
}

TEST_CASE("a machine without a full name gets one, with a warning") {
  const auto made_up = machine_names({"mx\n", "127.0.0.1 localhost mx\n", "mx\n"});
  CHECK(made_up.fqdn == "mx.localdomain");
  CHECK(made_up.warning.contains("mx.localdomain"));
  CHECK(machine_names({"", "", ""}).fqdn == "localhost.localdomain");
  CHECK(machine_names({"localhost\n", "127.0.0.1 localhost a.example\n", ""}).fqdn ==
        "localhost.localdomain");
  CHECK(machine_names({"localhost.localdomain\n", "", ""}).fqdn == "localhost.localdomain");
  CHECK(machine_names({"bad name!\n", "\xFF\xFE", "-\n"}).fqdn == "bad.localdomain");
  CHECK(machine_names({"192.0.2.1\n", "", ""}).fqdn == "localhost.localdomain");
  CHECK(machine_names({"mx.example.com", "", ""}).warning.empty());
}

TEST_CASE("durations and sizes print in the largest unit that divides") {
  CHECK(print_duration(Duration::zero()) == "0");
  CHECK(print_duration(std::chrono::milliseconds(1500)) == "1500ms");
  CHECK(print_duration(std::chrono::seconds(90)) == "90s");
  CHECK(print_duration(std::chrono::hours(48)) == "2d");
  CHECK(print_size(0) == "0");
  CHECK(print_size(2 * kMiB) == "2 MiB");
  CHECK(print_size(25'000'000) == "25 MB");
  CHECK(print_size(1025) == "1025 B");
  for (const uint64_t size : {1ull, 999ull, 1000ull, 1024ull, 1'000'000'001ull, ~0ull}) {
    CHECK(parse_size(print_size(size)) == size);
  }
}

TEST_CASE("numbers at the edge of what fits") {
  CHECK(parse_number("18446744073709551615") == ~0ull);
  CHECK_FALSE(parse_number("18446744073709551616"));
  CHECK_FALSE(parse_number("+1"));
  CHECK_FALSE(parse_number(" 1"));
  CHECK_FALSE(parse_number(""));
  CHECK_FALSE(parse_size("18446744073709551615 KiB"));
  CHECK(parse_duration("106751d"));
  CHECK_FALSE(parse_duration("106752d"));
}

TEST_CASE("quoting keeps YAML from seeing anything but text") {
  for (const std::string_view plain : {"a", "a.b-c", "/x/y", "10.0.0.0/8", "relay.example:25"}) {
    CHECK(quote(plain) == plain);
  }
  for (const std::string_view special :
       {"", "-", "*", "&a", "[x]", "{x}", "a: b", "a #b", "~", "null", "::1", "!x", "a:", " a",
        "a ", "%x", "@x", "a,b"}) {
    CHECK(quote(special) == "\"" + std::string(special) + "\"");
  }
  CHECK(quote("a\"b\\c") == "\"a\\\"b\\\\c\"");
  CHECK(quote("a\nb") == "\"a\\x0ab\"");
}

TEST_CASE("edit distance") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("limit", "limt") == 1);
  CHECK(edit_distance("limit", "lmiit") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("nearest looks at siblings first, then for the same name elsewhere") {
  KnownPaths known;
  for (const auto* path : {"a.limit", "b.timeout", "b.inner.port", "name"}) known.add(path);
  CHECK(known.is_section("b.inner"));
  CHECK_FALSE(known.is_section("name"));
  CHECK(known.nearest("a.limits") == "a.limit");
  CHECK(known.nearest("b.limit") == "a.limit");
  CHECK(known.nearest("b.iner") == "b.inner");
  CHECK(known.nearest("port") == "b.inner.port");
  CHECK(known.nearest("nmae") == "name");
  CHECK(known.nearest("zzzzz").empty());
  CHECK(known.nearest(std::string(100'000, 'n')).empty());
}

}  // namespace mailroot::config
