// IP addresses, IP:port pairs and CIDR networks as plain values. An IPv4-mapped IPv6 address
// (::ffff:a.b.c.d) is always held as the IPv4 address it stands for: policy sees one form.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct sockaddr;

namespace mailroot {

enum class IpFamily : uint8_t { v4, v6 };

class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  static IpAddress v4(uint32_t host_order);
  static IpAddress from_bytes(IpFamily family, const uint8_t* bytes);  // 4 or 16, network order
  static std::optional<IpAddress> parse(std::string_view text);        // no brackets, no zone
  static IpAddress any(IpFamily family);

  IpFamily family() const { return family_; }
  bool is_any() const;
  bool is_loopback() const;
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }  // IPv4: the first four
  std::string to_string() const;
  // "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 4.1.3).
  std::string to_literal() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  IpFamily family_ = IpFamily::v4;
  std::array<uint8_t, 16> bytes_{};
};

struct SocketAddress {
  IpAddress ip;
  uint16_t port = 0;

  // Writes into storage of at least sizeof(sockaddr_in6); returns the length used.
  uint32_t to_sockaddr(sockaddr* storage) const;
  static SocketAddress from_sockaddr(const sockaddr* storage);
  static std::optional<SocketAddress> parse(std::string_view text);  // "1.2.3.4:25", "[::1]:25"
  std::string to_string() const;
  friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
};

class Network {
 public:
  Network(IpAddress base, unsigned prefix_length);  // host bits are cleared
  // "192.0.2.0/24", "::1", "2001:db8::/32"; nothing for a prefix out of range.
  static std::optional<Network> parse(std::string_view text);
  bool contains(const IpAddress& address) const;
  unsigned prefix_length() const { return prefix_length_; }
  std::string to_string() const;
  friend bool operator==(const Network&, const Network&) = default;

 private:
  IpAddress base_;
  unsigned prefix_length_;
};

}  // namespace mailroot
