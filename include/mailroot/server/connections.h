// Open connections of all servers and shards, both directions, as an operator sees them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/time.h"

namespace mailroot::server {

enum class Direction : uint8_t { in, out };

// "default/in0.17": virtual server, direction, shard, number. Its order is that of the listing.
struct ConnectionName {
  std::string server;
  uint16_t shard = 0;
  Direction direction = Direction::in;
  uint64_t number = 0;

  static std::optional<ConnectionName> parse(std::string_view text);
  std::string to_string() const;
  friend auto operator<=>(const ConnectionName&, const ConnectionName&) = default;
};

struct OpenConnection {
  ConnectionName name;
  std::string peer;         // address and port; empty while a host is being looked for
  std::string local;        // inbound
  std::string hello;        // inbound: the name that the client gave
  std::string user;         // inbound: who has logged in; empty: nobody
  std::string host;         // outbound: the next hop's name
  std::string destination;  // outbound
  std::string_view stage;   // static storage
  Instant since{};
  uint64_t messages = 0;  // inbound: accepted; outbound: begun
  uint64_t bytes = 0;     // received, or sent
};

struct ConnectionPage {
  std::vector<OpenConnection> entries;
  bool has_more = false;  // after the last entry
};

}  // namespace mailroot::server
