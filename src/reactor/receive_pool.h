// The memory of the receive pool: equal units, each free or leased. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "mailroot/base/bytes.h"
#include "mailroot/reactor/backend.h"

namespace mailroot::reactor {

class ReceivePool {
 public:
  explicit ReceivePool(uint32_t units);
  ~ReceivePool();
  ReceivePool(const ReceivePool&) = delete;
  ReceivePool& operator=(const ReceivePool&) = delete;

  uint32_t units() const { return units_; }
  MutableBytes unit(int32_t index) const {
    return {memory_ + static_cast<size_t>(index) * kReceiveUnitBytes, kReceiveUnitBytes};
  }
  bool has_free() const { return !free_.empty(); }
  size_t free_units() const { return free_.size(); }
  int32_t take();
  // Asserts that the unit is leased: giving back twice would hand it to two connections.
  void give_back(int32_t index);

 private:
  uint32_t units_;
  std::byte* memory_;
  std::vector<int32_t> free_;  // the last given back is taken first: it is warm
  std::vector<bool> leased_;
};

}  // namespace mailroot::reactor
