// Operations in flight by index. The kernel carries (index, generation), never a pointer: a late
// completion for a slot used anew is recognised and dropped.
#pragma once

#include <linux/openat2.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstdint>
#include <deque>
#include <vector>

#include "mailroot/base/assert.h"
#include "mailroot/reactor/operation.h"

namespace mailroot::reactor {

enum class SlotState : uint8_t {
  free,
  queued,    // waits for room in the submission queue
  kernel,    // the kernel has it
  starved,   // a receive that waits for a buffer to come back
  helper,    // a helper thread has it
  finished,  // its last completion waits to be reported
};

// One operation in flight and the memory the kernel reads or writes for it. Never moves.
struct Slot {
  Operation* operation = nullptr;
  uint32_t generation = 0;
  SlotState state = SlotState::free;
  bool cancelled = false;
  Descriptor socket = kNoDescriptor;  // connect: ours until it succeeds
  uint64_t done_bytes = 0;            // read_at, write_at, send: moved so far
  std::vector<iovec> rest;            // what is left after a short transfer
  union {
    msghdr message;
    open_how how;
    sockaddr_in6 address;
    struct statx status;
  } scratch{};
};

class SlotTable {
 public:
  uint32_t acquire(Operation& operation) {
    uint32_t index;
    if (free_.empty()) {
      index = static_cast<uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    Slot& slot = slots_[index];
    slot.operation = &operation;
    slot.cancelled = false;
    slot.socket = kNoDescriptor;
    slot.done_bytes = 0;
    operation.slot = index;
    operation.generation = slot.generation;
    ++used_;
    return index;
  }

  void release(uint32_t index) {
    Slot& slot = slots_[index];
    MAILROOT_ASSERT(slot.state != SlotState::free, "a slot is released once");
    slot.operation->slot = UINT32_MAX;
    slot.operation = nullptr;
    slot.state = SlotState::free;
    slot.rest.clear();
    ++slot.generation;
    free_.push_back(index);
    --used_;
  }

  Slot& at(uint32_t index) { return slots_[index]; }
  uint32_t size() const { return static_cast<uint32_t>(slots_.size()); }
  uint32_t used() const { return used_; }

  uint64_t user_data(uint32_t index) const {
    return uint64_t{slots_[index].generation} << 32 | index;
  }
  // The slot a completion is for; null when it comes too late.
  Slot* find(uint64_t user_data) {
    const auto index = static_cast<uint32_t>(user_data);
    if (index >= slots_.size()) return nullptr;
    Slot& slot = slots_[index];
    const bool current =
        slot.state != SlotState::free && slot.generation == static_cast<uint32_t>(user_data >> 32);
    return current ? &slot : nullptr;
  }

 private:
  std::deque<Slot> slots_;
  std::vector<uint32_t> free_;
  uint32_t used_ = 0;
};

}  // namespace mailroot::reactor
