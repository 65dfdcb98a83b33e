// Memory for message bodies: 4 KiB aligned slabs that the decoder fills, the journal writes with
// O_DIRECT and delivery sends, without a further copy. One pool per shard; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "mailroot/base/bytes.h"

namespace mailroot {

inline constexpr size_t kBlockSize = 4096;           // alignment and grain of journal writes
inline constexpr size_t kSmallSlabSize = 8 * 1024;   // the first slab of a chain
inline constexpr size_t kLargeSlabSize = 64 * 1024;  // every later one

struct SlabPoolLimits {
  uint64_t budget_bytes = 256 * kMiB;     // per shard; acquire fails above it
  uint64_t high_mark_bytes = 192 * kMiB;  // above it receivers pause (is_high)
};

class SlabPool {
 public:
  explicit SlabPool(SlabPoolLimits limits);
  ~SlabPool();  // asserts that every slab came back
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;

  // Memory of kSmallSlabSize or kLargeSlabSize bytes, aligned to kBlockSize; null when the budget
  // is spent.
  std::byte* acquire(size_t size);
  void release(std::byte* slab, size_t size);

  uint64_t used_bytes() const { return used_bytes_; }
  bool is_high() const { return used_bytes_ >= limits_.high_mark_bytes; }
  bool is_half_high() const { return used_bytes_ >= limits_.high_mark_bytes / 2; }

 private:
  SlabPoolLimits limits_;
  uint64_t used_bytes_ = 0;
  std::vector<std::byte*> free_small_;
  std::vector<std::byte*> free_large_;
};

// A sequence of bytes held in slabs of one pool. Appending never moves bytes already there.
// Movable; the slabs return to the pool when the chain dies.
class SlabChain {
 public:
  SlabChain() = default;
  explicit SlabChain(SlabPool& pool) : pool_(&pool) {}
  ~SlabChain() { clear(); }
  SlabChain(SlabChain&& other) noexcept;
  SlabChain& operator=(SlabChain&& other) noexcept;

  // False when the pool's budget is spent; nothing of `bytes` is then kept.
  [[nodiscard]] bool append(ByteView bytes);
  void clear();

  uint64_t size_bytes() const { return size_bytes_; }
  bool empty() const { return size_bytes_ == 0; }

  struct Piece {
    std::byte* data;
    size_t used_bytes;      // bytes of content
    size_t capacity_bytes;  // slab size; the rest may be overwritten with padding
    ByteView view() const { return {data, used_bytes}; }
  };
  // In order. Every piece but the last is full.
  const std::vector<Piece>& pieces() const { return pieces_; }
  // Zeroes the last piece up to a multiple of kBlockSize, so that whole blocks can be written.
  void pad_to_block();

 private:
  SlabPool* pool_ = nullptr;
  std::vector<Piece> pieces_;
  uint64_t size_bytes_ = 0;
};

}  // namespace mailroot
