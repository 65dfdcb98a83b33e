#include "moving.h"

#include <doctest/doctest.h>

namespace mailroot::server {
namespace {

TEST_CASE("moving: what is no message on its way") {
  for (const char* const bad : {"", ".", "00000001000000000001", "00000001000000000001.",
                                "0000000100000000000.other", "0000000100000000000x.other",
                                "00000001000000000001-other", ".00000001000000000001.other"}) {
    CAPTURE(bad);
    CHECK_FALSE(MovingName::parse(bad).has_value());
  }
}

TEST_CASE("moving: a name is read as it was written") {
  const auto name = MovingName::parse("00000001000000000A05.branch.office");
  REQUIRE(name.has_value());
  CHECK(name->to == "branch.office");
  CHECK(name->to_string() == "00000001000000000A05.branch.office");
  CHECK(pickup_name("sales", name->id) == "moved-sales-00000001000000000A05.eml");
}

}  // namespace
}  // namespace mailroot::server
