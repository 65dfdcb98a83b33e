// Wrong keys and wrong values, one sentence each.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "instance.h"

namespace mailroot::config {

namespace {

// The only problem of a server file that is right but for `text`.
std::string problem_of(std::string_view text) {
  const auto problems = problems_of_server(std::string(kBindings) + std::string(text));
  std::string all;
  for (const auto& problem : problems) all += (all.empty() ? "" : "\n") + problem;
  return all;
}

std::string service_problem(std::string_view text) {
  Instance instance;
  instance.write("mailroot.yaml", text);
  std::string all;
  for (const auto& problem : instance.problems()) all += (all.empty() ? "" : "\n") + problem;
  return all;
}

}  // namespace

TEST_CASE("unknown keys name the nearest known one") {
  CHECK(problem_of("conections: { limit: 5 }\n") ==
        "a.yaml:2:1: conections: unknown key; did you mean connections?");
  CHECK(problem_of("connections: { limt: 5 }\n") ==
        "a.yaml:2:16: connections.limt: unknown key; did you mean connections.limit?");
  CHECK(problem_of("hop_limit: 5\n") ==
        "a.yaml:2:1: hop_limit: unknown key; did you mean delivery.hop_limit?");
  CHECK(problem_of("delivery: { outbound: { prot: 25 } }\n") ==
        "a.yaml:2:25: delivery.outbound.prot: unknown key; did you mean delivery.outbound.port?");
  CHECK(problem_of("xyzzy: 1\n") == "a.yaml:2:1: xyzzy: unknown key");
  CHECK(problem_of("connections.limit: 5\n") ==
        "a.yaml:2:1: connections.limit: unknown key; keys are nested, not joined by dots");
  CHECK(problem_of("domains: [{ name: a.example, tpye: alias }]\n") ==
        "a.yaml:2:11: domains[0].type: must be set; allowed: alias | remote\n"
        "a.yaml:2:30: domains[0].tpye: unknown key; did you mean type?");
  CHECK(problem_of("<<: { name: x }\n") == "a.yaml:2:1: <<: unknown key");
  CHECK(problem_of("\"a\\nb\\e[31m\": x\n") == "a.yaml:2:1: a\\x0ab\\x1b[31m: unknown key");
}

TEST_CASE("keys set twice name both places") {
  CHECK(problem_of("name: a\nname: b\n") == "a.yaml:3:1: name: set twice; first at 2:1");
  CHECK(problem_of("connections: { limit: 1, limit: 2 }\n") ==
        "a.yaml:2:26: connections.limit: set twice; first at 2:16");
  CHECK(problem_of("connections: { limit: 1 }\nconnections: { timeout: 1m }\n") ==
        "a.yaml:3:1: connections: set twice; first at 2:1");
}

TEST_CASE("numbers") {
  const std::string allowed = "allowed: integer, 1 to 1000000, or unlimited";
  for (const std::string_view wrong : {"0", "1000001", "-1", "1.5", "1e3", "0x10", "ten", "\"5\"",
                                       "99999999999999999999999", "5 0", "true"}) {
    CAPTURE(wrong);
    const std::string problem = problem_of(fmt::format("connections: {{ limit: {} }}\n", wrong));
    CHECK(problem.starts_with("a.yaml:2:23: connections.limit: wrong value; found \""));
    CHECK(problem.ends_with(allowed));
  }
  CHECK(problem_of("connections: { limit: [5] }\n") ==
        "a.yaml:2:23: connections.limit: wrong value; found a list; " + allowed);
  CHECK(problem_of("connections: { limit: }\n") ==
        "a.yaml:2:16: connections.limit: no value; " + allowed);
  CHECK(problem_of("connections: 5\n") ==
        "a.yaml:2:14: connections: wrong value; found \"5\"; allowed: a map of keys");
}

TEST_CASE("booleans are true and false") {
  for (const std::string_view wrong : {"yes", "no", "on", "off", "True", "1", "\"true\""}) {
    CAPTURE(wrong);
    CHECK(problem_of(fmt::format("autostart: {}\n", wrong)).contains("allowed: true or false"));
  }
  CHECK_FALSE(server_from(std::string(kBindings) + "autostart: false\n").autostart);
}

TEST_CASE("durations and sizes") {
  for (const std::string_view wrong : {"15", "0", "-1m", "1.5m", "1 week", "15M", "1m30s", "m",
                                       "366d", "999ms", "99999999999999d", "\"\""}) {
    CAPTURE(wrong);
    CHECK(problem_of(fmt::format("delivery: {{ expiration: {} }}\n", wrong))
              .contains("delivery.expiration: wrong value"));
  }
  for (const std::string_view wrong : {"2048", "0", "1023 B", "2 TiB", "1.5 MiB", "5 M", "-1 KiB",
                                       "99999999999999999 TiB", "KiB"}) {
    CAPTURE(wrong);
    CHECK(problem_of(fmt::format("messages: {{ size_limit: {} }}\n", wrong))
              .contains("messages.size_limit: wrong value"));
  }
  const auto server = server_from(std::string(kBindings) +
                                  "delivery: { expiration: 36h, retry_intervals: [1s, 90m] }\n"
                                  "messages: { size_limit: 2048KiB, badmail: { keep: 90 d } }\n");
  CHECK(server.delivery.expiration == std::chrono::hours(36));
  CHECK(server.delivery.retry_intervals.size() == 2);
  CHECK(server.delivery.retry_intervals[1] == std::chrono::minutes(90));
  CHECK(server.size_limit_bytes == 2 * kMiB);
  CHECK(server.badmail_keep == std::chrono::hours(24 * 90));
}

TEST_CASE("every entry of a list is checked where it stands") {
  CHECK(problem_of("delivery: { retry_intervals: [1m, 0s, 5] }\n") ==
        "a.yaml:2:35: delivery.retry_intervals[1]: wrong value; found \"0s\"; "
        "allowed: durations, each 1s to 365d\n"
        "a.yaml:2:39: delivery.retry_intervals[2]: wrong value; found \"5\"; "
        "allowed: durations, each 1s to 365d");
  CHECK(problem_of("delivery: { retry_intervals: [] }\n")
            .contains("found a list; allowed: list of durations"));
  CHECK(problem_of("delivery: { retry_intervals: 5m }\n").contains("found \"5m\"; allowed: list"));
}

TEST_CASE("networks") {
  for (const std::string_view wrong :
       {"10.0.0.0/33", "'2001:db8::/129'", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.256",
        "host.example", "\"\"", "10.0.0.0/255.0.0.0", "[10.0.0.1]"}) {
    CAPTURE(wrong);
    CHECK(problem_of(fmt::format("access: {{ relay: {{ allow: [{}] }} }}\n", wrong))
              .contains("access.relay.allow[0]: wrong value"));
  }
  const auto server = server_from(
      std::string(kBindings) + "access: { relay: { allow: ['::ffff:10.1.2.3', 10.9.9.9/8] } }\n");
  REQUIRE(server.access.relay_allow.size() == 2);
  CHECK(server.access.relay_allow[0].to_string() == "10.1.2.3/32");
  CHECK(server.access.relay_allow[1].to_string() == "10.0.0.0/8");
}

TEST_CASE("bindings") {
  const auto bindings = [](std::string_view text) {
    std::string all;
    for (const auto& problem : problems_of_server(text)) {
      all += (all.empty() ? "" : "\n") + problem;
    }
    return all;
  };
  CHECK(bindings("name: x\n") ==
        "a.yaml:1:1: bindings: must be set; allowed: list of bindings, 1 to 1000");
  CHECK(bindings("") == "a.yaml:1:1: bindings: must be set; allowed: list of bindings, 1 to 1000");
  CHECK(bindings("bindings: []\n").contains("found a list; allowed: list of bindings, 1 to 1000"));
  CHECK(bindings("bindings: [{ port: 25 }]\n").contains("bindings[0].address: must be set"));
  CHECK(bindings("bindings: [{ address: 127.0.0.1 }]\n").contains("bindings[0].port: must be set"));
  CHECK(bindings("bindings: [127.0.0.1]\n").contains("bindings[0]: wrong value"));
  CHECK(bindings("bindings: [~]\n").contains("bindings[0].address: must be set"));
  for (const std::string_view wrong :
       {"0.0.0.0", "'::'", "'[::]'", "host.example", "'[1.2.3.4]'", "1.2.3", "\"\"", "any"}) {
    CAPTURE(wrong);
    CHECK(bindings(fmt::format("bindings: [{{ address: {}, port: 25 }}]\n", wrong))
              .contains("bindings[0].address: wrong value"));
  }
  for (const std::string_view wrong : {"0", "65536", "-25", "smtp"}) {
    CAPTURE(wrong);
    CHECK(bindings(fmt::format("bindings: [{{ address: 127.0.0.1, port: {} }}]\n", wrong))
              .contains("bindings[0].port: wrong value"));
  }
  CHECK(bindings("bindings:\n  - { address: '[::ffff:10.1.2.3]', port: 25 }\n"
                 "  - { address: 10.1.2.3, port: 25 }\n") ==
        "a.yaml:3:5: bindings[1]: 10.1.2.3:25 is listed twice; first at 2:5");
  const auto server = server_from(
      "bindings:\n- { address: all-unassigned, port: 25 }\n"
      "- { address: '::1', port: 25 }\n");
  CHECK(server.bindings[0].to_string() == "all-unassigned:25");
  CHECK(server.bindings[1].to_string() == "[::1]:25");
  CHECK(server.bindings[1].place.line == 3);
  CHECK(server.bindings[1].place.column == 3);
}

TEST_CASE("names and smart hosts") {
  for (const std::string_view wrong : {"'[192.0.2.1]'", "192.0.2.1", "a..b", "-a.example", "\"\"",
                                       "a b", "'*.example'", "caf\xC3\xA9.example"}) {
    CAPTURE(wrong);
    CHECK(problem_of(fmt::format("fqdn: {}\n", wrong)).contains("fqdn: wrong value"));
    CHECK(problem_of(fmt::format("default_domain: {}\n", wrong)).contains("wrong value"));
  }
  for (const std::string_view wrong :
       {"'[192.0.2.300]'", "192.0.2.300", "'[192.0.2.7'", "'[192.0.2.7]:0'", "'[192.0.2.7]:99999'",
        "'[192.0.2.7]587'", "'host:smtp'", "'host:'", "\"\"", "'a b'", "'[]'", "'[host'"}) {
    CAPTURE(wrong);
    CHECK(problem_of(fmt::format("delivery: {{ smart_host: [{}] }}\n", wrong))
              .contains("delivery.smart_host[0]: wrong value"));
  }
  CHECK(problem_of("messages: { ndr_copy_to: nobody }\n").contains("wrong value"));
  CHECK(problem_of("banner: \"a\\r\\n250 x\"\n")
            .contains("banner: wrong value; found \"a\\x0d\\x0a"));
  CHECK(problem_of("name: \"a\\nb\"\n").contains("text without control characters"));
  CHECK(problem_of("extensions: { disable: [STARTLTS] }\n").contains("extensions.disable[0]"));
  CHECK(problem_of("messages: { badmail: { directory: Queue } }\n").contains("wrong value"));
  CHECK(problem_of("messages: { badmail: { directory: ../x } }\n").contains("wrong value"));
}

TEST_CASE("domains") {
  CHECK(problem_of("default_domain: a.example\ndomains: [{ name: A.Example, type: alias }]\n") ==
        "a.yaml:3:11: domains[0]: a.example is the default domain; it needs no entry");
  CHECK(problem_of("domains: [{ name: mx.test.example, type: remote }]\n")
            .contains("is the default domain"));
  CHECK(problem_of("domains:\n- { name: b.example, type: alias }\n- { name: B.example., type: "
                   "remote }\n") ==
        "a.yaml:4:3: domains[1]: b.example is both an alias and a remote domain; first at 3:3");
  CHECK(problem_of("domains:\n- { name: b.example, type: alias }\n- { name: b.example, type: "
                   "alias }\n") ==
        "a.yaml:4:3: domains[1]: b.example is listed twice; first at 3:3");
  CHECK(problem_of("domains: [{ name: '*.b.example', type: alias }]\n")
            .contains("\"*.\" is for remote domains"));
  CHECK(problem_of("domains: [{ name: b.example, type: alias, relay: true }]\n")
            .contains("an alias has no settings of its own"));
  CHECK(problem_of("domains: [{ name: '*', type: remote }]\n").contains("domains[0].name: wrong"));
  CHECK(problem_of("domains: [{ name: 'a.*.b', type: remote }]\n").contains("domains[0].name"));
  CHECK(problem_of("domains: [{ name: b.example, type: local }]\n")
            .contains("found \"local\"; allowed: alias | remote"));
  CHECK(problem_of("domains: [{ name: b.example, type: default }]\n")
            .contains("the default domain is the key default_domain"));
  for (const std::string_view wrong :
       {"'*'", "'*.'", "'*example.com'", "'a.*.example.com'", "'*.*.example.com'", "'a.*'"}) {
    CAPTURE(wrong);
    CHECK(problem_of(fmt::format("domains: [{{ name: {}, type: remote }}]\n", wrong))
              .contains("domains[0].name: wrong value: a star stands only in front"));
  }
  CHECK(problem_of("default_domain: '*.example.com'\n").contains("a star is for names in domains"));
}

TEST_CASE("there is one default domain") {
  CHECK(problem_of("default_domain: a.example\ndefault_domain: b.example\n") ==
        "a.yaml:3:1: default_domain: set twice; first at 2:1");
  CHECK(problem_of("default_domain: [a.example, b.example]\n")
            .contains("default_domain: wrong value: there is exactly one"));
  CHECK(problem_of("default_domain: ''\n").contains("default_domain: wrong value"));
}

TEST_CASE("every address has one name") {
  for (const std::string_view wrong :
       {"0.0.0.0", "'::'", "'[::]'", "'*'", "any", "ALL", "(All Unassigned)", "All Unassigned",
        "'::ffff:0.0.0.0'", "0:0:0:0:0:0:0:0", "'0000::'"}) {
    CAPTURE(wrong);
    CHECK(problems_of_server(fmt::format("bindings: [{{ address: {}, port: 25 }}]\n", wrong))
              .front()
              .contains("bindings[0].address: wrong value: every address has one name here"));
  }
  for (const std::string_view wrong : {"'[::]:25'", "'192.0.2.1:25'", "'[2001:db8::1]:25'"}) {
    CAPTURE(wrong);
    CHECK(problems_of_server(fmt::format("bindings: [{{ address: {}, port: 25 }}]\n", wrong))
              .front()
              .contains("bindings[0].address: wrong value: the port has a key of its own"));
  }
  // Not in quotes a star is something else, but nothing that is let through.
  for (const std::string_view wrong : {"*", "[::]:25", "[::]"}) {
    CAPTURE(wrong);
    CHECK(problems_of_server(fmt::format("bindings:\n- address: {}\n  port: 25\n", wrong))
              .front()
              .starts_with("a.yaml:2:"));
  }
}

TEST_CASE("the protocol log's fields are all, or known words in any order") {
  CHECK(problem_of("protocol_log: { enabled: true, fields: all, directory: auto }\n").empty());
  CHECK(problem_of("protocol_log: { rotate: size, size_limit: 1 MiB, keep: 7d,\n"
                   "  fields: [time, cs-method, 'cs(Cookie)'] }\n")
            .empty());
  CHECK(problem_of("protocol_log: { fields: [time, verb] }\n").contains("fields[1]"));
  CHECK(problem_of("protocol_log: { fields: [] }\n").contains("protocol_log.fields"));
  CHECK(problem_of("protocol_log: { fields: none }\n").contains("protocol_log.fields"));
  CHECK(problem_of("protocol_log: { rotate: yearly }\n").contains("hourly | daily"));
  CHECK(problem_of("protocol_log: { directory: '' }\n").contains("protocol_log.directory"));
}

TEST_CASE("keys of later versions may only be off") {
  const std::string off =
      "access:\n"
      "  relay: { authenticated: true }\n"
      "  authentication: { anonymous: true, mechanisms: [], users: '', require_tls: true }\n"
      "delivery: { security: { authentication: none } }\n"
      "routes: []\ndkim: []\n";
  CHECK(problem_of(off).empty());
  const auto refused = [](std::string_view text, std::string_view place_and_key) {
    CAPTURE(text);
    const std::string problem = problem_of(text);
    CHECK(problem.starts_with(
        fmt::format("a.yaml:{}: not available in this version; found ", place_and_key)));
    CHECK(problem.contains("; allowed: "));
  };
  refused("dkim: [{ domain: a.example }]\n", "2:7: dkim");
  refused("routes: [{ sender: a.example }]\n", "2:9: routes");
}

TEST_CASE("TLS: what belongs together") {
  CHECK(problem_of("access: { tls: { certificate: a.pem, key: a.key, minimum: TLSv1.3,\n"
                   "  additional: [{ certificate: b.pem, key: b.key }],\n"
                   "  client_certificate: ask, client_ca: ca.pem, client_names: [printer] } }\n"
                   "delivery: { security: { tls: verified, ca: ca.pem, names: [mx.b.example],\n"
                   "  certificate: c.pem, key: c.key } }\n"
                   "domains: [{ name: b.example, type: remote, security: { tls: required } }]\n")
            .empty());
  CHECK(problem_of("access: { tls: { certificate: a.pem } }\n")
            .contains("access.tls.certificate: needs access.tls.key beside it"));
  CHECK(problem_of("access: { tls: { key: a.pem } }\n").contains("needs access.tls.certificate"));
  CHECK(problem_of("delivery: { security: { certificate: a.pem } }\n")
            .contains("delivery.security.certificate: needs delivery.security.key"));
  CHECK(problem_of("access: { tls: { additional: [{ certificate: b.pem, key: b.key }] } }\n")
            .contains("access.tls.additional: needs access.tls.certificate"));
  CHECK(problem_of("access: { tls: { client_certificate: required } }\n")
            .contains("needs access.tls.client_ca or access.tls.client_fingerprints"));
  CHECK(problem_of("access: { tls: { client_fingerprints: [abc] } }\n")
            .contains("access.tls.client_fingerprints[0]"));
  CHECK(problem_of("access: { tls: { minimum: TLSv1.0 } }\n").contains("TLSv1.2 | TLSv1.3"));
  CHECK(problem_of("delivery: { security: { tls: strict } }\n")
            .contains("off | opportunistic | required | dane | verified"));
  CHECK(problem_of("delivery: { security: { tls: dane } }\n")
            .contains("delivery.security.tls: dane needs dns.trust_anchor in "));
  CHECK(problem_of("domains: [{ name: a.example, type: alias, security: { tls: off } }]\n")
            .contains("an alias has no settings of its own"));
  for (const std::string_view mode : {"starttls", "required", "implicit"}) {
    CAPTURE(mode);
    const std::string binding =
        fmt::format("bindings: [{{ address: 127.0.0.1, port: 465, tls: {} }}]\n", mode);
    CHECK(problems_of_server(binding).front().contains(
        "bindings[0].tls: needs a certificate: set access.tls.certificate and access.tls.key"));
  }
}

TEST_CASE("values that contradict each other") {
  CHECK(problem_of("messages: { size_limit: 10 MiB, session_size_limit: 9 MiB }\n") ==
        "a.yaml:2:53: messages.session_size_limit: is below messages.size_limit");
  CHECK(problem_of("messages: { size_limit: unlimited, session_size_limit: 9 MiB }\n")
            .contains("is below messages.size_limit, which is unlimited"));
  CHECK(problem_of("delivery: { outbound: { bind: [10.0.0.1, 10.0.0.2] } }\n")
            .contains("more than one address of one family"));
}

TEST_CASE("the service file's values") {
  CHECK(
      service_problem("service: { shards: 0 }\n").contains("allowed: integer, 1 to 1024, or auto"));
  CHECK(service_problem("service: { io: uring }\n").contains("allowed: auto | io_uring | epoll"));
  CHECK(service_problem("service: { control_socket: '' }\n").contains("allowed: a path"));
  CHECK(service_problem("service: { control_socket: /" + std::string(107, 'x') + " }\n")
            .contains("longer than 107 bytes"));
  CHECK(service_problem("log: { target: file }\n").contains("journal | stderr | path of a file"));
  CHECK(service_problem("metrics: { listen: 9525 }\n").contains("address:port, or off"));
  CHECK(service_problem("metrics: { listen: '127.0.0.1:0' }\n").contains("address:port, or off"));
  CHECK(service_problem("dns: { resolvers: auto }\n").contains("dns.resolvers: wrong value"));
  CHECK(service_problem("dns: { resolvers: [a.example] }\n").contains("dns.resolvers[0]"));
  CHECK(
      service_problem("dns: { hosts: { a.example: 'mx:10' } }\n").contains("dns.hosts.a.example"));
  CHECK(service_problem("dns: { hosts: { 'a b': 192.0.2.1 } }\n").contains("a domain name"));
  CHECK(service_problem("dns: { hosts: { a.example: 192.0.2.1, A.example: 192.0.2.2, a.example: "
                        "nxdomain } }\n")
            .contains("set twice"));
  CHECK(service_problem("dns: { hosts: [a] }\n").contains("a map of names"));

  Instance instance;
  instance.write("mailroot.yaml",
                 "service: { control_socket: run/ctl.sock, io: epoll, shards: 2 }\n"
                 "log: { target: ./log/mailroot.log, format: json, level: trace }\n"
                 "metrics: { listen: off }\n"
                 "dns:\n  resolvers: [192.0.2.53, '[::1]:5353', '2001:db8::53']\n"
                 "  hosts: { A.example: ['mx:10 b.example', 192.0.2.1], c.example: null-mx }\n");
  const Service service = instance.loaded().service;
  CHECK(service.control_socket == instance.path("run/ctl.sock"));
  CHECK(service.log_file == instance.path("log/mailroot.log"));
  CHECK(service.io == IoChoice::epoll);
  CHECK(service.metrics_listen == "off");
  REQUIRE(service.dns_servers.size() == 3);
  CHECK(service.dns_servers[0].to_string() == "192.0.2.53:53");
  CHECK(service.dns_servers[1].to_string() == "[::1]:5353");
  REQUIRE(service.dns_hosts.size() == 2);
  CHECK(service.dns_hosts[0].name == "a.example");
  CHECK(service.dns_hosts[0].values.size() == 2);
}

}  // namespace mailroot::config
