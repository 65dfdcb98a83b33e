// What is typed, as an edit.
#include <doctest/doctest.h>

#include "edits.h"
#include "instance.h"
#include "mailroot/config/describe.h"

namespace mailroot::config {

namespace {

constexpr std::string_view kText =
    "name: x\n"
    "bindings: [{ address: 127.0.0.1, port: 25 }, { address: \"[::1]\", port: 25 }]\n"
    "default_domain: home.example\n"
    "access: { relay: { allow: [10.0.0.0/8, \"::1\"] } }\n"
    "domains:\n"
    "  - { name: a.example, type: alias }\n"
    "  - { name: b.example, type: remote }\n";

using Action = Edit::Action;

// The text after the wish, or what is said about it.
std::string wished(Action action, const std::string& key, std::vector<std::string> words) {
  const VirtualServer server = server_from(kText);
  const auto edit = edit_of_wish({action, key, std::move(words)}, kText, server);
  if (!edit) return edit.error();
  return edited(kText, *edit);
}

std::string with(std::string_view old, std::string_view fresh) {
  std::string out(kText);
  const size_t at = out.find(old);
  REQUIRE(at != std::string::npos);
  return out.replace(at, old.size(), fresh);
}

}  // namespace

TEST_CASE("words of a value are joined, and quoted where YAML wants it") {
  CHECK(wished(Action::set, "name", {"New", "York: 1"}) ==
        with("name: x", "name: \"New York: 1\""));
  CHECK(wished(Action::set, "name", {""}) == with("name: x", "name: \"\""));
  CHECK(wished(Action::set, "messages.size_limit", {"20", "MiB"})
            .contains("messages:\n  size_limit: 20 MiB\n"));
  CHECK(wished(Action::set, "domains[B.example].relay", {"true"}) ==
        with("type: remote }", "type: remote, relay: true }"));
  CHECK(wished(Action::set, "bindings[[::1]:25].port", {"26"}) ==
        with("\"[::1]\", port: 25", "\"[::1]\", port: 26"));
  CHECK(wished(Action::set, "domains[1].relay", {"true"}) ==
        with("type: remote }", "type: remote, relay: true }"));
}

TEST_CASE("entries of lists of values") {
  CHECK(wished(Action::add, "access.relay.allow", {"192.0.2.1,192.0.2.2", "2001:db8::/32"}) ==
        with("\"::1\"]", "\"::1\", 192.0.2.1, 192.0.2.2, 2001:db8::/32]"));
  CHECK(wished(Action::remove, "access.relay.allow", {"::1/128"}) == with(", \"::1\"", ""));
  CHECK(wished(Action::remove, "access.relay.allow", {"10.0.0.0/8", "::1"}) ==
        with("[10.0.0.0/8, \"::1\"]", "[]"));
  CHECK(wished(Action::set, "access.relay.allow", {"[]"}) == with("[10.0.0.0/8, \"::1\"]", "[]"));
  CHECK(wished(Action::set, "access.relay.allow", {"[10.0.0.0/8, \"::2\"]"}) ==
        with("\"::1\"", "\"::2\""));
  CHECK(wished(Action::set, "delivery.smart_host", {"[192.0.2.7]", "[192.0.2.8]:587"})
            .contains("  smart_host: [\"[192.0.2.7]\", \"[192.0.2.8]:587\"]\n"));
  CHECK(wished(Action::remove, "access.relay.allow", {"1.2.3.4"}) ==
        "access.relay.allow has no entry 1.2.3.4; it has: 10.0.0.0/8, ::1");
}

TEST_CASE("what a list holds by default is kept") {
  CHECK(wished(Action::add, "delivery.retry_intervals", {"8h"})
            .contains("retry_intervals: [15m, 30m, 1h, 4h, 8h]\n"));
  CHECK(wished(Action::remove, "delivery.retry_intervals", {"30m"})
            .contains("retry_intervals: [15m, 1h, 4h]\n"));
}

TEST_CASE("entries of lists of records") {
  CHECK(wished(Action::add, "domains",
               {"c.example", "type=remote", "smart_host=[192.0.2.9]:25,hub.example", "d.example",
                "type=alias", "{ name: e.example, type: alias }"}) ==
        std::string(kText) +
            "  - { name: c.example, type: remote, smart_host: [\"[192.0.2.9]:25\", hub.example] }\n"
            "  - { name: d.example, type: alias }\n  - { name: e.example, type: alias }\n");
  CHECK(wished(Action::remove, "domains", {"A.EXAMPLE"}) ==
        with("  - { name: a.example, type: alias }\n", ""));
  CHECK(wished(Action::add, "bindings", {"*:2525", "[2001:db8::1]:25"}) ==
        with(" }]\n",
             " }, { address: all-unassigned, port: 2525 }, "
             "{ address: \"[2001:db8::1]\", port: 25 }]\n"));
  CHECK(wished(Action::remove, "bindings", {"[::1]:25"}) ==
        with(", { address: \"[::1]\", port: 25 }", ""));
  CHECK(
      wished(Action::set, "domains", {"[]"}) ==
      with(
          "domains:\n  - { name: a.example, type: alias }\n  - { name: b.example, type: remote }\n",
          "domains: []\n"));
}

TEST_CASE("what cannot be meant") {
  CHECK(
      wished(Action::set, "mesages.size_limt", {"1"})
          .starts_with("there is no key \"mesages.size_limt\"; did you mean messages.size_limit?"));
  CHECK(wished(Action::set, "keep", {"1d"})
            .contains("did you mean messages.badmail.keep or protocol_log.keep?"));
  CHECK(wished(Action::set, "", {"1"}).starts_with("there is no key \"\""));
  CHECK(wished(Action::add, "name", {"x"}) == "name is no list; give its new value");
  CHECK(wished(Action::set, "name", {}) == "the new value of name is missing");
  CHECK(wished(Action::add, "domains", {}) == "the entries of domains are missing");
  CHECK(wished(Action::add, "bindings", {"25"}).starts_with("\"25\" is no ADDRESS:PORT"));
  CHECK(wished(Action::remove, "domains", {"home.example"})
            .starts_with("home.example is the default domain; it cannot be removed"));
  CHECK(wished(Action::remove, "domains", {"z.example"}) ==
        "domains has no entry z.example; it has: a.example, b.example");
  CHECK(wished(Action::remove, "domains", {"7"}) == "domains has no entry 7");
  CHECK(wished(Action::set, "domains[z.example].relay", {"true"}).contains("has no entry"));
}

TEST_CASE("effective keys tell where they were set") {
  Instance instance;
  instance.write("mailroot.yaml", "")
      .write("virtual-servers.d/a.yaml", std::string(kText) + "banner: \"\"\n");
  const ConfigSnapshot snapshot = instance.loaded();
  size_t set_keys = 0;
  for (const auto& key : effective_keys(*snapshot.servers.front())) {
    set_keys += key.place ? 1 : 0;
    if (key.key.path == "name") {
      REQUIRE(key.place);
      CHECK(key.place->line == 1);
      CHECK(key.value == "x");
    }
    if (key.key.path == "banner") CHECK(key.place.has_value());
    if (key.key.path == "messages.size_limit") {
      CHECK_FALSE(key.place.has_value());
      CHECK(key.value == "50 MiB");
    }
  }
  CHECK(set_keys == 6);
  const auto built_in = built_in_default_server(machine_names(*test_machine().machine));
  for (const auto& key : effective_keys(built_in)) CHECK_FALSE(key.place.has_value());
}

}  // namespace mailroot::config
