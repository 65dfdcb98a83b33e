// The name of one message inside one home directory: in replies, logs, Received and file names.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailroot {

// (persisted epoch of this start, shard, counter): unique for the life of a home directory, and no
// clock in it, so that a stepped clock cannot repeat one.
struct QueueId {
  uint32_t epoch = 0;
  uint16_t shard = 0;    // 0..4095
  uint64_t counter = 0;  // below 2^36
  friend auto operator<=>(const QueueId&, const QueueId&) = default;
};

inline constexpr size_t kQueueIdLength = 20;  // 8 + 3 + 9 upper-case hexadecimal digits

std::string to_string(const QueueId& id);
std::optional<QueueId> parse_queue_id(std::string_view text);

}  // namespace mailroot

template <>
struct std::hash<mailroot::QueueId> {
  size_t operator()(const mailroot::QueueId& id) const noexcept {
    uint64_t mixed = (uint64_t{id.epoch} << 32 ^ uint64_t{id.shard} << 48 ^ id.counter);
    mixed *= 0x9E3779B97F4A7C15u;
    return static_cast<size_t>(mixed ^ mixed >> 29);
  }
};
