#include "mailroot/import/ip_list.h"

#include <doctest/doctest.h>

#include "made.h"
#include "mailroot/import/limits.h"

namespace mailroot::import {

namespace {

// Granted: 127.0.0.1, the published blob of the dialogue's own making.
constexpr std::string_view kLoopback =
    "18000080200000803c00008044000080010000004c0000000000000000000000010000000100000002000000020000"
    "0"
    "004000000000000004c00008000000000000000000000000000000000ffffffff7f000001";

std::string refusal(std::string_view hex) {
  const auto list = decode_ip_list(hex);
  return list ? "" : list.error();
}

// The u32 at `offset` of a blob replaced.
std::string with(std::string hex, size_t offset, uint32_t value) {
  std::string text;
  for (int shift = 0; shift < 32; shift += 8) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const uint32_t octet = value >> shift & 0xFF;
    text += kDigits[octet >> 4];
    text += kDigits[octet & 15];
  }
  return hex.replace(offset * 2, 8, text);
}

}  // namespace

TEST_CASE("the published blob, and the maker of blobs says the same octets") {
  const auto list = decode_ip_list(kLoopback);
  REQUIRE(list.has_value());
  CHECK(list->deny.empty());
  REQUIRE(list->grant.size() == 1);
  CHECK(list->grant[0] == MaskedAddress{0x7F000001, 0xFFFFFFFF});
  CHECK(to_network(list->grant[0])->to_string() == "127.0.0.1/32");
  CHECK(ip_list({}, {{"255.255.255.255", {"127.0.0.1"}}}) == kLoopback);
}

TEST_CASE("several masks, both lists, upper case, blanks around") {
  std::string hex = ip_list({{"255.255.255.255", {"203.0.113.66", "203.0.113.67"}}},
                            {{"255.255.255.255", {"192.0.2.10"}},
                             {"255.255.0.0", {"10.20.0.0", "10.30.0.0"}},
                             {"0.0.0.0", {"0.0.0.0"}}});
  for (char& c : hex) c = static_cast<char>(std::toupper(c));
  const auto list = decode_ip_list(" " + hex + "\n");
  REQUIRE(list.has_value());
  CHECK(list->deny.size() == 2);
  REQUIRE(list->grant.size() == 4);
  CHECK(to_network(list->grant[2])->to_string() == "10.30.0.0/16");
  CHECK(to_network(list->grant[3])->to_string() == "0.0.0.0/0");
  CHECK(list->grant[1].to_string() == "10.20.0.0 mask 255.255.0.0");
}

TEST_CASE("names are counted, masks with holes have no network") {
  const auto list = decode_ip_list(ip_list({}, {{"255.0.255.0", {"10.0.1.0"}}}, 2, 3));
  REQUIRE(list.has_value());
  CHECK(list->deny_names == 2);
  CHECK(list->grant_names == 3);
  CHECK(to_network(list->grant[0]) == std::nullopt);
}

TEST_CASE("blobs that do not hold together") {
  const std::string good(kLoopback);
  CHECK(refusal("1800") == "is shorter than its header");
  CHECK(refusal("180") == "has an odd number of hexadecimal digits");
  CHECK(refusal("xx") == "is not hexadecimal");
  CHECK(refusal(good.substr(0, good.size() - 8)) == "the addresses of a group lie outside of it");
  for (const size_t pointer : {size_t{0}, size_t{4}, size_t{8}, size_t{12}, size_t{56}}) {
    CHECK_FALSE(refusal(with(good, pointer, 24)).empty());          // no pointer
    CHECK_FALSE(refusal(with(good, pointer, 0xFFFFFFFF)).empty());  // far outside
    CHECK_FALSE(refusal(with(good, pointer, 0x80000000)).empty());  // into its own header
    CHECK_FALSE(refusal(with(good, pointer, 0x80000054)).empty());  // at its end
  }
  CHECK(refusal(with(good, 32, 2)) == "its grant list claims more groups than it has");
  CHECK(refusal(with(good, 32, 0)) == "its grant list claims 1 addresses and has 0");
  CHECK(refusal(with(good, 36, 0xFFFFFFFF)).contains("(limit kIpListEntriesMax)"));
  CHECK(refusal(with(good, 36, 9)) == "its grant list claims 9 addresses and has 1");
  CHECK(refusal(with(good, 40, 23)) == "has a group of address family 23, which is not IPv4");
  CHECK_FALSE(refusal(with(good, 44, 1)).empty());
  CHECK(refusal(with(good, 44, 0xFFFFFFFF)) == "a group claims more addresses than its list");
  CHECK_FALSE(refusal(with(good, 48, 16)).empty());
}

TEST_CASE("a blob of many groups over the same octets costs no more than its addresses") {
  std::vector<Group> groups(300, Group{"255.255.255.255", {"192.0.2.1"}});
  std::string hex = ip_list({}, groups);
  hex = with(hex, 36, 300);
  CHECK(decode_ip_list(hex).has_value());
  // Every group claims all of them.
  for (size_t i = 0; i < groups.size(); ++i) hex = with(hex, 40 + 20 * i + 4, 301);
  CHECK_FALSE(refusal(hex).empty());
  CHECK(
      refusal(std::string(2 * (4 * kIpListEntriesMax + 8192), '0')).contains("kIpListEntriesMax"));
}

}  // namespace mailroot::import
