#include "test_mail.h"

#include <doctest/doctest.h>

namespace mailroot::ctl {
namespace {

TEST_CASE("test-mail: replies without a queue id, listeners without an address") {
  CHECK(queue_id_in("").empty());
  CHECK(queue_id_in("2.6.0 ok").empty());
  CHECK(queue_id_in("0000000100000000000").empty());
  CHECK(queue_id_in("<> > <").empty());
  CHECK(queue_id_in("2.6.0 <00000001000000000001> Queued") == "00000001000000000001");
  CHECK(queue_id_in("00000001000000000001 Queued") == "00000001000000000001");
  CHECK_FALSE(address_of_listener("").has_value());
  CHECK_FALSE(address_of_listener("all-unassigned:").has_value());
  CHECK_FALSE(address_of_listener("all-unassigned:70000").has_value());
  CHECK(address_of_listener("all-unassigned:25")->to_string() == "127.0.0.1:25");
  CHECK(address_of_listener("[::1]:2525")->port == 2525);
}

TEST_CASE("test-mail: what counts as deferred") {
  CHECK_FALSE(is_deferred({{"state", "waiting"}, {"attempts", 0}}));
  CHECK_FALSE(is_deferred({{"state", "ready"}, {"attempts", 1}}));
  CHECK_FALSE(is_deferred(nlohmann::json::object()));
  CHECK(is_deferred({{"state", "waiting"}, {"attempts", 1}}));
}

TEST_CASE("test-mail: the message is whole, and nothing answers it by itself") {
  const std::string content =
      content_of({"a@example.com", "b@example.org", "mx.example", "Thu, 05 Mar 2026", "x1"});
  CHECK(content.ends_with("\r\n.\r\n"));
  CHECK(content.contains("\r\n\r\n"));
  CHECK(content.contains("Message-ID: <x1@mx.example>\r\n"));
  CHECK(content.contains("Auto-Submitted: auto-generated\r\n"));
}

}  // namespace
}  // namespace mailroot::ctl
