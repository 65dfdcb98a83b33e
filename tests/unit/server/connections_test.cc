#include "mailroot/server/connections.h"

#include <doctest/doctest.h>

namespace mailroot::server {
namespace {

TEST_CASE("what is no name of a connection is none") {
  for (const char* const text :
       {"", "/", "/in0.1", "default", "default/", "default/in", "default/in0", "default/in0.",
        "default/in.1", "default/in0.1x", "default/in-1.1", "default/in65536.1", "default/up0.1",
        "default/in0.18446744073709551616", "default/out0,1", "default/in0.1/"}) {
    CAPTURE(text);
    CHECK_FALSE(ConnectionName::parse(text).has_value());
  }
}

TEST_CASE("a name and its text are the same thing") {
  for (const char* const text : {"default/in0.1", "a/b/out65535.18446744073709551615"}) {
    const auto name = ConnectionName::parse(text);
    REQUIRE(name.has_value());
    CHECK(name->to_string() == text);
  }
  const auto name = ConnectionName::parse("branch office/out3.17");
  REQUIRE(name.has_value());
  CHECK(name->server == "branch office");
  CHECK(name->shard == 3);
  CHECK(name->direction == Direction::out);
  CHECK(name->number == 17);
}

}  // namespace
}  // namespace mailroot::server
