#include "route_action.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace mailroot::import {

namespace {

// By bit, from the lowest.
constexpr std::array<std::string_view, 23> kNames = {
    "DROP",          "SMARTHOST",   "SSL",
    "SASL",          "ALIAS",       "DELIVER",
    "DEFAULT",       "AUTH_NTLM",   "AUTH_CLEARTEXT",
    "ETRN_CMD",      "IP_RELAY",    "AUTH_RELAY",
    "DOMAIN_RELAY",  "CSIDE_TURN",  "CSIDE_ETRN",
    "DISABLE_ETRN",  "CHUNKING",    "DISABLE_CHUNK",
    "DISABLE_BMIME", "DISABLE_DSN", "DISABLE_PIPELINE",
    "AUTH_KERBEROS", "USE_HELO"};

}  // namespace

std::string describe_route(uint32_t bits) {
  std::string out;
  for (uint32_t i = 0; i < 32; ++i) {
    const uint32_t bit = uint32_t{1} << i;
    if ((bits & bit) == 0) continue;
    out += out.empty() ? "" : ", ";
    out += i < kNames.size() ? std::string(kNames[i]) : fmt::format("0x{:x}", bit);
  }
  return out;
}

}  // namespace mailroot::import
