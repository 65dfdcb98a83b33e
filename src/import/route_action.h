// RouteAction, a DWORD of bits: of a domain all it does, of a virtual server its outbound security.
#pragma once

#include <cstdint>
#include <string>

namespace mailroot::import {

inline constexpr uint32_t kRouteDrop = 0x1;
inline constexpr uint32_t kRouteSmartHost = 0x2;
inline constexpr uint32_t kRouteTls = 0x4;
inline constexpr uint32_t kRouteSasl = 0x8;
inline constexpr uint32_t kRouteAlias = 0x10;
inline constexpr uint32_t kRouteDeliver = 0x20;
inline constexpr uint32_t kRouteDefault = 0x40;
inline constexpr uint32_t kRouteNtlm = 0x80;
inline constexpr uint32_t kRouteClearText = 0x100;
inline constexpr uint32_t kRouteEtrn = 0x200;
inline constexpr uint32_t kRouteRelay = 0x1000;
inline constexpr uint32_t kRouteKerberos = 0x200000;
inline constexpr uint32_t kRouteHelo = 0x400000;
inline constexpr uint32_t kRouteLogsIn = kRouteSasl | kRouteNtlm | kRouteClearText | kRouteKerberos;

// "SSL, SASL, AUTH_CLEARTEXT"; bits without a name as hexadecimal.
std::string describe_route(uint32_t bits);

}  // namespace mailroot::import
