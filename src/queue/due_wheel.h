// A hierarchical timer wheel over 32-bit handles: 6 levels of 64 slots, O(1) add, cancel and fire,
// deterministic order (tick, then order of adding within a slot). Spans 139 years of 64 ms ticks.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mailroot/base/time.h"
#include "pool.h"

namespace mailroot::queue {

class DueWheel {
 public:
  explicit DueWheel(Instant start);
  // Returns the timer's handle. Fires at the first advance() not before `when`, never early.
  uint32_t add(Instant when, uint32_t payload);
  void cancel(uint32_t timer);
  // Appends the payloads that are due to `due`, in order.
  void advance(Instant now, std::vector<uint32_t>& due);
  // When advance() may have work; may be early by a cascade, never late. kNever when empty.
  Instant next_deadline() const;
  uint32_t size() const { return nodes_.size(); }

 private:
  static constexpr int kLevels = 6;
  static constexpr int kBits = 6;
  static constexpr uint32_t kSlots = 1U << kBits;

  struct Node {
    uint64_t tick = 0;
    uint32_t payload = 0;
    uint32_t previous = kNone;
    uint32_t next = kNone;
    uint32_t generation = 0;
    uint16_t slot = 0;  // level * kSlots + slot
    bool in_use = false;
  };
  struct Slot {
    uint32_t head = kNone;
    uint32_t tail = kNone;
  };

  void place(uint32_t timer);
  void unlink(uint32_t timer);
  uint64_t next_tick() const;  // UINT64_MAX when empty

  Instant start_;
  uint64_t current_ = 0;
  std::array<uint64_t, kLevels> occupied_{};
  std::array<Slot, kLevels * kSlots> slots_{};
  Pool<Node> nodes_;
};

}  // namespace mailroot::queue
