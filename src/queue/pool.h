// Records by 32-bit index in chunks: no move when it grows, no allocation when one is reused.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "mailroot/base/assert.h"

namespace mailroot::queue {

inline constexpr uint32_t kNone = UINT32_MAX;

// T is default constructible and has `bool in_use` and `uint32_t generation`. A record given back
// is reset by assignment, its generation goes on: stale handles are recognised by it.
template <class T>
class Pool {
 public:
  uint32_t acquire() {
    if (free_.empty()) {
      auto chunk = std::make_unique<Chunk>();
      const auto base = static_cast<uint32_t>(chunks_.size() * kChunk);
      chunks_.push_back(std::move(chunk));
      for (uint32_t i = kChunk; i-- > 0;) free_.push_back(base + i);
    }
    const uint32_t index = free_.back();
    free_.pop_back();
    (*this)[index].in_use = true;
    ++size_;
    return index;
  }
  void release(uint32_t index) {
    T& record = (*this)[index];
    MAILROOT_ASSERT(record.in_use, "a record is given back once");
    const uint32_t generation = record.generation + 1;
    record = T();
    record.generation = generation;
    free_.push_back(index);
    --size_;
  }
  T& operator[](uint32_t index) { return (*chunks_[index / kChunk])[index % kChunk]; }
  const T& operator[](uint32_t index) const { return (*chunks_[index / kChunk])[index % kChunk]; }
  bool contains(uint32_t index) const { return index < slots() && (*this)[index].in_use; }
  uint32_t slots() const { return static_cast<uint32_t>(chunks_.size() * kChunk); }
  uint32_t size() const { return size_; }

 private:
  static constexpr uint32_t kChunk = 1024;
  using Chunk = std::array<T, kChunk>;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::vector<uint32_t> free_;
  uint32_t size_ = 0;
};

}  // namespace mailroot::queue
