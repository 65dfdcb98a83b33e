#include "mailroot/receive/login_guard.h"

#include <doctest/doctest.h>

#include "limits.h"

namespace mailroot::receive {

namespace {

const IpAddress kClient = *IpAddress::parse("192.0.2.7");
const IpAddress kOther = *IpAddress::parse("192.0.2.8");
constexpr Instant kStart{std::chrono::hours(1)};

void fail(LoginGuard& guard, const IpAddress& client, const std::string& user, uint32_t times) {
  for (uint32_t i = 0; i < times; ++i) guard.failed(client, user, kStart);
}

}  // namespace

TEST_CASE("replies wait longer with each failure, up to a limit") {
  LoginGuard guard;
  Duration before{};
  for (uint32_t i = 0; i < kLoginFailuresPerAddress; ++i) {
    const Duration delay = guard.failed(kClient, "user", kStart);
    CHECK(delay >= before);
    before = delay;
  }
  CHECK(before == kLoginDelayMax);
  CHECK(guard.failed(kOther, "another", kStart) == Duration(kLoginDelayFirst));
}

TEST_CASE("an address is banned, whoever it says it is, and for a time only") {
  LoginGuard guard;
  fail(guard, kClient, "", kLoginFailuresPerAddress - 1);
  CHECK_FALSE(guard.ban_of(kClient, "user", kStart).has_value());
  guard.failed(kClient, "", kStart);
  const auto ban = guard.ban_of(kClient, "user", kStart);
  REQUIRE(ban.has_value());
  CHECK(ban->is_address);
  CHECK(ban->who == "192.0.2.7");
  CHECK(ban->until == kStart + kLoginBan);
  CHECK_FALSE(guard.ban_of(kOther, "user", kStart).has_value());
  CHECK_FALSE(guard.ban_of(kClient, "user", kStart + kLoginBan).has_value());
  // Then it begins anew.
  guard.failed(kClient, "", kStart + kLoginBan);
  CHECK_FALSE(guard.ban_of(kClient, "user", kStart + kLoginBan).has_value());
}

TEST_CASE("failures that are far apart do not add up; a success forgives an address") {
  LoginGuard guard;
  fail(guard, kClient, "", kLoginFailuresPerAddress - 1);
  guard.failed(kClient, "", kStart + kLoginWindow);
  CHECK_FALSE(guard.ban_of(kClient, "", kStart + kLoginWindow).has_value());
  fail(guard, kOther, "", kLoginFailuresPerAddress - 1);
  guard.succeeded(kOther, "user", kStart);
  guard.failed(kOther, "", kStart);
  CHECK_FALSE(guard.ban_of(kOther, "", kStart).has_value());
}

TEST_CASE("an IPv6 network of 64 bits is one client") {
  LoginGuard guard;
  fail(guard, *IpAddress::parse("2001:db8::1"), "", kLoginFailuresPerAddress);
  CHECK(guard.ban_of(*IpAddress::parse("2001:db8::2"), "", kStart).has_value());
  CHECK_FALSE(guard.ban_of(*IpAddress::parse("2001:db8:0:1::1"), "", kStart).has_value());
  CHECK(guard.clear("2001:db8::9", kStart) == 1);
  CHECK(guard.bans(kStart).empty());
}

TEST_CASE("an account that many guess stays open where it was used") {
  LoginGuard guard;
  guard.succeeded(kClient, "user", kStart);
  for (uint32_t i = 0; i < kLoginFailuresPerAccount; ++i) {
    guard.failed(IpAddress::v4(0x0A000000 + i), "user", kStart);
  }
  const auto ban = guard.ban_of(kOther, "user", kStart);
  REQUIRE(ban.has_value());
  CHECK_FALSE(ban->is_address);
  CHECK(ban->who == "user");
  CHECK_FALSE(guard.ban_of(kClient, "user", kStart).has_value());
  CHECK_FALSE(guard.ban_of(kOther, "another", kStart).has_value());
  // Its own mistakes do not lock it out elsewhere, but they do count for its address.
  fail(guard, kClient, "user", kLoginFailuresPerAddress);
  CHECK(guard.ban_of(kClient, "user", kStart).has_value());
}

TEST_CASE("bans are listed by their end and cleared") {
  LoginGuard guard;
  fail(guard, kClient, "", kLoginFailuresPerAddress);
  for (uint32_t i = 0; i < kLoginFailuresPerAddress; ++i) {
    guard.failed(kOther, "", kStart + std::chrono::seconds(1));
  }
  const auto bans = guard.bans(kStart + std::chrono::seconds(1));
  REQUIRE(bans.size() == 2);
  CHECK(bans[0].who == "192.0.2.7");
  CHECK(bans[1].who == "192.0.2.8");
  CHECK(guard.clear("192.0.2.9", kStart) == 0);
  CHECK(guard.clear("192.0.2.7", kStart) == 1);
  CHECK(guard.bans(kStart).size() == 1);
  CHECK(guard.clear("", kStart) == 1);
  CHECK(guard.bans(kStart).empty());
}

TEST_CASE("what is remembered is bounded") {
  LoginGuard guard;
  for (uint32_t i = 0; i < kLoginFailuresMax + 100; ++i) {
    guard.failed(IpAddress::v4(0x0A000000 + i), "", kStart + std::chrono::microseconds(i));
  }
  CHECK(guard.clear("", kStart) == 0);  // nobody was banned
  fail(guard, kClient, "", kLoginFailuresPerAddress);
  CHECK(guard.ban_of(kClient, "", kStart).has_value());
}

}  // namespace mailroot::receive
