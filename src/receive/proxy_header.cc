#include "proxy_header.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "limits.h"

namespace mailroot::receive {

namespace {

using State = ProxyHeader::State;

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view kWord = "PROXY ";
constexpr size_t kLineMax = 107;  // of version 1, with its end
constexpr size_t kFixedBytes = 16;

ProxyHeader invalid() { return {State::invalid, 0, std::nullopt}; }

// One word and the blank behind it.
std::string_view take_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(text.size(), word.size() + 1));
  return word;
}

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

// "TCP4 192.0.2.1 192.0.2.9 56324 25"; of UNKNOWN the rest does not count.
ProxyHeader parse_line(std::string_view line, size_t size_bytes) {
  ProxyHeader header{State::complete, size_bytes, std::nullopt};
  const std::string_view family = take_word(line);
  if (family == "UNKNOWN") return header;
  if (family != "TCP4" && family != "TCP6") return invalid();
  if (line.ends_with(' ')) return invalid();
  const auto source = IpAddress::parse(take_word(line));
  const auto target = IpAddress::parse(take_word(line));
  const auto source_port = parse_port(take_word(line));
  const auto target_port = parse_port(take_word(line));
  if (!source || !target || !source_port || !target_port || !line.empty()) return invalid();
  // An IPv4 client of a socket of both families is TCP6 with a mapped address, which we hold as
  // IPv4.
  const bool needs_v4 = family == "TCP4";
  const bool is_v4 = source->family() == IpFamily::v4 && target->family() == IpFamily::v4;
  if (needs_v4 && !is_v4) return invalid();
  header.client = SocketAddress{*source, *source_port};
  return header;
}

ProxyHeader parse_text(std::string_view text) {
  const size_t end = text.substr(0, kLineMax).find("\r\n");
  if (end == std::string_view::npos) {
    return text.size() < kLineMax ? ProxyHeader{} : invalid();
  }
  return parse_line(text.substr(kWord.size(), end - kWord.size()), end + 2);
}

ProxyHeader parse_binary(std::string_view bytes) {
  if (bytes.size() < kFixedBytes) return {};
  const auto at = [bytes](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  constexpr unsigned kVersion = 2, kLocal = 0, kProxy = 1, kInet = 1, kInet6 = 2, kStream = 1;
  const unsigned version = at(12) >> 4, command = at(12) & 15;
  const unsigned family = at(13) >> 4, transport = at(13) & 15;
  const size_t length = static_cast<size_t>(at(14)) << 8 | at(15);
  if (version != kVersion || command > kProxy || length > kProxyAddressesMaxBytes) return invalid();
  if (bytes.size() < kFixedBytes + length) return {};
  ProxyHeader header{State::complete, kFixedBytes + length, std::nullopt};
  if (command == kLocal || transport != kStream) return header;
  if (family != kInet && family != kInet6) return header;
  const size_t address_bytes = family == kInet ? 4 : 16;
  if (length < 2 * address_bytes + 4) return invalid();
  const IpFamily ip_family = family == kInet ? IpFamily::v4 : IpFamily::v6;
  const auto* source = reinterpret_cast<const uint8_t*>(bytes.data() + kFixedBytes);
  const size_t port_at = kFixedBytes + 2 * address_bytes;
  header.client = SocketAddress{IpAddress::from_bytes(ip_family, source),
                                static_cast<uint16_t>(at(port_at) << 8 | at(port_at + 1))};
  return header;
}

bool begins_like(std::string_view text, std::string_view wanted) {
  const size_t common = std::min(text.size(), wanted.size());
  return text.substr(0, common) == wanted.substr(0, common);
}

}  // namespace

ProxyHeader parse_proxy_header(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  if (begins_like(text, kSignature)) {
    return text.size() < kSignature.size() ? ProxyHeader{} : parse_binary(text);
  }
  if (begins_like(text, kWord)) {
    return text.size() < kWord.size() ? ProxyHeader{} : parse_text(text);
  }
  return invalid();
}

}  // namespace mailroot::receive
