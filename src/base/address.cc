#include "mailroot/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "mailroot/base/assert.h"

namespace mailroot {

namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

unsigned bits_of(IpFamily family) { return family == IpFamily::v4 ? 32 : 128; }

}  // namespace

IpAddress IpAddress::v4(uint32_t host_order) {
  IpAddress out;
  for (int i = 0; i < 4; ++i) out.bytes_[i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
  return out;
}

IpAddress IpAddress::from_bytes(IpFamily family, const uint8_t* bytes) {
  IpAddress out;
  const bool mapped =
      family == IpFamily::v6 && std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes);
  if (mapped) bytes += kMappedPrefix.size();
  out.family_ = mapped ? IpFamily::v4 : family;
  std::memcpy(out.bytes_.data(), bytes, bits_of(out.family_) / 8);
  return out;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char copy[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() > INET6_ADDRSTRLEN || text.contains('\0')) return std::nullopt;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  uint8_t bytes[16];
  if (inet_pton(AF_INET, copy, bytes) == 1) return from_bytes(IpFamily::v4, bytes);
  if (inet_pton(AF_INET6, copy, bytes) == 1) return from_bytes(IpFamily::v6, bytes);
  return std::nullopt;
}

IpAddress IpAddress::any(IpFamily family) {
  IpAddress out;
  out.family_ = family;
  return out;
}

bool IpAddress::is_any() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](uint8_t b) { return b == 0; });
}

bool IpAddress::is_loopback() const {
  if (family_ == IpFamily::v4) return bytes_[0] == 127;
  return bytes_[15] == 1 &&
         std::all_of(bytes_.begin(), bytes_.end() - 1, [](uint8_t b) { return b == 0; });
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(family_ == IpFamily::v4 ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

std::string IpAddress::to_literal() const {
  return (family_ == IpFamily::v4 ? "[" : "[IPv6:") + to_string() + "]";
}

uint32_t SocketAddress::to_sockaddr(sockaddr* storage) const {
  if (ip.family() == IpFamily::v4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, ip.bytes().data(), 4);
    std::memcpy(storage, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  std::memcpy(&in6.sin6_addr, ip.bytes().data(), 16);
  std::memcpy(storage, &in6, sizeof in6);
  return sizeof in6;
}

SocketAddress SocketAddress::from_sockaddr(const sockaddr* storage) {
  SocketAddress out;
  if (storage->sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, storage, sizeof in);
    out.ip = IpAddress::from_bytes(IpFamily::v4, reinterpret_cast<const uint8_t*>(&in.sin_addr));
    out.port = ntohs(in.sin_port);
  } else {
    MAILROOT_ASSERT(storage->sa_family == AF_INET6, "an IP socket has an IP address");
    sockaddr_in6 in6;
    std::memcpy(&in6, storage, sizeof in6);
    out.ip = IpAddress::from_bytes(IpFamily::v6, in6.sin6_addr.s6_addr);
    out.port = ntohs(in6.sin6_port);
  }
  return out;
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto ip = IpAddress::parse(host);
  const auto port = parse_number<uint16_t>(text.substr(colon + 1));
  if (!ip || !port) return std::nullopt;
  if (host.contains(':') != bracketed) return std::nullopt;
  return SocketAddress{*ip, *port};
}

std::string SocketAddress::to_string() const {
  const std::string host = ip.to_string();
  const bool six = ip.family() == IpFamily::v6;
  return (six ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Network::Network(IpAddress base, unsigned prefix_length) : prefix_length_(prefix_length) {
  MAILROOT_ASSERT(prefix_length <= bits_of(base.family()), "prefix fits the family");
  auto bytes = base.bytes();
  for (unsigned bit = prefix_length; bit < bits_of(base.family()); ++bit) {
    bytes[bit / 8] &= static_cast<uint8_t>(~(0x80u >> bit % 8));
  }
  base_ = IpAddress::from_bytes(base.family(), bytes.data());
}

std::optional<Network> Network::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto base = IpAddress::parse(text.substr(0, slash));
  if (!base) return std::nullopt;
  if (slash == std::string_view::npos) return Network(*base, bits_of(base->family()));
  const auto prefix = parse_number<unsigned>(text.substr(slash + 1));
  if (!prefix || *prefix > bits_of(base->family())) return std::nullopt;
  return Network(*base, *prefix);
}

bool Network::contains(const IpAddress& address) const {
  if (address.family() != base_.family()) return false;
  const unsigned whole = prefix_length_ / 8;
  if (!std::equal(base_.bytes().begin(), base_.bytes().begin() + whole, address.bytes().begin())) {
    return false;
  }
  const unsigned rest = prefix_length_ % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xFF << (8 - rest));
  return (address.bytes()[whole] & mask) == (base_.bytes()[whole] & mask);
}

std::string Network::to_string() const {
  return base_.to_string() + "/" + std::to_string(prefix_length_);
}

}  // namespace mailroot
