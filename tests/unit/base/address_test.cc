#include "mailroot/base/address.h"

#include <doctest/doctest.h>
#include <netinet/in.h>

using namespace mailroot;

TEST_CASE("addresses parse by the grammar and nothing else") {
  CHECK(IpAddress::parse("192.0.2.1")->to_string() == "192.0.2.1");
  CHECK(IpAddress::parse("2001:DB8::1")->to_string() == "2001:db8::1");
  for (const char* bad : {"", "1.2.3", "1.2.3.256", "01.2.3.4.5", "::1%lo", "[::1]", "1.2.3.4 ",
                          "2130706433", "::ffff:1.2.3.4.5"}) {
    CHECK_FALSE(IpAddress::parse(bad));
  }
}

TEST_CASE("a mapped address is the IPv4 address it stands for") {
  const auto mapped = *IpAddress::parse("::ffff:127.0.0.1");
  CHECK(mapped.family() == IpFamily::v4);
  CHECK(mapped == *IpAddress::parse("127.0.0.1"));
  CHECK(mapped.is_loopback());
  CHECK(Network::parse("127.0.0.0/8")->contains(mapped));
}

TEST_CASE("literals as RFC 5321 4.1.3 writes them") {
  CHECK(IpAddress::v4(0xC0000201).to_literal() == "[192.0.2.1]");
  CHECK(IpAddress::parse("::1")->to_literal() == "[IPv6:::1]");
}

TEST_CASE("networks are exact at their edges") {
  const auto network = *Network::parse("192.0.2.64/26");
  CHECK(network.contains(*IpAddress::parse("192.0.2.64")));
  CHECK(network.contains(*IpAddress::parse("192.0.2.127")));
  CHECK_FALSE(network.contains(*IpAddress::parse("192.0.2.63")));
  CHECK_FALSE(network.contains(*IpAddress::parse("192.0.2.128")));
  CHECK(Network::parse("0.0.0.0/0")->contains(*IpAddress::parse("8.8.8.8")));
  CHECK_FALSE(Network::parse("0.0.0.0/0")->contains(*IpAddress::parse("::2")));
  CHECK(Network::parse("10.1.2.3/8")->to_string() == "10.0.0.0/8");
  for (const char* bad : {"192.0.2.0/33", "::/129", "192.0.2.0/", "192.0.2.0/-1", "/8", "x/8"}) {
    CHECK_FALSE(Network::parse(bad));
  }
}

TEST_CASE("socket addresses survive sockaddr and text") {
  for (const char* text : {"127.0.0.1:25", "[::1]:2525"}) {
    sockaddr_in6 storage{};
    const auto address = *SocketAddress::parse(text);
    CHECK(address.to_string() == text);
    address.to_sockaddr(reinterpret_cast<sockaddr*>(&storage));
    CHECK(SocketAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&storage)) == address);
  }
  for (const char* bad : {"::1:25", "127.0.0.1", "[127.0.0.1]:25", "127.0.0.1:99999", ":25"}) {
    CHECK_FALSE(SocketAddress::parse(bad));
  }
}
