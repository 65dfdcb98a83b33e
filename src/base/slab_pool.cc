#include "mailroot/base/slab_pool.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "mailroot/base/assert.h"

namespace mailroot {

SlabPool::SlabPool(SlabPoolLimits limits) : limits_(limits) {}

SlabPool::~SlabPool() {
  MAILROOT_ASSERT(used_bytes_ == 0, "a slab outlives its pool");
  for (std::byte* slab : free_small_) std::free(slab);
  for (std::byte* slab : free_large_) std::free(slab);
}

std::byte* SlabPool::acquire(size_t size) {
  MAILROOT_ASSERT(size == kSmallSlabSize || size == kLargeSlabSize, "two slab sizes exist");
  if (used_bytes_ + size > limits_.budget_bytes) return nullptr;
  auto& free_list = size == kSmallSlabSize ? free_small_ : free_large_;
  std::byte* slab = nullptr;
  if (!free_list.empty()) {
    slab = free_list.back();
    free_list.pop_back();
  } else {
    slab = static_cast<std::byte*>(std::aligned_alloc(kBlockSize, size));
    if (slab == nullptr) return nullptr;
  }
  used_bytes_ += size;
  return slab;
}

void SlabPool::release(std::byte* slab, size_t size) {
  MAILROOT_ASSERT(used_bytes_ >= size, "more slabs returned than lent");
  used_bytes_ -= size;
  // Keep what a busy shard reuses within a moment; give a burst's memory back to the system.
  constexpr size_t kKeptBytes = 16 * kMiB;
  auto& free_list = size == kSmallSlabSize ? free_small_ : free_large_;
  if (free_list.size() * size >= kKeptBytes) {
    std::free(slab);
  } else {
    free_list.push_back(slab);
  }
}

SlabChain::SlabChain(SlabChain&& other) noexcept
    : pool_(other.pool_),
      pieces_(std::move(other.pieces_)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {
  other.pieces_.clear();
}

SlabChain& SlabChain::operator=(SlabChain&& other) noexcept {
  if (this == &other) return *this;
  clear();
  pool_ = other.pool_;
  pieces_ = std::move(other.pieces_);
  other.pieces_.clear();
  size_bytes_ = std::exchange(other.size_bytes_, 0);
  return *this;
}

bool SlabChain::append(ByteView bytes) {
  MAILROOT_ASSERT(pool_ != nullptr, "a chain without a pool holds nothing");
  size_t room = pieces_.empty() ? 0 : pieces_.back().capacity_bytes - pieces_.back().used_bytes;
  const size_t pieces_before = pieces_.size();
  // Take all the memory first, so that a refused append leaves the chain as it was.
  while (room < bytes.size()) {
    const size_t size = pieces_.empty() ? kSmallSlabSize : kLargeSlabSize;
    std::byte* slab = pool_->acquire(size);
    if (slab == nullptr) {
      while (pieces_.size() > pieces_before) {
        pool_->release(pieces_.back().data, pieces_.back().capacity_bytes);
        pieces_.pop_back();
      }
      return false;
    }
    pieces_.push_back({slab, 0, size});
    room += size;
  }
  size_t index = pieces_before == 0 ? 0 : pieces_before - 1;
  size_bytes_ += bytes.size();
  while (!bytes.empty()) {
    Piece& piece = pieces_[index++];
    const size_t part = std::min(bytes.size(), piece.capacity_bytes - piece.used_bytes);
    std::memcpy(piece.data + piece.used_bytes, bytes.data(), part);
    piece.used_bytes += part;
    bytes = bytes.subspan(part);
  }
  return true;
}

void SlabChain::clear() {
  for (const Piece& piece : pieces_) pool_->release(piece.data, piece.capacity_bytes);
  pieces_.clear();
  size_bytes_ = 0;
}

void SlabChain::pad_to_block() {
  if (pieces_.empty()) return;
  const Piece& last = pieces_.back();
  const size_t padded = (last.used_bytes + kBlockSize - 1) / kBlockSize * kBlockSize;
  std::memset(last.data + last.used_bytes, 0, padded - last.used_bytes);
}

}  // namespace mailroot
