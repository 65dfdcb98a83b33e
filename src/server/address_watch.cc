#include "address_watch.h"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "limits.h"

namespace mailroot::server {

namespace {

template <class T>
std::optional<T> read_as(ByteView bytes) {
  T value;
  if (bytes.size() < sizeof value) return std::nullopt;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// The next record is that far, or at the end.
ByteView after(ByteView bytes, size_t length) {
  const size_t aligned = (length + NLMSG_ALIGNTO - 1) / NLMSG_ALIGNTO * NLMSG_ALIGNTO;
  return bytes.subspan(std::min(aligned, bytes.size()));
}

std::optional<IpAddress> address_of(ByteView bytes, IpFamily family) {
  if (bytes.size() != (family == IpFamily::v4 ? 4 : 16)) return std::nullopt;
  return IpAddress::from_bytes(family, reinterpret_cast<const uint8_t*>(bytes.data()));
}

// One RTM_NEWADDR: struct ifaddrmsg, then attributes. Of a point-to-point link IFA_LOCAL is ours
// and IFA_ADDRESS the other end; elsewhere they are equal, or IFA_LOCAL is missing.
void read_new_address(ByteView message, AddressNews& news) {
  const auto head = read_as<ifaddrmsg>(message);
  if (!head || (head->ifa_family != AF_INET && head->ifa_family != AF_INET6)) return;
  const IpFamily family = head->ifa_family == AF_INET ? IpFamily::v4 : IpFamily::v6;
  uint32_t flags = head->ifa_flags;
  std::optional<IpAddress> local, address;
  ByteView rest = after(message, sizeof *head);
  while (const auto attribute = read_as<rtattr>(rest)) {
    if (attribute->rta_len < sizeof *attribute || attribute->rta_len > rest.size()) break;
    const ByteView value = rest.subspan(sizeof *attribute, attribute->rta_len - sizeof *attribute);
    if (attribute->rta_type == IFA_LOCAL) local = address_of(value, family);
    if (attribute->rta_type == IFA_ADDRESS) address = address_of(value, family);
    if (attribute->rta_type == IFA_FLAGS) flags = read_as<uint32_t>(value).value_or(flags);
    rest = after(rest, attribute->rta_len);
  }
  if (!local) local = address;
  // Nobody can listen at it yet; when its uniqueness is known it is announced again.
  const bool is_tentative = (flags & IFA_F_TENTATIVE) != 0 && (flags & IFA_F_OPTIMISTIC) == 0;
  if (local && !is_tentative) news.appeared.push_back(*local);
}

}  // namespace

void read_address_news(ByteView datagram, AddressNews& news) {
  while (const auto head = read_as<nlmsghdr>(datagram)) {
    if (head->nlmsg_len < sizeof *head || head->nlmsg_len > datagram.size()) return;
    const ByteView message = datagram.subspan(sizeof *head, head->nlmsg_len - sizeof *head);
    if (head->nlmsg_type == RTM_NEWADDR) read_new_address(message, news);
    if (head->nlmsg_type == NLMSG_OVERRUN) news.lost = true;
    datagram = after(datagram, head->nlmsg_len);
  }
}

AddressWatch::~AddressWatch() {
  if (socket_ != reactor::kNoDescriptor) ::close(socket_);
}

result<void> AddressWatch::open() {
  socket_ = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (socket_ < 0) return std::unexpected(error_from_errno(errno));
  sockaddr_nl groups{};
  groups.nl_family = AF_NETLINK;
  groups.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (::bind(socket_, reinterpret_cast<const sockaddr*>(&groups), sizeof groups) == 0) return {};
  const Error why = error_from_errno(errno);
  ::close(std::exchange(socket_, reactor::kNoDescriptor));
  return std::unexpected(why);
}

AddressNews AddressWatch::take() {
  AddressNews news;
  alignas(nlmsghdr) std::byte buffer[kAddressNewsBytes];
  for (int turn = 0; turn < kAddressNewsMax; ++turn) {
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof sender;
    const ssize_t size = ::recvfrom(socket_, buffer, sizeof buffer, 0,
                                    reinterpret_cast<sockaddr*>(&sender), &sender_size);
    if (size < 0 && errno == ENOBUFS) {
      news.lost = true;
    } else if (size < 0) {
      break;
    } else if (sender.nl_pid == 0) {  // the kernel: other processes may send here too
      read_address_news(ByteView(buffer, static_cast<size_t>(size)), news);
    }
  }
  return news;
}

}  // namespace mailroot::server
