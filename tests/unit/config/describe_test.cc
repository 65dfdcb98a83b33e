#include "mailroot/config/describe.h"

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "instance.h"

namespace mailroot::config {

namespace {

// With MAILROOT_UPDATE_CONF set the test writes the packaged files instead of comparing them.
void check_packaged_file(const std::string& name, const std::string& rendered) {
  const std::string file = std::string(MAILROOT_CONF_DIRECTORY) + "/" + name;
  if (std::getenv("MAILROOT_UPDATE_CONF") != nullptr) {
    std::ofstream(file, std::ios::binary) << rendered;
  }
  std::ifstream stream(file, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  CHECK_MESSAGE(text.str() == rendered,
                name << " differs from the declared keys; MAILROOT_UPDATE_CONF=1 writes it");
}

}  // namespace

TEST_CASE("the packaged files are what the declared keys render") {
  check_packaged_file("mailroot.yaml", render_commented_service());
  check_packaged_file("virtual-servers.d/default.yaml", render_commented_default_server());
}

TEST_CASE("the packaged files load, and mean the defaults") {
  Instance instance;
  instance.write("mailroot.yaml", render_commented_service())
      .write("virtual-servers.d/default.yaml", render_commented_default_server());
  const ConfigSnapshot snapshot = instance.loaded();
  CHECK(snapshot.warnings.empty());
  CHECK_FALSE(snapshot.built_in_default);
  REQUIRE(snapshot.servers.size() == 1);
  VirtualServer packaged = *snapshot.servers[0];
  CHECK(packaged.id == "default");
  CHECK(packaged.fqdn == "mx.test.example");
  REQUIRE(packaged.access.relay_allow.size() == 2);
  CHECK(packaged.access.relay_allow[0].to_string() == "127.0.0.0/8");
  CHECK(packaged.access.relay_allow[1].to_string() == "::1/128");
  packaged.access.relay_allow.clear();
  const auto built_in = built_in_default_server(machine_names(*test_machine().machine));
  CHECK(render_effective(packaged) == render_effective(built_in));
  Service service = snapshot.service;
  CHECK(service.include == instance.path("virtual-servers.d/*.yaml"));
  service.include = Service{}.include;
  CHECK(render_effective(service) == render_effective(Service{}));
}

TEST_CASE("the examples load together, without a warning") {
  Instance instance;
  const std::string examples = std::string(MAILROOT_CONF_DIRECTORY) + "/examples";
  instance.write("mailroot.yaml", "service: { include: " + examples + "/*.yaml }\n");
  const CheckResult result = instance.check();
  CHECK(result.report() == "");
  CHECK(result.exit_code == 0);
  CHECK(instance.loaded().servers.size() == 3);
}

TEST_CASE("the effective configuration reads back as the same values") {
  const std::string text =
      "name: 'it''s \"quoted\": #1'\n"
      "bindings:\n"
      "  - { address: all-unassigned, port: 25 }\n"
      "  - { address: '[2001:db8::1]', port: 2525 }\n"
      "connections: { limit: unlimited, per_client_limit: 7, timeout: 90s }\n"
      "access:\n"
      "  connect: { allow: [10.0.0.0/8], deny: ['2001:db8::/32', 10.1.2.3] }\n"
      "  relay: { allow: [192.0.2.0/24], deny: [192.0.2.7] }\n"
      "messages:\n"
      "  size_limit: 2048 KiB\n"
      "  session_size_limit: 25 MB\n"
      "  ndr_copy_to: '\"a b\"@example.com'\n"
      "delivery:\n"
      "  retry_intervals: [1s, 90s, 2h, 3d]\n"
      "  smart_host: ['[192.0.2.7]:587', relay.example, '[2001:db8::9]', 'other.example:2525']\n"
      "  outbound: { bind: [192.0.2.1, '2001:db8::2'] }\n"
      "banner: 'ready: \\ \"x\" # no'\n"
      "extensions: { disable: [chunking, DSN] }\n"
      "spool: { materialise_after: 0, free_min: 0 }\n"
      "domains:\n"
      "  - { name: Sales.Example.COM, type: alias }\n"
      "  - { name: '*.partner.example', type: remote, relay: true, smart_host: ['[192.0.2.9]'], "
      "helo: true }\n";
  const VirtualServer first = server_from(text);
  const std::string effective = render_effective(first);
  const VirtualServer second = server_from(effective);
  CHECK(render_effective(second) == effective);
  CHECK(second.content_digest == first.content_digest);
  CHECK(second.name == "it's \"quoted\": #1");
  CHECK(second.banner == "ready: \\ \"x\" # no");
  CHECK(second.connections_limit == 0);
  CHECK(second.materialise_after == Duration::zero());
  REQUIRE(second.delivery.smart_host.size() == 4);
  CHECK(second.delivery.smart_host[2].to_string() == "[2001:db8::9]");
  REQUIRE(second.domains.size() == 2);
  CHECK(second.domains[0].name == "sales.example.com");
  CHECK(second.domains[1].helo);
}

TEST_CASE("every key is declared once, with its text, and no section is opened twice") {
  for (const auto& keys : {describe_service_keys(), describe_server_keys()}) {
    std::set<std::string> paths;
    for (const auto& key : keys) {
      CAPTURE(key.path);
      CHECK(paths.insert(key.path).second);
      CHECK(key.text.ends_with('.'));
      CHECK_FALSE(key.type.empty());
      if (key.available) CHECK_FALSE(key.default_value.empty());
    }
  }
  for (const auto& text : {render_commented_service(), render_commented_default_server()}) {
    std::set<std::string> sections;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      CHECK(line.size() <= 100);
      const bool top = !line.empty() && line.ends_with(':') && line.front() != ' ';
      if (top) CHECK_MESSAGE(sections.insert(line).second, line << " is there twice");
    }
  }
}

TEST_CASE(
    "the manual's section names every key and no line begins with a roff command by accident") {
  const std::string manual = render_manual_section();
  for (const auto& key : describe_server_keys()) {
    std::string escaped;
    for (const char c : key.path) escaped += c == '-' ? "\\-" : std::string(1, c);
    CHECK(manual.contains(".B \\&" + escaped + "\n"));
  }
  std::istringstream lines(manual);
  for (std::string line; std::getline(lines, line);) {
    const bool command = line.starts_with(".SH ") || line.starts_with(".SS ") || line == ".TP" ||
                         line.starts_with(".B ") || line == ".br" || line.starts_with("\\&") ||
                         line.starts_with("Not available");
    CHECK_MESSAGE(command, line);
  }
}

TEST_CASE("changed keys say when they are seen") {
  Service before;
  Service after = before;
  CHECK(changed_keys(before, after).empty());
  after.shards = 3;
  after.log_level = log::Level::debug;
  const auto changed = changed_keys(before, after);
  REQUIRE(changed.size() == 2);
  CHECK(changed[0].path == "service.shards");
  CHECK(changed[0].reload == Reload::restart);
  CHECK(changed[1].path == "log.level");
  CHECK(changed[1].reload == Reload::live);

  VirtualServer old_server;
  VirtualServer new_server = old_server;
  new_server.delivery.hop_limit = 5;
  REQUIRE(changed_keys(old_server, new_server).size() == 1);
  CHECK(changed_keys(old_server, new_server)[0].path == "delivery.hop_limit");
}

}  // namespace mailroot::config
