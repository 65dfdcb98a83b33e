#include "config_diff.h"

#include <doctest/doctest.h>

namespace mailroot::ctl {
namespace {

using nlohmann::json;

TEST_CASE("config diff: what would be refused") {
  const auto diff = diff_text(json::parse(R"({"problems":["a.yaml:3:1: x: unknown key"],
    "service":[{"key":"log.level","before":"info","after":"debug","change":"live"}]})"));
  CHECK(diff.would_be_refused);
  CHECK(diff.text.contains("a.yaml:3:1: x: unknown key\n"));
  CHECK_FALSE(diff.text.contains("log.level"));
}

TEST_CASE("config diff: nothing, also out of form") {
  for (const char* const same : {"{}", R"({"problems":[],"service":[],"servers":[]})",
                                 R"({"servers":[{"id":"a","action":"keep","changes":[]},
                       {"id":"b","action":"stay stopped"}]})"}) {
    const auto diff = diff_text(json::parse(same));
    CHECK_FALSE(diff.differs);
    CHECK(diff.text == "nothing differs; a reload would change nothing\n");
  }
}

TEST_CASE("config diff: who could not start before is no difference") {
  const auto diff = diff_text(json::parse(
      R"({"servers":[{"id":"a","action":"cannot start","reason":"port 25 is taken"}]})"));
  CHECK_FALSE(diff.differs);
  CHECK(diff.text.contains("virtual server a: cannot start: port 25 is taken\n"));
}

TEST_CASE("config diff: key by key") {
  const auto diff = diff_text(json::parse(R"({
    "service":[{"key":"service.shards","before":"2","after":"4","change":"restart"}],
    "servers":[{"id":"a","action":"retune","opens":["127.0.0.1:26"],"closes":[],
      "changes":[{"key":"connections.limit","before":"10","after":"20","change":"live"},
                 {"key":"bindings","before":"\n- a","after":"\n- b","change":"live"}]},
               {"id":"n","action":"start","is_new":true}]})"));
  CHECK(diff.differs);
  CHECK(diff.text ==
        "service\n  service.shards: 2 -> 4  (restart)\n"
        "virtual server a: retune\n  connections.limit: 10 -> 20\n"
        "  bindings:\n    - \n      - a\n    + \n      - b\n"
        "  opens 127.0.0.1:26\n"
        "virtual server n: start, it is new\n");
}

}  // namespace
}  // namespace mailroot::ctl
