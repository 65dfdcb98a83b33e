// The receive pool as a provided buffer ring: the kernel takes a unit when bytes arrive, not when a
// receive is armed, so idle connections hold none. One thread.
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

  // `count`: a power of two, at most kReceiveBuffersMax. Mapped by hand: liburing 2.3 has no
  // io_uring_setup_buf_ring. The mapping outlives the ring it is registered with.
  result<void> create(io_uring* ring, uint32_t count, std::string& why);

  MutableBytes unit(int32_t index);
  void taken(int32_t index);  // the kernel handed it to us
  void release(int32_t index);
  void publish();  // returns released units to the kernel, all at once
  // Units not with us (the kernel's, or in completions not yet seen).
  uint32_t free_units() const { return count_ - taken_count_; }

 private:
  io_uring_buf_ring* entries_ = nullptr;
  std::byte* units_ = nullptr;
  uint32_t count_ = 0;
  uint32_t taken_count_ = 0;
  int unpublished_ = 0;
  std::vector<bool> taken_;  // catches a unit given back twice
};

}  // namespace mailroot::reactor
