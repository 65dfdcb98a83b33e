#include "mailroot/config/proc_net.h"

#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include "mailroot/config/limits.h"

namespace mailroot::config {

namespace {

constexpr std::string_view kListenState = "0A";

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> words;
  size_t at = 0;
  while ((at = line.find_first_not_of(" \t", at)) != std::string_view::npos) {
    const size_t end = line.find_first_of(" \t", at);
    words.push_back(line.substr(at, end == std::string_view::npos ? end : end - at));
    if (end == std::string_view::npos) break;
    at = end;
  }
  return words;
}

template <class Number>
std::optional<Number> parse(std::string_view text, int base) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "0100007F:0019": the address as 32-bit words in the machine's byte order, the port as a number.
std::optional<SocketAddress> parse_address(std::string_view text, IpFamily family) {
  const size_t words = family == IpFamily::v4 ? 1 : 4;
  if (text.size() != words * 8 + 5 || text[words * 8] != ':') return std::nullopt;
  uint8_t bytes[16];
  for (size_t i = 0; i < words; ++i) {
    const auto word = parse<uint32_t>(text.substr(i * 8, 8), 16);
    if (!word) return std::nullopt;
    std::memcpy(bytes + i * 4, &*word, 4);
  }
  const auto port = parse<uint16_t>(text.substr(words * 8 + 1), 16);
  if (!port) return std::nullopt;
  return SocketAddress{IpAddress::from_bytes(family, bytes), *port};
}

std::string read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (text.size() > kProcNetMax) text.resize(kProcNetMax);
  return text;
}

}  // namespace

std::vector<ListeningSocket> parse_proc_net(std::string_view text, IpFamily family) {
  // "sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode ..."
  constexpr size_t kLocal = 1, kState = 3, kInode = 9;
  std::vector<ListeningSocket> sockets;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const auto words = split(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (words.size() <= kInode || words[kState] != kListenState) continue;
    const auto address = parse_address(words[kLocal], family);
    const auto inode = parse<uint64_t>(words[kInode], 10);
    if (address && inode) sockets.push_back({*address, family, *inode});
  }
  return sockets;
}

std::vector<ListeningSocket> listening_sockets() {
  auto sockets = parse_proc_net(read_file("/proc/net/tcp"), IpFamily::v4);
  const auto six = parse_proc_net(read_file("/proc/net/tcp6"), IpFamily::v6);
  sockets.insert(sockets.end(), six.begin(), six.end());
  return sockets;
}

}  // namespace mailroot::config
