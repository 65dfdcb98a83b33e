#include "connection_filter.h"

#include <doctest/doctest.h>

namespace mailroot::ctl {
namespace {

nlohmann::json connection(const char* peer) {
  return {{"server", "default"}, {"direction", "in"}, {"peer", peer}};
}

TEST_CASE("what is no network is told before anybody is asked") {
  CHECK_FALSE(ConnectionFilter{"", "example.com", ""}.is_valid());
  CHECK_FALSE(ConnectionFilter{"", "192.0.2.0/33", ""}.is_valid());
  CHECK_FALSE(ConnectionFilter{"", "192.0.2", ""}.is_valid());
  CHECK(ConnectionFilter{"", "192.0.2.0/24", ""}.is_valid());
  CHECK(ConnectionFilter{"", "2001:db8::1", ""}.is_valid());
  CHECK(ConnectionFilter{}.is_valid());
}

TEST_CASE("a peer that is not known yet is in no network") {
  const ConnectionFilter all_v4{"", "0.0.0.0/0", ""};
  CHECK_FALSE(all_v4.matches(connection("")));
  CHECK_FALSE(all_v4.matches(connection("junk")));
  CHECK_FALSE(all_v4.matches(connection("[2001:db8::1]:25")));
  CHECK(all_v4.matches(connection("192.0.2.7:40000")));
}

TEST_CASE("everything that is asked has to match") {
  const auto one = connection("192.0.2.7:40000");
  CHECK(ConnectionFilter{"default", "192.0.2.0/24", "in"}.matches(one));
  CHECK_FALSE(ConnectionFilter{"other", "192.0.2.0/24", "in"}.matches(one));
  CHECK_FALSE(ConnectionFilter{"default", "192.0.3.0/24", "in"}.matches(one));
  CHECK_FALSE(ConnectionFilter{"default", "192.0.2.0/24", "out"}.matches(one));
  CHECK(ConnectionFilter{}.is_empty());
  CHECK_FALSE(ConnectionFilter{"", "", "out"}.is_empty());
}

}  // namespace
}  // namespace mailroot::ctl
