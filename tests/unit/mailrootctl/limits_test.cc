#include <doctest/doctest.h>

#include <algorithm>

#include "limit_rows.h"
#include "limit_table.h"
#include "mailroot/deliver/limits.h"

namespace mailroot::ctl {
namespace {

config::EffectiveKey key(const std::string& path, const std::string& value) {
  config::EffectiveKey out;
  out.key.path = path;
  out.value = value;
  return out;
}

TEST_CASE("limits: what the daemon does not say has no use") {
  const std::vector keys = {key("name", "x"), key("connections.limit", "1000"),
                            key("spool.free_min", "256 MiB")};
  for (const char* const state :
       {"null", "{}", "[]", R"({"inbound":3})", R"({"inbound":{"connections_open":-1}})"}) {
    const auto rows = server_limits("a", keys, nlohmann::json::parse(state), std::nullopt);
    REQUIRE(rows.size() == 2);
    CHECK_FALSE(rows[0].use.has_value());
    CHECK_FALSE(rows[1].use.has_value());
  }
}

TEST_CASE("limits: use, and where to change it") {
  auto set = key("connections.limit", "10");
  set.place = config::Place{"/etc/a.yaml", 7, 3};
  const auto state = nlohmann::json::parse(
      R"({"inbound":{"connections_open":3},"outbound":{"connections_open":4}})");
  const auto rows = server_limits("a", {set, key("delivery.outbound.connections", "1000")}, state,
                                  uint64_t{5} << 20);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].use == 3);
  CHECK(rows[0].change == "/etc/a.yaml:7");
  CHECK(rows[1].use == 4);
  CHECK(rows[1].change == "default; mailrootctl server set a delivery.outbound.connections VALUE");
}

TEST_CASE("limits: of the system") {
  const std::string text =
      "Limit                     Soft Limit           Hard Limit           Units     \n"
      "Max open files            524288               524288               files     \n"
      "Max locked memory         unlimited            unlimited            bytes     \n";
  CHECK_FALSE(system_limit("", "Max open files").has_value());
  CHECK_FALSE(system_limit(text, "Max open").has_value());
  CHECK(system_limit(text, "Max open files") == "524288");
  CHECK(system_limit(text, "Max locked memory") == "unlimited");
}

TEST_CASE("limits: the fixed ones are those of the headers") {
  const auto limits = fixed_limits();
  CHECK(limits.size() > 200);
  const auto found =
      std::ranges::find(limits, std::string("kRecipientsPerTransaction"), &FixedLimit::name);
  REQUIRE(found != limits.end());
  CHECK(found->module == "deliver");
  CHECK(found->value == std::to_string(deliver::kRecipientsPerTransaction));
  CHECK_FALSE(found->comment.empty());
}

TEST_CASE("limits: spans of time") {
  CHECK(text_of(std::chrono::milliseconds(250)) == "250 ms");
  CHECK(text_of(std::chrono::milliseconds(2000)) == "2 s");
  CHECK(text_of(std::chrono::seconds(90)) == "90 s");
  CHECK(text_of(std::chrono::minutes(120)) == "2 h");
}

}  // namespace
}  // namespace mailroot::ctl
