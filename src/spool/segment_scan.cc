#include "segment_scan.h"

#include <algorithm>
#include <utility>

#include "limits.h"
#include "mailroot/base/crc32c.h"

namespace mailroot::spool {

namespace {

// `use` is a random number: bytes that a sender placed in a body cannot pose as a group.
bool belongs(const GroupHeader& group, const SegmentHeader& segment) {
  return group.epoch == segment.epoch && group.shard == segment.shard &&
         group.slot == segment.slot && group.use == segment.use;
}

std::optional<GroupHeader> header_at(ByteView bytes, uint64_t block) {
  const ByteView rest = bytes.subspan(block * kBlockSize);
  const auto header = decode_group_header(rest.first(std::min(rest.size(), kGroupHeadMax)));
  if (!header || header->first_block != block ||
      uint64_t{header->total_blocks} * kBlockSize > rest.size()) {
    return std::nullopt;
  }
  return header;
}

bool body_holds(ByteView bytes, const GroupHeader& group, const AcceptInline& accept) {
  const uint64_t whole_bytes = accept.head.size_bytes / kBlockSize * kBlockSize;
  const uint64_t last_block =
      uint64_t{group.head_blocks} + accept.body_block + accept.head.size_bytes / kBlockSize;
  if (last_block > group.total_blocks) return false;
  const BodyPlace place = body_place(group, accept);
  const uint32_t crc = crc32c(bytes.subspan(place.blocks_offset, whole_bytes));
  const uint64_t tail_bytes = accept.head.size_bytes - whole_bytes;
  return crc32c(bytes.subspan(place.tail_offset, tail_bytes), crc) == accept.head.crc32c;
}

std::optional<ScannedGroup> group_at(ByteView bytes, uint64_t block) {
  const auto header = header_at(bytes, block);
  if (!header) return std::nullopt;
  ScannedGroup group;
  group.header = *header;
  auto records = decode_records(*header, bytes.subspan(block * kBlockSize));
  if (!records) return std::nullopt;
  group.records = *std::move(records);
  for (size_t i = 0; i < group.records.size(); ++i) {
    const auto* accept = std::get_if<AcceptInline>(&group.records[i]);
    if (accept != nullptr && !body_holds(bytes, *header, *accept)) group.damaged.push_back(i);
  }
  return group;
}

}  // namespace

BodyPlace body_place(const GroupHeader& group, const AcceptInline& accept) {
  const uint64_t start = uint64_t{group.first_block} * kBlockSize;
  const uint64_t first = uint64_t{group.head_blocks} + accept.body_block;
  return {start + first * kBlockSize, start + accept.tail_offset};
}

SegmentScan scan_segment(ByteView bytes) {
  SegmentScan scan;
  const uint64_t blocks = bytes.size() / kBlockSize;
  if (blocks == 0) return scan;
  const auto header = decode_segment_header(bytes);
  if (header) {
    scan.header = *header;
  } else if (header.error().newer_version) {
    scan.newer_version = true;
    return scan;
  }
  SegmentHeader current = scan.header.value_or(SegmentHeader{});
  if (!scan.header) {
    const auto first = blocks > 1 ? header_at(bytes, 1) : std::nullopt;
    for (uint64_t block = 1; block < blocks && !scan.header_lost; ++block) {
      scan.header_lost = header_at(bytes, block).has_value();
    }
    if (!first) return scan;
    current = {first->epoch, first->shard, first->slot, first->use, bytes.size()};
  }
  uint64_t last_sequence = 0;
  bool after_hole = false;
  for (uint64_t block = 1; block < blocks;) {
    const auto peeked = header_at(bytes, block);
    std::optional<ScannedGroup> group;
    if (peeked && belongs(*peeked, current) && peeked->sequence > last_sequence) {
      group = group_at(bytes, block);
    }
    if (!group) {
      after_hole = true;
      ++block;
      continue;
    }
    group->after_hole = std::exchange(after_hole, false);
    last_sequence = group->header.sequence;
    block += group->header.total_blocks;
    scan.groups.push_back(*std::move(group));
  }
  return scan;
}

}  // namespace mailroot::spool
