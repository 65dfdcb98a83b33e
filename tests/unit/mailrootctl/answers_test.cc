// The wizard's suggestions and checks, without a terminal.
#include "answers.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "places.h"

namespace mailroot::ctl {

namespace {

config::MachineState machine() {
  config::MachineState state;
  state.addresses = {*IpAddress::parse("127.0.0.1"), *IpAddress::parse("192.0.2.10"),
                     *IpAddress::parse("2001:db8::10")};
  state.user = {geteuid(), getegid()};
  return state;
}

config::MachineNames names() { return {"mx.test.example", ""}; }

constexpr std::string_view kFirst =
    "name: First one\nbindings:\n  - { address: all-unassigned, port: 25 }\n"
    "home_directory: ../homes/first\n";

}  // namespace

TEST_CASE("ids come from names, and are free") {
  const Place place;
  place.write("mailroot.yaml", "").write("virtual-servers.d/sales.yaml", kFirst);
  const auto snapshot = place.loaded();
  const AnswerChecks checks(snapshot, machine(), names(), false);
  CHECK(checks.suggest_id("Sales") == "sales-2");
  CHECK(checks.suggest_id("Sales & Support!") == "sales-support");
  CHECK(checks.suggest_id("\u00c4\u00d6") == "aeoe");
  CHECK(checks.suggest_id("Gr\u00f6\u00dfe \u00dcber 9") == "groesse-ueber-9");
  CHECK(checks.suggest_id("\u4e2d\u6587") == "server");
  CHECK(checks.suggest_id("../../etc/passwd") == "etc-passwd");
  CHECK(checks.suggest_id(std::string(300, 'x')).size() == 40);
  CHECK(checks.suggest_id("") == "server");
  CHECK(checks.check_id("sales").contains("is there already"));
  for (const char* wrong : {"", ".", ".x", "a/b", "a b", "-x", "\xc3\xa4"}) {
    CAPTURE(wrong);
    CHECK(checks.check_id(wrong).contains("is the name of a file"));
  }
  CHECK(checks.check_id("fine.one_2-x").empty());
}

TEST_CASE("addresses and ports that are free are suggested, others explained") {
  const Place place;
  place.write("mailroot.yaml", "").write("virtual-servers.d/first.yaml", kFirst);
  const auto snapshot = place.loaded();
  const AnswerChecks checks(snapshot, machine(), names(), false);
  CHECK(checks.suggest_address() == "127.0.0.1");
  CHECK(checks.suggest_port("192.0.2.10") == "25");
  CHECK(checks.suggest_port("all-unassigned") == "587");
  CHECK(checks.address_choices() ==
        std::vector<std::string>{"all-unassigned", "127.0.0.1", "192.0.2.10", "[2001:db8::10]"});
  for (const char* right : {"all-unassigned", "192.0.2.10", "2001:db8::10", "[2001:db8::10]"}) {
    CHECK(checks.check_address(right).empty());
  }
  CHECK(checks.check_address("192.0.2.99") == "192.0.2.99 is not an address of this machine");
  CHECK(checks.check_address("::").contains("all-unassigned"));
  CHECK(checks.check_address("192.0.2.10:25").contains("port has a key of its own"));
  const std::string clash = checks.check_port("all-unassigned", "25");
  CHECK(clash.starts_with("all-unassigned:25 belongs to virtual server first, \"First one\" ("));
  CHECK(clash.contains("first.yaml:3:5"));
  for (const char* wrong : {"", "0", "65536", "-1", "25 ", "smtp", "2 5"}) {
    CAPTURE(wrong);
    CHECK(checks.check_port("192.0.2.10", wrong).contains("integer, 1 to 65535"));
  }
}

TEST_CASE("a port of another program is no suggestion") {
  const Place place;
  place.write("mailroot.yaml", "").write("virtual-servers.d/first.yaml", kFirst);
  const auto snapshot = place.loaded();
  config::MachineState state = machine();
  state.foreign.push_back({{*IpAddress::parse("192.0.2.10"), 25}, IpFamily::v4, 1});
  const AnswerChecks checks(snapshot, state, names(), false);
  CHECK(checks.suggest_port("192.0.2.10") == "587");
  CHECK(checks.check_port("192.0.2.10", "25").contains("in use by another program"));
}

TEST_CASE("home directories: beside the others, apart from them") {
  const Place place;
  place.write("mailroot.yaml", "").write("virtual-servers.d/first.yaml", kFirst);
  const auto snapshot = place.loaded();
  const AnswerChecks checks(snapshot, machine(), names(), false);
  CHECK(checks.suggest_home("next") == place.path("homes/next"));
  CHECK(checks.check_home(place.path("homes/next")).empty());
  CHECK(checks.check_home("../homes/next").empty());
  for (const char* wrong : {"../homes/first", "../homes/first/in", "../homes", "/"}) {
    CAPTURE(wrong);
    CHECK(checks.check_home(wrong).contains("not apart"));
  }
  CHECK(checks.check_home("../mailroot.yaml").contains("is not a directory"));
  CHECK_FALSE(checks.check_home("").empty());
  CHECK_FALSE(checks.check_home(std::string(2000, 'x')).empty());
}

TEST_CASE("names and domains") {
  const Place place;
  place.write("mailroot.yaml", "").write("virtual-servers.d/first.yaml", kFirst);
  const auto snapshot = place.loaded();
  const AnswerChecks checks(snapshot, machine(), names(), false);
  CHECK(checks.suggest_name() == "SMTP Virtual Server 2");
  CHECK(checks.check_name("Any: text # at all").empty());
  CHECK_FALSE(checks.check_name("").empty());
  CHECK_FALSE(checks.check_name("   ").empty());
  CHECK_FALSE(checks.check_name("a\tb\x01").empty());
  CHECK_FALSE(checks.check_name("\xff").empty());
  CHECK(checks.check_domain("auto").empty());
  CHECK(checks.check_domain("example.com").empty());
  for (const char* wrong : {"", "a..b", "192.0.2.1", "*.example.com", "a b"}) {
    CAPTURE(wrong);
    CHECK_FALSE(checks.check_domain(wrong).empty());
  }
}

TEST_CASE("the file goes where the include pattern reads it") {
  const Place place;
  place.write("virtual-servers.d/first.yaml", kFirst);
  const auto file_with = [&place](const std::string& include) {
    place.write("mailroot.yaml", "service: { include: \"" + include + "\" }\n");
    const auto snapshot = place.loaded();
    const AnswerChecks checks(snapshot, machine(), names(), false);
    return checks.file_of("new").value_or("none");
  };
  CHECK(file_with("virtual-servers.d/*.yaml") == place.path("virtual-servers.d/new.yaml"));
  CHECK(file_with("virtual-servers.d/f*") == "none");
  CHECK(file_with("virtual-*.d/*.yaml") == "none");
  CHECK(file_with("virtual-servers.d/*") == place.path("virtual-servers.d/new.yaml"));
  CHECK(file_with("virtual-servers.d/first.yaml") == "none");
}

TEST_CASE("what is rendered loads, and means the answers") {
  const Place place;
  place.write("mailroot.yaml", "").write("virtual-servers.d/first.yaml", kFirst);
  const auto snapshot = place.loaded();
  const AnswerChecks checks(snapshot, machine(), names(), false);
  const Answers answers{"It's \"new\": #1", "[2001:db8::10]", "2525",
                        "../homes/new",     "auto",           "new"};
  const std::string text = checks.render(answers);
  place.write("virtual-servers.d/new.yaml", text);
  const auto loaded = place.loaded();
  REQUIRE(loaded.servers.size() == 2);
  const auto& server = *loaded.servers[1];
  CHECK(server.name == answers.name);
  REQUIRE(server.bindings.size() == 1);
  CHECK(server.bindings[0].to_string() == "[2001:db8::10]:2525");
  CHECK(server.home_directory == place.path("homes/new"));
  CHECK(server.default_domain == loaded.servers[0]->default_domain);
  CHECK(server.access.relay_allow.empty());
  CHECK(text.contains("default_domain: auto\n"));
  CHECK(text.contains("mailrootctl server show new"));
}

TEST_CASE("the first server is the default one") {
  const Place place;
  place.write("mailroot.yaml", "");
  const auto snapshot = place.loaded();
  REQUIRE(snapshot.built_in_default);
  const AnswerChecks checks(snapshot, machine(), names(), false);
  CHECK(checks.suggest_id("Whatever") == "default");
  CHECK(checks.suggest_name() == "Default SMTP Virtual Server");
  CHECK(checks.suggest_home("default") == "/var/spool/mailroot/default");
  // The built-in one is in nobody's way.
  CHECK(checks.check_port("all-unassigned", "25").empty());
}

}  // namespace mailroot::ctl
