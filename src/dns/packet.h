// A bounded reader of DNS answers in wire format (RFC 1035 4.1). Pure; every length is checked,
// compression pointers only go backwards, and all work is linear in the packet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mailroot/base/address.h"
#include "mailroot/base/bytes.h"
#include "mailroot/dns/resolver.h"

namespace mailroot::dns {

enum class RecordType : uint16_t { a = 1, cname = 5, ptr = 12, mx = 15, aaaa = 28, tlsa = 52 };

struct Record {
  std::string owner;  // lower case, no trailing dot; "" is the root
  RecordType type{};
  uint32_t ttl_seconds = 0;
  uint16_t preference = 0;                // mx
  std::string target;                     // mx, cname, ptr
  std::optional<IpAddress> address = {};  // a, aaaa
  std::optional<TlsaRecord> tlsa = {};
};

struct Packet {
  int rcode = 0;
  std::vector<Record> answers;                   // records of the known types only
  std::optional<uint32_t> negative_ttl_seconds;  // from the SOA of a negative answer (RFC 2308)
};

inline constexpr size_t kAnswersMax = 256;    // further records are not read
inline constexpr size_t kNameBytesMax = 255;  // RFC 1035 2.3.4

// Nothing when the packet is malformed. A name with bytes that are no host name characters
// (letters, digits, hyphen, underscore) makes its record unusable and is skipped: what comes from
// DNS never becomes a log line or a command as it is.
std::optional<Packet> parse_packet(ByteView wire);

// Letters, digits, hyphens, underscores and dots, labels of 1..63, 253 at most.
bool is_host_name(std::string_view name);

}  // namespace mailroot::dns
