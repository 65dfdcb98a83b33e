// Slots: permission for one connection to a destination, counted over the whole process (one table
// per virtual server, shared by its shards). Touched when a connection opens or closes, never per
// message.
//
//   take: free -> the shard's;  full -> the shard waits in line
//   give: nobody waits -> free; somebody waits -> the slot is the longest waiter's, who is told
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace mailroot::queue {

// The key under which all outbound connections of the virtual server are counted.
inline constexpr std::string_view kAllDestinations = "";

// Callable from every shard's thread.
class SlotTable {
 public:
  virtual ~SlotTable() = default;
  // True: the shard has one more slot of `key`. False: `limit` are in use, and the shard stands in
  // line (once per key): a slot will come by SlotFreed.
  virtual bool take(uint16_t shard, std::string_view key, uint32_t limit) = 0;
  virtual void give(std::string_view key) = 0;
  // Leaves the line (no more mail). A slot already on its way must still be given back.
  virtual void stop_waiting(uint16_t shard, std::string_view key) = 0;
  // Does any shard stand in line for this key? Cheap when nobody waits for anything.
  virtual bool has_waiters(std::string_view key) const = 0;
  virtual uint32_t in_use(std::string_view key) const = 0;
};

// The cross-shard message SlotFreed: the receiving shard owns a slot of `key` now and calls
// Queue::slot_freed. False: it could not be told; the slot then goes to the next in line. Called
// on the giver's thread, must not call back into the table.
using SlotFreed = std::function<bool(uint16_t shard, const std::string& key)>;

std::unique_ptr<SlotTable> make_slot_table(SlotFreed slot_freed);

}  // namespace mailroot::queue
