#include "buffer_ring.h"

#include <sys/mman.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "limits.h"
#include "mailroot/base/assert.h"

namespace mailroot::reactor {

namespace {

void* map(size_t size_bytes) {
  void* memory =
      mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

BufferRing::~BufferRing() {
  if (entries_ != nullptr) munmap(entries_, count_ * sizeof(io_uring_buf));
  if (units_ != nullptr) munmap(units_, count_ * kReceiveUnitBytes);
}

result<void> BufferRing::create(io_uring* ring, uint32_t count, std::string& why) {
  if (!std::has_single_bit(count) || count > kReceiveBuffersMax) {
    why = "the number of receive buffers is no power of two up to 32768";
    return fail(Errc::invalid, ERANGE);
  }
  count_ = count;
  entries_ = static_cast<io_uring_buf_ring*>(map(count * sizeof(io_uring_buf)));
  units_ = static_cast<std::byte*>(map(count * kReceiveUnitBytes));
  if (entries_ == nullptr || units_ == nullptr) {
    why = "no memory for the receive buffers";
    return fail(Errc::no_memory, errno);
  }
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uintptr_t>(entries_);
  registration.ring_entries = count;
  registration.bgid = kBufferGroup;
  const int status = io_uring_register_buf_ring(ring, &registration, 0);
  if (status < 0) {
    why = std::string("io_uring buffer ring: ") + strerror(-status);
    return fail(Errc::unsupported, -status);
  }
  taken_.assign(count, true);
  taken_count_ = count;
  io_uring_buf_ring_init(entries_);
  for (uint32_t index = 0; index < count; ++index) release(static_cast<int32_t>(index));
  publish();
  return {};
}

MutableBytes BufferRing::unit(int32_t index) {
  MAILROOT_ASSERT(index >= 0 && static_cast<uint32_t>(index) < count_, "a unit of this pool");
  return {units_ + static_cast<size_t>(index) * kReceiveUnitBytes, kReceiveUnitBytes};
}

void BufferRing::taken(int32_t index) {
  MAILROOT_ASSERT(!taken_.at(index), "the kernel hands out a unit once");
  taken_[index] = true;
  ++taken_count_;
}

void BufferRing::release(int32_t index) {
  MAILROOT_ASSERT(taken_.at(index), "a unit of the receive pool is given back once");
  taken_[index] = false;
  --taken_count_;
  io_uring_buf_ring_add(entries_, unit(index).data(), kReceiveUnitBytes,
                        static_cast<uint16_t>(index), io_uring_buf_ring_mask(count_),
                        unpublished_++);
}

void BufferRing::publish() {
  if (unpublished_ == 0) return;
  io_uring_buf_ring_advance(entries_, unpublished_);
  unpublished_ = 0;
}

}  // namespace mailroot::reactor
