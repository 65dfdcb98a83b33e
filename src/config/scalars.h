// Scalar values as they are written: durations, sizes, numbers, words. Parsers return nothing for
// what does not fit; printers write the shortest form that reads back the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mailroot/base/address.h"
#include "mailroot/base/time.h"
#include "mailroot/config/snapshot.h"

namespace mailroot::config {

std::optional<uint64_t> parse_number(std::string_view text);  // decimal digits only
// "500ms", "90s", "15m", "12h", "2d"; a bare "0".
std::optional<Duration> parse_duration(std::string_view text);
std::string print_duration(Duration duration);
// "2048 KiB", "25 MB", "1GiB", "100 B"; a bare "0". Units of 1000 and of 1024, in any case.
std::optional<uint64_t> parse_size(std::string_view text);
std::string print_size(uint64_t size_bytes);

// "[192.0.2.7]:587", "relay.example", "192.0.2.7", "relay.example:2525".
std::optional<SmartHost> parse_smart_host(std::string_view text);
// A domain of RFC 5321 that is not an address; lower case, without a trailing dot.
std::optional<std::string> parse_host_name(std::string_view text);
// "192.0.2.1", "::1" or "[::1]".
std::optional<IpAddress> parse_address(std::string_view text);

// As a YAML scalar in flow or block context: plain when that is safe, else double-quoted.
std::string quote(std::string_view text);

}  // namespace mailroot::config
