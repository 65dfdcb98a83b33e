#include "buffer_ring.h"

#include <sys/mman.h>

#include <algorithm>
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
  if (units_ != nullptr) munmap(units_, 2 * count_ * kReceiveUnitBytes);
}

result<void> BufferRing::create(io_uring* ring, uint32_t units, std::string& why) {
  if (!std::has_single_bit(units) || units < 2 || units > 2 * kRingUnitsMax) {
    why = "the number of receive buffers is no power of two from 2 to 65536";
    return fail(Errc::invalid, ERANGE);
  }
  const uint32_t count = units / 2;
  count_ = count;
  entries_ = static_cast<io_uring_buf_ring*>(map(count * sizeof(io_uring_buf)));
  units_ = static_cast<std::byte*>(map(2 * count * kReceiveUnitBytes));
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
  taken_.assign(2 * count, true);
  for (uint32_t spare = 2 * count; spare-- > count;) {
    taken_[spare] = false;
    spare_.push_back(static_cast<int32_t>(spare));
  }
  taken_count_ = count;
  io_uring_buf_ring_init(entries_);
  for (uint32_t index = 0; index < count; ++index) release(static_cast<int32_t>(index));
  publish();
  return {};
}

MutableBytes BufferRing::unit(int32_t index) {
  MAILROOT_ASSERT(index >= 0 && static_cast<uint32_t>(index) < 2 * count_, "a unit of this pool");
  return {units_ + static_cast<size_t>(index) * kReceiveUnitBytes, kReceiveUnitBytes};
}

void BufferRing::taken(int32_t index) {
  MAILROOT_ASSERT(!taken_.at(index), "the kernel hands out a unit once");
  taken_[index] = true;
  ++taken_count_;
}

bool BufferRing::is_scarce() const { return free_units() < std::max(1U, count_ / kScarcePart); }

int32_t BufferRing::move_to_spare(int32_t index, size_t size_bytes) {
  if (spare_.empty()) return index;
  const int32_t spare = spare_.back();
  spare_.pop_back();
  taken_[spare] = true;
  std::memcpy(unit(spare).data(), unit(index).data(), size_bytes);
  release(index);
  return spare;
}

void BufferRing::release(int32_t index) {
  MAILROOT_ASSERT(taken_.at(index), "a unit of the receive pool is given back once");
  taken_[index] = false;
  if (static_cast<uint32_t>(index) >= count_) return spare_.push_back(index);
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
