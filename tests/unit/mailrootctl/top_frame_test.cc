#include "top_frame.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace mailroot::ctl {
namespace {

using nlohmann::json;

TopSample sample(double seconds, uint64_t accepted, uint64_t delivered) {
  TopSample out;
  out.seconds = seconds;
  out.status = {{"version", "1"},
                {"servers",
                 {{{"id", "default"},
                   {"state", "started"},
                   {"inbound", {{"messages", accepted}, {"bytes", 0}, {"connections_open", 3}}},
                   {"outbound", {{"delivered", delivered}, {"connections_open", 2}}},
                   {"queue", {{"messages", 9}, {"waiting", 8}, {"held", 1}}}}}}};
  return out;
}

TEST_CASE("top: nothing to show, and answers out of form") {
  for (const char* const status : {"{}", R"({"servers":[]})", R"({"servers":[{}]})",
                                   R"({"servers":[{"inbound":{"messages":"x"}}]})"}) {
    TopSample now;
    now.status = json::parse(status);
    CHECK(top_frame({}, now, 80, 24).size() >= 3);
    CHECK(top_frame({}, now, 0, 0).empty());
  }
}

TEST_CASE("top: rates are of the time between, never negative") {
  const auto faster = top_json(sample(10, 100, 50), sample(12, 300, 50));
  CHECK(faster["servers"][0]["id"] == "all");
  CHECK(faster["servers"][1]["accepted_per_second"] == 100.0);
  CHECK(faster["servers"][1]["delivered_per_second"] == 0.0);
  const auto anew = top_json(sample(10, 100, 50), sample(12, 3, 1));
  CHECK(anew["servers"][1]["accepted_per_second"] == 0.0);
  const auto same_time = top_json(sample(10, 1, 1), sample(10, 5, 5));
  CHECK(same_time["servers"][1]["accepted_per_second"] == 0.0);
}

TEST_CASE("top: lines fit, and command no terminal") {
  TopSample now = sample(1, 1, 1);
  for (int i = 0; i < 30; ++i) {
    now.destinations.push_back({{"destination", "host\x1b[2J" + std::to_string(i)},
                                {"state", i == 29 ? "backoff" : "busy"},
                                {"waiting", i},
                                {"last_error", std::string(300, 'x')}});
  }
  now.trouble = "gone\x1b";
  for (const size_t rows : {1, 2, 5, 10, 24, 100}) {
    const auto lines = top_frame(sample(0, 0, 0), now, 60, rows);
    CHECK(lines.size() <= rows);
    for (const std::string& line : lines) {
      CHECK(line.size() <= 60);
      CHECK(std::ranges::none_of(line, [](char c) { return c < ' ' || c > '~'; }));
    }
  }
  const auto lines = top_frame(sample(0, 0, 0), now, 200, 24);
  const auto head = std::ranges::find_if(
      lines, [](const std::string& line) { return line.starts_with("SLOWEST"); });
  REQUIRE(head + 2 < lines.end());
  CHECK((head + 1)->contains("[2J29"));
  CHECK((head + 2)->contains("[2J28"));
}

}  // namespace
}  // namespace mailroot::ctl
