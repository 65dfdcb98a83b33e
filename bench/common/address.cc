#include "address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace mailroot::bench {
namespace {

sockaddr* generic(Address& address) { return reinterpret_cast<sockaddr*>(&address.storage); }

const sockaddr* generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.storage);
}

int close_with_errno(int socket) {
  int saved = errno;
  close(socket);
  errno = saved;
  return -1;
}

Address ipv4_address(in_addr host, uint16_t port) {
  Address address;
  auto* in = reinterpret_cast<sockaddr_in*>(&address.storage);
  in->sin_family = AF_INET;
  in->sin_addr = host;
  in->sin_port = htons(port);
  address.length = sizeof(sockaddr_in);
  return address;
}

Address ipv6_address(const in6_addr& host, uint16_t port) {
  Address address;
  auto* in = reinterpret_cast<sockaddr_in6*>(&address.storage);
  in->sin6_family = AF_INET6;
  in->sin6_addr = host;
  in->sin6_port = htons(port);
  address.length = sizeof(sockaddr_in6);
  return address;
}

}  // namespace

std::expected<Address, std::string> parse_address(std::string_view text) {
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::unexpected(fmt::format("'{}' has no port: write address:port", text));
  }
  std::string host(text.substr(0, colon));
  std::string_view digits = text.substr(colon + 1);
  uint16_t port = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return std::unexpected(fmt::format("'{}' is not a port", digits));
  }
  if (host == "localhost") {
    host = "127.0.0.1";
  }
  if (in_addr v4{}; inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    return ipv4_address(v4, port);
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    std::string inner = host.substr(1, host.size() - 2);
    if (in_addr v4{}; inet_pton(AF_INET, inner.c_str(), &v4) == 1) {
      return ipv4_address(v4, port);
    }
    if (in6_addr v6{}; inet_pton(AF_INET6, inner.c_str(), &v6) == 1) {
      return ipv6_address(v6, port);
    }
  }
  return std::unexpected(
      fmt::format("'{}' is not an address: write 127.0.0.1, [::1] or localhost", host));
}

bool is_loopback(const Address& address) {
  if (address.storage.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&address.storage);
    return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
  }
  const auto* in = reinterpret_cast<const sockaddr_in6*>(&address.storage);
  return IN6_IS_ADDR_LOOPBACK(&in->sin6_addr);
}

uint16_t port_of(const Address& address) {
  if (address.storage.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port);
}

std::string to_text(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.storage.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&address.storage);
    inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, port_of(address));
  }
  const auto* in = reinterpret_cast<const sockaddr_in6*>(&address.storage);
  inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
  return fmt::format("[{}]:{}", text, port_of(address));
}

Address loopback_client(uint32_t index) {
  return ipv4_address(in_addr{.s_addr = htonl(0x7f000002U + index % 0xfffff0U)}, 0);
}

int start_connect(const Address& to, const Address* from) {
  int socket = ::socket(to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) {
    return -1;
  }
  int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (from != nullptr) {
    // The port is chosen at connect, so that one client address has all ports per destination.
    setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(socket, generic(*from), from->length) < 0) {
      return close_with_errno(socket);
    }
  }
  if (connect(socket, generic(to), to.length) < 0 && errno != EINPROGRESS) {
    return close_with_errno(socket);
  }
  return socket;
}

int start_listen(const Address& at, int backlog) {
  int socket = ::socket(at.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) {
    return -1;
  }
  int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  // Accepted sockets inherit it.
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(socket, generic(at), at.length) < 0 || listen(socket, backlog) < 0) {
    return close_with_errno(socket);
  }
  return socket;
}

Address local_address(int socket) {
  Address address;
  address.length = sizeof address.storage;
  if (getsockname(socket, generic(address), &address.length) < 0) {
    return Address{};
  }
  return address;
}

}  // namespace mailroot::bench
