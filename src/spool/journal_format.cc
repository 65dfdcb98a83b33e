#include "journal_format.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "bytes_io.h"
#include "limits.h"
#include "mailroot/base/assert.h"
#include "mailroot/base/crc32c.h"
#include "record_codec.h"

namespace mailroot::spool {

namespace {

constexpr uint64_t kSegmentMagic = 0x003147455354524D;  // "MRTSEG1", read as text
constexpr uint64_t kGroupMagic = 0x003150524754524D;    // "MRTGRP1"
constexpr size_t kCrcOffset = 12;                       // in both headers, four bytes

// The CRC of `bytes` as if its CRC field were zero.
uint32_t checksum(ByteView bytes) {
  constexpr std::byte kZeroes[4] = {};
  uint32_t crc = crc32c(bytes.first(kCrcOffset));
  crc = crc32c(kZeroes, crc);
  return crc32c(bytes.subspan(kCrcOffset + 4), crc);
}

}  // namespace

void encode_segment_header(const SegmentHeader& header, MutableBytes block) {
  MAILROOT_ASSERT(block.size() >= kSegmentHeaderBytes, "room for the header");
  std::byte* at = block.data();
  std::memset(at, 0, kSegmentHeaderBytes);
  store(at, kSegmentMagic);
  store(at + 8, kJournalVersion);
  store(at + 16, header.epoch);
  store(at + 20, header.shard);
  store(at + 24, header.slot);
  store(at + 32, header.use);
  store(at + 40, header.size_bytes);
  store(at + kCrcOffset, checksum(block.first(kSegmentHeaderBytes)));
}

std::expected<SegmentHeader, BadHeader> decode_segment_header(ByteView block) {
  if (block.size() < kSegmentHeaderBytes) return std::unexpected(BadHeader{});
  ByteReader reader(block.first(kSegmentHeaderBytes));
  const auto magic = reader.integer<uint64_t>();
  const auto version = reader.integer<uint32_t>();
  const auto crc = reader.integer<uint32_t>();
  if (magic != kSegmentMagic || crc != checksum(block.first(kSegmentHeaderBytes))) {
    return std::unexpected(BadHeader{});
  }
  if (version != kJournalVersion) return std::unexpected(BadHeader{true});
  SegmentHeader header;
  header.epoch = reader.integer<uint32_t>();
  header.shard = reader.integer<uint16_t>();
  reader.integer<uint16_t>();
  header.slot = reader.integer<uint32_t>();
  reader.integer<uint32_t>();
  header.use = reader.integer<uint64_t>();
  header.size_bytes = reader.integer<uint64_t>();
  return header;
}

HeadBuilder::HeadBuilder() = default;
HeadBuilder::~HeadBuilder() { std::free(buffer_); }

void HeadBuilder::reset() {
  used_ = 0;
  std::byte* header = extend(kGroupHeaderBytes);
  MAILROOT_ASSERT(header != nullptr, "memory for a group's head");
  std::memset(header, 0, kGroupHeaderBytes);
}

// Grows the head by `size` bytes; null above kGroupHeadMax.
std::byte* HeadBuilder::extend(size_t size) {
  constexpr size_t kFirstCapacity = 64 * kKiB;
  const size_t needed = used_ + size;
  if (needed > kGroupHeadMax) return nullptr;
  if (needed > capacity_) {
    size_t capacity = std::max(capacity_, kFirstCapacity);
    while (capacity < needed) capacity *= 2;
    auto* larger = static_cast<std::byte*>(std::aligned_alloc(kBlockSize, capacity));
    if (larger == nullptr) return nullptr;
    if (used_ > 0) std::memcpy(larger, buffer_, used_);
    std::free(buffer_);
    buffer_ = larger;
    capacity_ = capacity;
  }
  std::byte* at = buffer_ + used_;
  used_ = needed;
  return at;
}

ByteView HeadBuilder::seal(GroupHeader header, uint32_t body_blocks) {
  const size_t blocks = head_blocks();
  std::memset(buffer_ + used_, 0, blocks * kBlockSize - used_);
  std::byte* at = buffer_;
  store(at, kGroupMagic);
  store(at + 8, kJournalVersion);
  store(at + 16, header.epoch);
  store(at + 20, header.shard);
  store(at + 24, header.slot);
  store(at + 28, header.first_block);
  store(at + 32, header.use);
  store(at + 40, header.sequence);
  store(at + 48, header.durable_through);
  store(at + 56, static_cast<uint32_t>(blocks));
  store(at + 60, static_cast<uint32_t>(blocks + body_blocks));
  store(at + 64, static_cast<uint32_t>(records_bytes()));
  const ByteView head(buffer_, blocks * kBlockSize);
  store(at + kCrcOffset, checksum(head.first(used_)));
  return head;
}

std::optional<GroupHeader> decode_group_header(ByteView head) {
  if (head.size() < kGroupHeaderBytes) return std::nullopt;
  ByteReader reader(head.first(kGroupHeaderBytes));
  if (reader.integer<uint64_t>() != kGroupMagic) return std::nullopt;
  if (reader.integer<uint32_t>() != kJournalVersion) return std::nullopt;
  const auto crc = reader.integer<uint32_t>();
  GroupHeader header;
  header.epoch = reader.integer<uint32_t>();
  header.shard = reader.integer<uint16_t>();
  reader.integer<uint16_t>();
  header.slot = reader.integer<uint32_t>();
  header.first_block = reader.integer<uint32_t>();
  header.use = reader.integer<uint64_t>();
  header.sequence = reader.integer<uint64_t>();
  header.durable_through = reader.integer<uint64_t>();
  header.head_blocks = reader.integer<uint32_t>();
  header.total_blocks = reader.integer<uint32_t>();
  header.records_bytes = reader.integer<uint32_t>();
  const uint64_t used = kGroupHeaderBytes + uint64_t{header.records_bytes};
  if (used > kGroupHeadMax || used > head.size() || header.total_blocks < header.head_blocks ||
      header.head_blocks != (used + kBlockSize - 1) / kBlockSize) {
    return std::nullopt;
  }
  if (header.sequence == 0 || header.durable_through >= header.sequence) return std::nullopt;
  if (crc != checksum(head.first(used))) return std::nullopt;
  return header;
}

std::optional<std::vector<Record>> decode_records(const GroupHeader& header, ByteView head) {
  return read_records(head.subspan(kGroupHeaderBytes, header.records_bytes));
}

}  // namespace mailroot::spool
