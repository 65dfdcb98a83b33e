// IPSECLIST: the binary form of RelayIpList and IPSecurity in a metabase. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/address.h"

namespace mailroot::import {

struct MaskedAddress {
  uint32_t address = 0;  // host order
  uint32_t mask = 0;
  std::string to_string() const;  // "192.0.2.0 mask 255.255.255.0"
  friend bool operator==(const MaskedAddress&, const MaskedAddress&) = default;
};

struct IpList {
  std::vector<MaskedAddress> deny, grant;
  uint32_t deny_names = 0;  // entries by reverse lookup: their form is not documented, only counted
  uint32_t grant_names = 0;
};

// `hex`: the attribute's value, not empty. The sentence says what does not fit.
std::expected<IpList, std::string> decode_ip_list(std::string_view hex);

// Nothing for a mask with holes: no CIDR network says that.
std::optional<Network> to_network(const MaskedAddress& entry);

}  // namespace mailroot::import
