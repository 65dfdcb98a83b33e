// The layout, all integers little-endian, addresses and masks in network order; a pointer is
// 0x80000000 | offset from the start:
//
//    0  pointers to: denied addresses, granted addresses, denied names, granted names
//   16  1
//   20  length of the header (start of the addresses)
//   address list: groups, addresses in all, then for each group (one for each mask):
//       family (2) | items = addresses + 1 | bytes an item (4) | 0 | pointer to mask and addresses
//   name list:    count, 0
#include "mailroot/import/ip_list.h"

#include <fmt/format.h>

#include <bit>

#include "mailroot/import/limits.h"
#include "text.h"

namespace mailroot::import {

namespace {

constexpr uint32_t kPointer = 0x80000000;
constexpr uint32_t kFamilyV4 = 2;
constexpr size_t kHeadSize = 24;
constexpr size_t kGroupSize = 20;

std::unexpected<std::string> refuse(std::string sentence) {
  return std::unexpected(std::move(sentence));
}

std::optional<uint8_t> digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<uint8_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<uint8_t>(c - 'A' + 10);
  return std::nullopt;
}

std::expected<std::string, std::string> from_hex(std::string_view hex) {
  if (hex.size() > (kIpListEntriesMax * 4 + 4096) * 2) {
    return refuse(
        fmt::format("has more than {} addresses (limit kIpListEntriesMax)", kIpListEntriesMax));
  }
  if (hex.size() % 2 != 0) return refuse("has an odd number of hexadecimal digits");
  std::string out;
  out.reserve(hex.size() / 2);
  for (size_t i = 0; i < hex.size(); i += 2) {
    const auto high = digit(hex[i]);
    const auto low = digit(hex[i + 1]);
    if (!high || !low) return refuse("is not hexadecimal");
    out += static_cast<char>(*high << 4 | *low);
  }
  return out;
}

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : bytes_(bytes) {}

  std::expected<IpList, std::string> run() {
    IpList out;
    if (bytes_.size() < kHeadSize) return refuse("is shorter than its header");
    const auto deny = addresses(0, "deny", out.deny);
    if (!deny) return refuse(deny.error());
    const auto grant = addresses(4, "grant", out.grant);
    if (!grant) return refuse(grant.error());
    const auto deny_names = names(8, "deny");
    if (!deny_names) return refuse(deny_names.error());
    const auto grant_names = names(12, "grant");
    if (!grant_names) return refuse(grant_names.error());
    out.deny_names = *deny_names;
    out.grant_names = *grant_names;
    return out;
  }

 private:
  bool has(uint64_t at, uint64_t size) const {
    return at <= bytes_.size() && size <= bytes_.size() - at;
  }
  uint32_t octet(uint64_t at) const { return static_cast<unsigned char>(bytes_[at]); }
  uint32_t little(uint64_t at) const {
    return octet(at) | octet(at + 1) << 8 | octet(at + 2) << 16 | octet(at + 3) << 24;
  }
  uint32_t network(uint64_t at) const {
    return octet(at) << 24 | octet(at + 1) << 16 | octet(at + 2) << 8 | octet(at + 3);
  }

  // Where the pointer at `at` leads, if `size` bytes are there.
  std::optional<uint64_t> follow(uint64_t at, uint64_t size) const {
    const uint32_t value = little(at);
    const uint64_t target = value & ~kPointer;
    if ((value & kPointer) == 0 || target < kHeadSize || !has(target, size)) return std::nullopt;
    return target;
  }

  std::expected<void, std::string> addresses(uint64_t pointer, std::string_view which,
                                             std::vector<MaskedAddress>& out) {
    const auto list = follow(pointer, 8);
    if (!list) return refuse(fmt::format("its {} list lies outside of it", which));
    const uint64_t groups = little(*list);
    const uint64_t total = little(*list + 4);
    if (total > kIpListEntriesMax) {
      return refuse(
          fmt::format("has more than {} addresses (limit kIpListEntriesMax)", kIpListEntriesMax));
    }
    // Every group has an address, so this also bounds the work.
    if (groups > total || !has(*list + 8, groups * kGroupSize)) {
      return refuse(fmt::format("its {} list claims more groups than it has", which));
    }
    for (uint64_t i = 0; i < groups; ++i) {
      auto taken = group(*list + 8 + i * kGroupSize, total, out);
      if (!taken) return taken;
    }
    if (out.size() != total) {
      return refuse(
          fmt::format("its {} list claims {} addresses and has {}", which, total, out.size()));
    }
    return {};
  }

  std::expected<void, std::string> group(uint64_t at, uint64_t total,
                                         std::vector<MaskedAddress>& out) {
    const uint32_t family = little(at);
    const uint64_t items = little(at + 4);
    if (family != kFamilyV4 || little(at + 8) != 4) {
      return refuse(fmt::format("has a group of address family {}, which is not IPv4", family));
    }
    if (items < 2 || out.size() + items - 1 > total) {
      return refuse("a group claims more addresses than its list");
    }
    const auto data = follow(at + 16, items * 4);
    if (!data) return refuse("the addresses of a group lie outside of it");
    const uint32_t mask = network(*data);
    for (uint64_t i = 1; i < items; ++i) out.push_back({network(*data + 4 * i), mask});
    return {};
  }

  std::expected<uint32_t, std::string> names(uint64_t pointer, std::string_view which) {
    const auto list = follow(pointer, 8);
    if (!list) return refuse(fmt::format("its list of {} names lies outside of it", which));
    return little(*list);
  }

  std::string_view bytes_;
};

}  // namespace

std::string MaskedAddress::to_string() const {
  return fmt::format("{} mask {}", IpAddress::v4(address).to_string(),
                     IpAddress::v4(mask).to_string());
}

std::expected<IpList, std::string> decode_ip_list(std::string_view hex) {
  const auto bytes = from_hex(trim(hex));
  if (!bytes) return refuse(bytes.error());
  return Decoder(*bytes).run();
}

std::optional<Network> to_network(const MaskedAddress& entry) {
  const auto ones = static_cast<unsigned>(std::countl_one(entry.mask));
  if (std::popcount(entry.mask) != static_cast<int>(ones)) return std::nullopt;
  return Network(IpAddress::v4(entry.address), ones);
}

}  // namespace mailroot::import
