// QueueId -> message handle. 64 small open-addressed tables, so that growing one never stops the
// shard for long (a million entries: 16,000 a table).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mailroot/base/queue_id.h"
#include "pool.h"

namespace mailroot::queue {

// Ids: QueueId operator()(uint32_t handle), where the ids of the handles live.
template <class Ids>
class IdIndex {
 public:
  explicit IdIndex(Ids ids) : ids_(ids) {}

  uint32_t find(const QueueId& id) const {
    const size_t hash = std::hash<QueueId>()(id);
    const Table& table = tables_[hash >> kShift];
    if (table.slots.empty()) return kNone;
    const size_t mask = table.slots.size() - 1;
    for (size_t at = hash & mask; table.slots[at] != kNone; at = (at + 1) & mask) {
      if (ids_(table.slots[at]) == id) return table.slots[at];
    }
    return kNone;
  }

  // The id must not be there yet.
  void insert(const QueueId& id, uint32_t handle) {
    const size_t hash = std::hash<QueueId>()(id);
    Table& table = tables_[hash >> kShift];
    if ((table.used + 1) * 4 > table.slots.size() * 3) grow(table);
    put(table, hash, handle);
    ++table.used;
  }

  // The id must be there.
  void erase(const QueueId& id) {
    const size_t hash = std::hash<QueueId>()(id);
    Table& table = tables_[hash >> kShift];
    const size_t mask = table.slots.size() - 1;
    size_t hole = hash & mask;
    while (!(ids_(table.slots[hole]) == id)) hole = (hole + 1) & mask;
    // Later entries of the run move up if the hole lies between their home and their place.
    for (size_t at = (hole + 1) & mask; table.slots[at] != kNone; at = (at + 1) & mask) {
      const size_t home = std::hash<QueueId>()(ids_(table.slots[at])) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      table.slots[hole] = table.slots[at];
      hole = at;
    }
    table.slots[hole] = kNone;
    --table.used;
  }

 private:
  static constexpr int kShift = 58;
  struct Table {
    std::vector<uint32_t> slots;  // size 0 or a power of two
    size_t used = 0;
  };

  void put(Table& table, size_t hash, uint32_t handle) {
    const size_t mask = table.slots.size() - 1;
    size_t at = hash & mask;
    while (table.slots[at] != kNone) at = (at + 1) & mask;
    table.slots[at] = handle;
  }
  void grow(Table& table) {
    Table larger;
    larger.slots.assign(table.slots.empty() ? 16 : table.slots.size() * 2, kNone);
    for (const uint32_t handle : table.slots) {
      if (handle != kNone) put(larger, std::hash<QueueId>()(ids_(handle)), handle);
    }
    table.slots.swap(larger.slots);
  }

  Ids ids_;
  std::array<Table, 64> tables_;
};

}  // namespace mailroot::queue
