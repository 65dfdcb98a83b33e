// New addresses as the kernel tells them, and datagrams that are cut or lie about lengths.
#include "address_watch.h"

#include <doctest/doctest.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

using namespace mailroot;
using namespace mailroot::server;

namespace {

using Bytes = std::vector<std::byte>;

template <class T>
void put(Bytes& out, const T& value) {
  const auto* const bytes = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}

void put_address(Bytes& out, uint16_t type, std::string_view text) {
  const IpAddress address = *IpAddress::parse(text);
  const size_t size = address.family() == IpFamily::v4 ? 4 : 16;
  put(out, rtattr{static_cast<uint16_t>(sizeof(rtattr) + size), type});
  const auto* const bytes = reinterpret_cast<const std::byte*>(address.bytes().data());
  out.insert(out.end(), bytes, bytes + size);
}

struct Notice {
  uint16_t type = RTM_NEWADDR;
  uint8_t family = AF_INET;
  uint32_t flags = 0;
  std::string local = {}, address = {};
};

Bytes datagram(const Notice& notice) {
  Bytes body;
  ifaddrmsg head{};
  head.ifa_family = notice.family;
  put(body, head);
  if (!notice.address.empty()) put_address(body, IFA_ADDRESS, notice.address);
  if (!notice.local.empty()) put_address(body, IFA_LOCAL, notice.local);
  put(body, rtattr{sizeof(rtattr) + sizeof notice.flags, IFA_FLAGS});
  put(body, notice.flags);
  Bytes out;
  nlmsghdr message{};
  message.nlmsg_len = static_cast<uint32_t>(sizeof message + body.size());
  message.nlmsg_type = notice.type;
  put(out, message);
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

std::string read(const Bytes& bytes) {
  AddressNews news;
  read_address_news(bytes, news);
  std::string out;
  for (const IpAddress& address : news.appeared) out += address.to_string() + " ";
  return out + (news.lost ? "lost" : "");
}

}  // namespace

TEST_CASE("new addresses of both families are read") {
  CHECK(read(datagram({.local = "192.0.2.1", .address = "192.0.2.1"})) == "192.0.2.1 ");
  CHECK(read(datagram({.local = "192.0.2.1", .address = "192.0.2.2"})) == "192.0.2.1 ");
  CHECK(read(datagram({.family = AF_INET6, .address = "2001:db8::1"})) == "2001:db8::1 ");
  Bytes two = datagram({.local = "192.0.2.1"});
  const Bytes second = datagram({.family = AF_INET6, .address = "2001:db8::1"});
  two.insert(two.end(), second.begin(), second.end());
  CHECK(read(two) == "192.0.2.1 2001:db8::1 ");
}

TEST_CASE("an address that cannot be listened at yet is none") {
  const Notice tentative{.family = AF_INET6, .flags = IFA_F_TENTATIVE, .address = "2001:db8::1"};
  CHECK(read(datagram(tentative)).empty());
  Notice optimistic = tentative;
  optimistic.flags |= IFA_F_OPTIMISTIC;
  CHECK(read(datagram(optimistic)) == "2001:db8::1 ");
}

TEST_CASE("other messages say nothing") {
  CHECK(read(datagram({.type = RTM_DELADDR, .local = "192.0.2.1"})).empty());
  CHECK(read(datagram({.type = RTM_NEWLINK, .local = "192.0.2.1"})).empty());
  CHECK(read(datagram({.family = AF_UNIX, .local = "192.0.2.1"})).empty());
  CHECK(read(datagram({.family = AF_INET6, .local = "192.0.2.1"})).empty());
  CHECK(read(datagram({})).empty());
  CHECK(read(datagram({.type = NLMSG_OVERRUN})) == "lost");
  CHECK(read({}).empty());
}

TEST_CASE("a datagram cut anywhere is survived, and lengths are not believed") {
  const Bytes whole = datagram({.local = "192.0.2.1", .address = "192.0.2.1"});
  for (size_t size = 0; size < whole.size(); ++size) {
    CHECK(read(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size))).empty());
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0, 1, 3, 127, 255}) {
      Bytes changed = whole;
      changed[at] = static_cast<std::byte>(value);
      CHECK(read(changed).size() <= 32);
    }
  }
}

TEST_CASE("a watch opens without any right and has no news at first") {
  AddressWatch watch;
  const auto opened = watch.open();
  REQUIRE(opened.has_value());
  CHECK(watch.descriptor() >= 0);
  const AddressNews news = watch.take();
  CHECK_FALSE(news.lost);
}
