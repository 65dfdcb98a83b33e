// Several files, ids, include, auto names, and what --check answers.
#include "mailroot/config/load.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "instance.h"

namespace mailroot::config {

namespace {

std::string binding(std::string_view address, int port) {
  return fmt::format("bindings:\n  - {{ address: {}, port: {} }}\n", address, port);
}

}  // namespace

TEST_CASE("no definitions: the built-in default server, closed to relaying") {
  Instance instance;
  instance.write("mailroot.yaml", "");
  const ConfigSnapshot snapshot = instance.loaded();
  CHECK(snapshot.built_in_default);
  REQUIRE(snapshot.servers.size() == 1);
  const VirtualServer& server = *snapshot.servers[0];
  CHECK(server.id == "default");
  CHECK(server.name == "Default SMTP Virtual Server");
  CHECK(server.bindings[0].to_string() == "all-unassigned:25");
  CHECK(server.access.relay_allow.empty());
  CHECK(server.home_directory == "/var/spool/mailroot/default");
  CHECK(server.default_domain == "mx.test.example");
  REQUIRE(snapshot.warnings.size() == 1);
  CHECK(snapshot.warnings[0].contains("running the built-in default virtual server"));
}

TEST_CASE("an include that matches nothing is an error, but for an empty directory") {
  Instance instance;
  instance.write("mailroot.yaml", "service: { include: virtual-servers.d/*.yaml }\n");
  CHECK(instance.loaded().built_in_default);
  instance.write("virtual-servers.d/a.yml", kBindings);
  REQUIRE(instance.problems().size() == 1);
  CHECK(instance.problems()[0] ==
        "mailroot.yaml:1:21: service.include: \"virtual-servers.d/*.yaml\" matches no file; the "
        "directory holds other files");
  instance.write("mailroot.yaml", "service: { include: nowhere/*.yaml }\n");
  CHECK(instance.problems()[0].ends_with("matches no file; there is no such directory"));
  instance.write("mailroot.yaml", "service: { include: virtual-servers.d/b.yaml }\n");
  CHECK(instance.problems()[0].ends_with("\"virtual-servers.d/b.yaml\" matches no file"));
  instance.write("mailroot.yaml", "service: { include: virtual-servers.d/*.yml }\n");
  CHECK(instance.loaded().servers.size() == 1);
}

TEST_CASE("a directory whose name looks like a pattern") {
  Instance instance;
  std::filesystem::create_directories(instance.path("[x]*?/virtual-servers.d"));
  instance.write("[x]*?/mailroot.yaml", "").write("[x]*?/virtual-servers.d/a.yaml", kBindings);
  const auto snapshot = load(instance.path("[x]*?/mailroot.yaml"), test_machine());
  REQUIRE(snapshot.has_value());
  CHECK(snapshot->servers.size() == 1);
  CHECK_FALSE(snapshot->built_in_default);
}

TEST_CASE("the stem is the id, servers are in id order, relative paths start at the file") {
  Instance instance;
  instance.write("mailroot.yaml", "")
      .write("virtual-servers.d/b.yaml", binding("127.0.0.1", 25))
      .write("virtual-servers.d/a.b-c_1.yaml",
             binding("127.0.0.1", 26) + "home_directory: ../spool/./x/\nname: same\n");
  const ConfigSnapshot snapshot = instance.loaded();
  REQUIRE(snapshot.servers.size() == 2);
  CHECK(snapshot.servers[0]->id == "a.b-c_1");
  CHECK(snapshot.servers[0]->home_directory == instance.path("spool/x"));
  CHECK(snapshot.servers[0]->place.file == instance.path("virtual-servers.d/a.b-c_1.yaml"));
  CHECK(snapshot.servers[1]->id == "b");
  CHECK(snapshot.servers[1]->name == "b");
  CHECK(snapshot.servers[1]->home_directory == "/var/spool/mailroot/b");
  CHECK(instance.check().exit_code == 0);
}

TEST_CASE("ids that cannot be directory names, and two files with one id") {
  Instance instance;
  instance.write("mailroot.yaml", "service: { include: '*/*.y*ml' }\n")
      .write("virtual-servers.d/a b.yaml", binding("127.0.0.1", 25))
      .write("virtual-servers.d/twin.yaml", binding("127.0.0.1", 26))
      .write("virtual-servers.d/twin.yml", binding("127.0.0.1", 27))
      .write("virtual-servers.d/-x.yaml", binding("127.0.0.1", 28))
      .write("virtual-servers.d/" + std::string(65, 'y') + ".yaml", binding("127.0.0.1", 29));
  const auto problems = instance.problems();
  REQUIRE(problems.size() == 4);
  CHECK(problems[0].contains("-x.yaml:1:1: the file's name is the virtual server's id"));
  CHECK(problems[1].contains("a b.yaml:1:1: the file's name is the virtual server's id"));
  CHECK(problems[2] ==
        "virtual-servers.d/twin.yml:1:1: has the id twin of virtual-servers.d/twin.yaml");
  CHECK(problems[3].contains("at most 64 bytes"));
}

TEST_CASE("the digest changes with values, not with comments") {
  const auto digest = [](std::string_view text) {
    return server_from(std::string(kBindings) + std::string(text)).content_digest;
  };
  const std::string base = digest("");
  CHECK(digest("# a comment\n") == base);
  CHECK(digest("autostart: true\n") == base);
  CHECK(digest("autostart: false\n") != base);
  CHECK(digest("domains: [{ name: b.example, type: remote, helo: true }]\n") !=
        digest("domains: [{ name: b.example, type: remote }]\n"));
}

TEST_CASE("strange but allowed values warn") {
  Instance instance;
  instance.write("mailroot.yaml", "")
      .write("virtual-servers.d/a.yaml",
             std::string(kBindings) +
                 "access: { relay: { allow: [0.0.0.0/0] } }\n"
                 "delivery: { delay_notification: 3d, attempt_direct_delivery_first: true }\n");
  const auto warnings = instance.loaded().warnings;
  REQUIRE(warnings.size() == 3);
  CHECK(warnings[0].contains("a.yaml:3:33: delivery.delay_notification: is not below"));
  CHECK(warnings[1].contains("delivery.attempt_direct_delivery_first: has no effect"));
  CHECK(warnings[2].contains("access.relay.allow: 0.0.0.0/0 is everybody: this is an open relay"));
  CHECK(instance.check().report().starts_with("warning: "));
}

TEST_CASE("a network with host bits warns: the one address may have been meant") {
  Instance instance;
  instance.write("mailroot.yaml", "")
      .write("virtual-servers.d/a.yaml",
             std::string(kBindings) +
                 "access: { connect: { deny: [192.0.2.0/24, 2001:db8::1/32] },\n"
                 "          relay: { allow: [10.0.0.1/8, 10.0.0.1, 10.0.0.1/32] } }\n");
  const auto warnings = instance.loaded().warnings;
  REQUIRE(warnings.size() == 2);
  CHECK(
      warnings[0].contains("/a.yaml:2:43: access.connect.deny[1]: 2001:db8::1/32 means all "
                           "addresses of 2001:db8::/32; for the one address write 2001:db8::1"));
  CHECK(
      warnings[1].contains("/a.yaml:3:28: access.relay.allow[0]: 10.0.0.1/8 means all "
                           "addresses of 10.0.0.0/8; for the one address write 10.0.0.1"));
}

TEST_CASE("a protocol log cannot lie among mail, of whatever server") {
  Instance instance;
  const auto problems_with = [&](const std::string& directory) {
    instance.write("mailroot.yaml", "")
        .write("virtual-servers.d/a.yaml",
               std::string(kBindings) +
                   "home_directory: ../a\nprotocol_log: { directory: " + directory + " }\n")
        .write("virtual-servers.d/b.yaml", "home_directory: ../b\n" + binding("127.0.0.1", 2526));
    return instance.check().problems;
  };
  for (const char* const wrong :
       {"../a/Pickup", "../a/Journal/x/", "../b/Badmail", "../b/./Drop/new"}) {
    const auto problems = problems_with(wrong);
    REQUIRE_MESSAGE(problems.size() == 1, wrong);
    CHECK(problems[0].key == "protocol_log.directory");
    CHECK(problems[0].text.contains("is a folder of mail of virtual server "));
    CHECK(problems[0].place.file.ends_with("/a.yaml"));
  }
  for (const char* const right : {"../logs", "../a/Logs", "../a/PickupLogs", "../b"}) {
    CHECK_MESSAGE(problems_with(right).empty(), right);
  }
}

TEST_CASE("check: 1 for problems, 2 for a server that cannot start, 0 for neither") {
  Instance instance;
  instance.write("mailroot.yaml", "").write("virtual-servers.d/a.yaml", "nonsense: 1\n");
  const CheckResult wrong = instance.check();
  CHECK(wrong.exit_code == 1);
  CHECK(wrong.problems.size() == 2);
  CHECK(wrong.report().contains("a.yaml:1:1: nonsense: unknown key\n"));

  instance.write("virtual-servers.d/a.yaml", binding("127.0.0.1", 25));
  CHECK(instance.check().exit_code == 0);

  instance.write("virtual-servers.d/b.yaml", "# b\n" + binding("'::ffff:127.0.0.1'", 25));
  const CheckResult clash = instance.check();
  CHECK(clash.exit_code == 2);
  REQUIRE(clash.findings.size() == 1);
  CHECK(clash.findings[0].server == "b");
  CHECK(clash.findings[0].text ==
        fmt::format("binding 127.0.0.1:25 of virtual server b ({}:3:5) belongs to virtual server a "
                    "({}:2:5)",
                    instance.path("virtual-servers.d/b.yaml"),
                    instance.path("virtual-servers.d/a.yaml")));
}

TEST_CASE("check: homes are apart") {
  Instance instance;
  instance.write("mailroot.yaml", "")
      .write("virtual-servers.d/a.yaml", binding("127.0.0.1", 1) + "home_directory: /srv/mail\n")
      .write("virtual-servers.d/b.yaml", binding("127.0.0.1", 2) + "home_directory: /srv/mail/b\n")
      .write("virtual-servers.d/c.yaml", binding("127.0.0.1", 3) + "home_directory: /srv/mail2\n")
      .write("virtual-servers.d/d.yaml",
             binding("127.0.0.1", 4) + "home_directory: /srv/x/../mail2/\n")
      .write("virtual-servers.d/e.yaml", binding("127.0.0.1", 5) + "home_directory: /srv\n");
  const CheckResult result = instance.check();
  CHECK(result.exit_code == 2);
  REQUIRE(result.findings.size() == 3);
  CHECK(result.findings[0].server == "b");
  CHECK(result.findings[1].server == "d");
  CHECK(result.findings[2].server == "e");
  CHECK(result.findings[1].text.contains("/srv/mail2 of virtual server d"));
  CHECK(result.findings[1].text.contains("/srv/mail2 of c"));
}

TEST_CASE("a server that is not autostarted is checked too") {
  Instance instance;
  instance.write("mailroot.yaml", "")
      .write("virtual-servers.d/a.yaml", binding("127.0.0.1", 25))
      .write("virtual-servers.d/b.yaml", binding("127.0.0.1", 25) + "autostart: false\n");
  CHECK(instance.check().exit_code == 2);
}

TEST_CASE("many problems are cut with a count") {
  std::string text(kBindings);
  for (int i = 0; i < 1500; ++i) text += fmt::format("wrong{}: 1\n", i);
  const auto problems = problems_of_server(text);
  REQUIRE(problems.size() == 1001);
  CHECK(problems.back() == "500 more problems are not shown");
}

}  // namespace mailroot::config
