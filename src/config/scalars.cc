#include "scalars.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "mailroot/base/bytes.h"
#include "mailroot/smtp/grammar.h"
#include "presets.h"

namespace mailroot::config {

namespace {

struct DurationUnit {
  std::string_view name;
  Duration length;
};
// Largest first: the printer takes the first that divides.
constexpr std::array<DurationUnit, 5> kDurationUnits = {{{"d", std::chrono::hours(24)},
                                                         {"h", std::chrono::hours(1)},
                                                         {"m", std::chrono::minutes(1)},
                                                         {"s", std::chrono::seconds(1)},
                                                         {"ms", std::chrono::milliseconds(1)}}};

struct SizeUnit {
  std::string_view name;
  uint64_t bytes;
};
constexpr std::array<SizeUnit, 9> kSizeUnits = {{{"TiB", kGiB * 1024},
                                                 {"GiB", kGiB},
                                                 {"MiB", kMiB},
                                                 {"KiB", kKiB},
                                                 {"TB", 1'000'000'000'000},
                                                 {"GB", 1'000'000'000},
                                                 {"MB", 1'000'000},
                                                 {"KB", 1'000},
                                                 {"B", 1}}};

struct Split {
  uint64_t number;
  std::string_view unit;
};

// Digits, at most one space, then the rest.
std::optional<Split> split_number(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_number(text.substr(0, digits));
  if (!number) return std::nullopt;
  std::string_view unit = text.substr(digits);
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  return Split{*number, unit};
}

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Safe without quotes wherever a scalar may stand. Stricter than YAML on purpose.
bool is_plain(std::string_view text) {
  if (text.empty() || text.ends_with(' ') || text.ends_with(':') || text.contains(": ")) {
    return false;
  }
  if (!is_alphanumeric(text.front()) && text.front() != '/') return false;
  if (text == "null" || text == "Null" || text == "NULL") return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_alphanumeric(c) || std::string_view("._-/+@: ()").contains(c);
  });
}

}  // namespace

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Duration> parse_duration(std::string_view text) {
  const auto split = split_number(text);
  if (!split) return std::nullopt;
  if (split->number == 0 && split->unit.empty()) return Duration::zero();
  for (const auto& unit : kDurationUnits) {
    if (unit.name != split->unit) continue;
    const auto most = static_cast<uint64_t>(Duration::max() / unit.length);
    if (split->number > most) return std::nullopt;
    return unit.length * static_cast<int64_t>(split->number);
  }
  return std::nullopt;
}

std::string print_duration(Duration duration) {
  if (duration == Duration::zero()) return "0";
  for (const auto& unit : kDurationUnits) {
    if (duration % unit.length == Duration::zero()) {
      return fmt::format("{}{}", duration / unit.length, unit.name);
    }
  }
  return fmt::format("{}ms", duration / std::chrono::milliseconds(1));
}

std::optional<uint64_t> parse_size(std::string_view text) {
  const auto split = split_number(text);
  if (!split) return std::nullopt;
  if (split->number == 0 && split->unit.empty()) return 0;
  for (const auto& unit : kSizeUnits) {
    if (!smtp::equals_ignoring_case(unit.name, split->unit)) continue;
    if (split->number > std::numeric_limits<uint64_t>::max() / unit.bytes) return std::nullopt;
    return split->number * unit.bytes;
  }
  return std::nullopt;
}

std::string print_size(uint64_t size_bytes) {
  if (size_bytes == 0) return "0";
  for (const auto& unit : kSizeUnits) {
    if (size_bytes % unit.bytes == 0)
      return fmt::format("{} {}", size_bytes / unit.bytes, unit.name);
  }
  return fmt::format("{} B", size_bytes);
}

std::optional<SmartHost> parse_smart_host(std::string_view text) {
  if (auto preset = parse_preset(text)) return preset;
  SmartHost out;
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    out.is_literal = true;
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    host = text.substr(0, text.find(':'));
    port = text.substr(host.size());
  }
  if (!port.empty()) {
    const auto number = port.front() == ':' ? parse_number(port.substr(1)) : std::nullopt;
    if (!number || *number == 0 || *number > 65535) return std::nullopt;
    out.port = static_cast<uint16_t>(*number);
  }
  if (const auto ip = IpAddress::parse(host)) {
    out.host = ip->to_string();
    out.is_literal = true;
    return out;
  }
  auto domain = parse_host_name(host);
  if (!domain) return std::nullopt;
  out.host = std::move(*domain);
  return out;
}

std::optional<std::string> parse_host_name(std::string_view text) {
  auto domain = smtp::parse_domain(text);
  if (!domain) return std::nullopt;
  // No top-level domain is a number (RFC 1123 2.1): "192.0.2.300" is a mistyped address.
  const std::string_view last = std::string_view(*domain).substr(domain->rfind('.') + 1);
  if (last.find_first_not_of("0123456789") == std::string_view::npos) return std::nullopt;
  return *domain;
}

std::optional<IpAddress> parse_address(std::string_view text) {
  if (!text.starts_with('[')) return IpAddress::parse(text);
  if (!text.ends_with(']') || !text.contains(':')) return std::nullopt;
  return IpAddress::parse(text.substr(1, text.size() - 2));
}

std::string quote(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace mailroot::config
