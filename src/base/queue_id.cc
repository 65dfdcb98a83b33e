#include "mailroot/base/queue_id.h"

#include "mailroot/base/assert.h"

namespace mailroot {

namespace {

constexpr size_t kEpochDigits = 8;
constexpr size_t kShardDigits = 3;
constexpr size_t kCounterDigits = 9;
static_assert(kEpochDigits + kShardDigits + kCounterDigits == kQueueIdLength);

void append_hex(std::string& out, uint64_t value, size_t digits) {
  for (size_t i = digits; i-- > 0;) out += "0123456789ABCDEF"[value >> (4 * i) & 15];
}

std::optional<uint64_t> parse_hex(std::string_view text) {
  uint64_t value = 0;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      value = value << 4 | static_cast<uint64_t>(c - '0');
    } else if (c >= 'A' && c <= 'F') {
      value = value << 4 | static_cast<uint64_t>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

}  // namespace

std::string to_string(const QueueId& id) {
  MAILROOT_ASSERT(id.shard < 4096 && id.counter < uint64_t{1} << 36, "queue id parts fit");
  std::string out;
  out.reserve(kQueueIdLength);
  append_hex(out, id.epoch, kEpochDigits);
  append_hex(out, id.shard, kShardDigits);
  append_hex(out, id.counter, kCounterDigits);
  return out;
}

std::optional<QueueId> parse_queue_id(std::string_view text) {
  if (text.size() != kQueueIdLength) return std::nullopt;
  const auto epoch = parse_hex(text.substr(0, kEpochDigits));
  const auto shard = parse_hex(text.substr(kEpochDigits, kShardDigits));
  const auto counter = parse_hex(text.substr(kEpochDigits + kShardDigits));
  if (!epoch || !shard || !counter) return std::nullopt;
  return QueueId{static_cast<uint32_t>(*epoch), static_cast<uint16_t>(*shard), *counter};
}

}  // namespace mailroot
