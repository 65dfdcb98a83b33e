// The receive pool as a provided buffer ring: the kernel takes a unit when bytes arrive, not when a
// receive is armed, so idle connections hold none. One thread.
//
// A multishot receive takes as many units as its peer fills before we can say stop: one unread
// flood would hold the whole ring. So the pool is half ring and half spare units: when a receive
// has its share, or the ring runs low, bytes move to a spare unit and the ring has its own back.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <string>
#include <vector>

#include "mailroot/base/bytes.h"
#include "mailroot/base/result.h"
#include "mailroot/reactor/backend.h"

namespace mailroot::reactor {

inline constexpr uint16_t kBufferGroup = 1;

class BufferRing {
 public:
  BufferRing() = default;
  ~BufferRing();
  BufferRing(const BufferRing&) = delete;
  BufferRing& operator=(const BufferRing&) = delete;

  // `units`: a power of two from 2 to 2 * kRingUnitsMax. Mapped by hand: liburing 2.3 has no
  // io_uring_setup_buf_ring. The mapping outlives the ring it is registered with.
  result<void> create(io_uring* ring, uint32_t units, std::string& why);

  MutableBytes unit(int32_t index);
  void taken(int32_t index);  // the kernel handed it to us
  // Moves the first bytes of a ring's unit to a spare one; `index` itself when there is none.
  int32_t move_to_spare(int32_t index, size_t size_bytes);
  bool is_scarce() const;
  void release(int32_t index);
  void publish();  // returns released units to the kernel, all at once
  // Units of the ring not with us (the kernel's, or in completions not yet seen).
  uint32_t free_units() const { return count_ - taken_count_; }

 private:
  io_uring_buf_ring* entries_ = nullptr;
  std::byte* units_ = nullptr;
  uint32_t count_ = 0;  // of the ring, and of the spare units
  uint32_t taken_count_ = 0;
  int unpublished_ = 0;
  std::vector<bool> taken_;     // catches a unit given back twice
  std::vector<int32_t> spare_;  // free ones: numbers from count_ on
};

}  // namespace mailroot::reactor
