#include "receive_pool.h"

#include <sys/mman.h>

#include "mailroot/base/assert.h"

namespace mailroot::reactor {

ReceivePool::ReceivePool(uint32_t units) : units_(units), leased_(units) {
  MAILROOT_ASSERT(units > 0, "a receive pool has units");
  // Mapped, not allocated: untouched units cost no memory.
  void* memory = mmap(nullptr, units * kReceiveUnitBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MAILROOT_ASSERT(memory != MAP_FAILED, "the receive pool could not be mapped");
  memory_ = static_cast<std::byte*>(memory);
  free_.reserve(units);
  for (uint32_t index = units; index-- > 0;) free_.push_back(static_cast<int32_t>(index));
}

ReceivePool::~ReceivePool() { munmap(memory_, units_ * kReceiveUnitBytes); }

int32_t ReceivePool::take() {
  MAILROOT_ASSERT(has_free(), "take from an empty receive pool");
  const int32_t index = free_.back();
  free_.pop_back();
  leased_[static_cast<size_t>(index)] = true;
  return index;
}

void ReceivePool::give_back(int32_t index) {
  MAILROOT_ASSERT(index >= 0 && leased_[static_cast<size_t>(index)], "a unit is given back once");
  leased_[static_cast<size_t>(index)] = false;
  free_.push_back(index);
}

}  // namespace mailroot::reactor
