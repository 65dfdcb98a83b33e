#include <doctest/doctest.h>

#include "doctor_facts.h"
#include "doctor_findings.h"

namespace mailroot::ctl {
namespace {

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }

TEST_CASE("doctor: names that lead nowhere, or back to another name") {
  CHECK(judge(NameFacts{"m.localdomain", "", {}, {}}).grade == Grade::warning);
  const auto unknown = judge(NameFacts{"mx.example", "mx.example does not exist", {}, {}});
  CHECK(unknown.grade == Grade::warning);
  CHECK(unknown.text == "mx.example does not exist");
  CHECK(judge(NameFacts{"mx.example", "", {}, {}}).grade == Grade::warning);
  const auto address = ip("192.0.2.1");
  const auto none = judge(NameFacts{"mx.example", "", {address}, {{address, ""}}});
  CHECK(none.grade == Grade::warning);
  CHECK(none.text == "192.0.2.1 leads back to no name");
  const auto other = judge(NameFacts{"mx.example", "", {address}, {{address, "a.isp.example"}}});
  CHECK(other.text == "192.0.2.1 leads back to a.isp.example");
  CHECK(other.remedy.contains("PTR"));
  const auto good = judge(NameFacts{"mx.example", "", {address}, {{address, "MX.Example"}}});
  CHECK(good.grade == Grade::ok);
  CHECK(good.remedy.empty());
}

TEST_CASE("doctor: hosts that cannot be reached") {
  EgressFacts facts;
  facts.host = "relay.example";
  facts.resolve_error = "relay.example does not exist";
  CHECK(judge(facts).grade == Grade::problem);
  facts.resolve_error = "";
  facts.tried = {"192.0.2.1:25"};
  facts.connect_error = "Connection timed out";
  CHECK(judge(facts).remedy.contains("port 25"));
  facts.port = 587;
  CHECK_FALSE(judge(facts).remedy.contains("port 25"));
  facts.connect_error = "";
  facts.greeting_error = "it closed the connection";
  CHECK(judge(facts).grade == Grade::problem);
  facts.greeting_error = "";
  facts.greeting = "554 no";
  facts.greeting_code = 554;
  CHECK(judge(facts).text == "192.0.2.1:25 refuses us: 554 no");
  facts.greeting_code = 220;
  CHECK(judge(facts).grade == Grade::ok);
}

HomeFacts home() {
  HomeFacts facts;
  facts.server = "default";
  facts.path = "/srv/mail";
  facts.owner = facts.daemon_user = 105;
  facts.free_bytes = uint64_t{10} << 30;
  facts.free_min_bytes = uint64_t{256} << 20;
  facts.free_inodes = facts.total_inodes = 1'000'000;
  facts.flush_us = 800;
  facts.device = "sda";
  facts.write_cache = WriteCache::write_back;
  return facts;
}

Grade grade_of(const HomeFacts& facts, const char* topic) {
  for (const auto& finding : judge(facts)) {
    if (finding.topic == topic) return finding.grade;
  }
  return Grade::ok;
}

TEST_CASE("doctor: homes that cannot be used, or belong to another user") {
  auto facts = home();
  facts.trouble = "/srv/mail is on a NFS file system";
  CHECK(judge(facts).size() == 1);
  CHECK(grade_of(facts, "home") == Grade::problem);
  facts = home();
  facts.exists = false;
  CHECK(grade_of(facts, "home") == Grade::ok);
  facts = home();
  facts.owner = 0;
  CHECK(grade_of(facts, "home") == Grade::warning);
  CHECK(judge(facts).front().remedy == "chown 105 /srv/mail");
  CHECK(exit_code_of(judge(home())) == 0);
}

TEST_CASE("doctor: space runs out before it is gone") {
  auto facts = home();
  facts.free_bytes = uint64_t{255} << 20;
  CHECK(grade_of(facts, "space") == Grade::problem);
  facts.free_bytes = uint64_t{1023} << 20;
  CHECK(grade_of(facts, "space") == Grade::warning);
  facts = home();
  facts.free_inodes = 999;
  CHECK(grade_of(facts, "space") == Grade::problem);
  facts.free_inodes = 9'999;
  CHECK(grade_of(facts, "space") == Grade::warning);
  facts.free_inodes = facts.total_inodes = 0;  // btrfs counts none
  CHECK(grade_of(facts, "space") == Grade::ok);
}

TEST_CASE("doctor: flushes that are slow, not done or not measured") {
  auto facts = home();
  facts.flush_us = 50'001;
  CHECK(grade_of(facts, "flush") == Grade::warning);
  facts.flush_us = 5;
  CHECK(grade_of(facts, "flush") == Grade::warning);
  facts.write_cache = WriteCache::write_through;
  CHECK(grade_of(facts, "flush") == Grade::ok);
  facts.flush_us.reset();
  facts.flush_error = "Permission denied";
  CHECK(grade_of(facts, "flush") == Grade::warning);
  facts.memory_file_system = "tmpfs";
  CHECK(grade_of(facts, "flush") == Grade::problem);
  facts.write_cache = WriteCache::unknown;
  CHECK(grade_of(facts, "write-cache") == Grade::ok);
}

TEST_CASE("doctor: the clock") {
  CHECK(judge(ClockFacts{"Function not implemented", false, 0}).grade == Grade::warning);
  CHECK(judge(ClockFacts{"", false, 0}).text == "is not synchronised");
  CHECK(judge(ClockFacts{"", true, 1'000'001}).grade == Grade::warning);
  CHECK(judge(ClockFacts{"", true, 12'000}).grade == Grade::ok);
}

TEST_CASE("doctor: limits") {
  auto findings = judge(LimitFacts{true, 1024, 4000, 128});
  CHECK(findings[0].grade == Grade::warning);
  CHECK(findings[0].remedy.contains("LimitNOFILE=4000"));
  CHECK(findings[1].grade == Grade::warning);
  findings = judge(LimitFacts{false, 1024, 4000, 4096});
  CHECK(exit_code_of(findings) == 0);
  CHECK_FALSE(soft_limit("Max open files", "Max open files").has_value());
  CHECK_FALSE(soft_limit("", "Max open files").has_value());
  CHECK(soft_limit("Limit\nMax open files   1024   4096  files\n", "Max open files") == 1024);
  CHECK(soft_limit("Max open files unlimited unlimited", "Max open files") == UINT64_MAX);
}

TEST_CASE("doctor: io_uring") {
  CHECK(judge(IoFacts{true, true, "", "EPERM"}).grade == Grade::problem);
  CHECK(judge(IoFacts{true, false, "", "EPERM"}).grade == Grade::warning);
  CHECK(judge(IoFacts{true, false, "epoll (EPERM)", ""}).grade == Grade::warning);
  CHECK(judge(IoFacts{true, false, "io_uring", ""}).grade == Grade::ok);
  CHECK(judge(IoFacts{false, false, "epoll", ""}).grade == Grade::ok);
}

TEST_CASE("doctor: ports and the daemon") {
  CHECK(judge(PortFacts{"a", "all-unassigned:25", "in use by postfix", false}).grade ==
        Grade::problem);
  CHECK(judge(PortFacts{"a", "all-unassigned:25", "", false}).text == "free");
  CHECK(exit_code_of(judge(DaemonFacts{"no control socket", {}, 0})) == 2);
  DaemonFacts facts;
  facts.servers = {{"a", "stopped", "port busy"},
                   {"b", "started", "keeps its bindings"},
                   {"c", "stopped", ""},
                   {"d", "started", ""}};
  const auto findings = judge(facts);
  REQUIRE(findings.size() == 5);
  CHECK(findings[1].grade == Grade::problem);
  CHECK(findings[2].grade == Grade::warning);
  CHECK(findings[3].remedy.contains("start c"));
  CHECK(findings[4].grade == Grade::ok);
}

TEST_CASE("doctor: hosts as they are written") {
  for (const char* const bad : {"", " ", "a b", "[relay.example]", "[192.0.2.1", "a:0", "a:65536",
                                "a:x", ":25", "a\r\nQUIT", "[]"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_host(bad).has_value());
  }
  CHECK(parse_host("relay.example")->host == "relay.example");
  CHECK(parse_host("relay.example:587")->port == 587);
  CHECK(parse_host("[2001:db8::1]:26")->host == "2001:db8::1");
  CHECK(parse_host("2001:db8::1")->is_literal);
  CHECK(parse_host("192.0.2.7:26")->is_literal);
}

}  // namespace
}  // namespace mailroot::ctl
