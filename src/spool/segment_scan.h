// What one segment file holds, from its bytes alone. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "journal_format.h"

namespace mailroot::spool {

struct ScannedGroup {
  GroupHeader header;
  std::vector<Record> records;
  std::vector<size_t> damaged;  // indexes of Accept records whose body fails its CRC
  bool after_hole = false;      // bytes that are no group of this use stand before it
};

struct SegmentScan {
  std::optional<SegmentHeader> header;
  bool newer_version = false;  // written by a later Mailroot: nothing may be concluded
  // No header, but there are groups: damage. Without groups the file was never finished.
  bool header_lost = false;
  // Groups of the file's current use, by position; sequences rise. Stale ones are left out.
  std::vector<ScannedGroup> groups;
};

// Without a readable header the group at block 1 says which use is current; without that either,
// groups cannot be told from stale ones or from what a sender put into a body, and are left out.
SegmentScan scan_segment(ByteView bytes);

// Where the whole blocks of an inline body begin, and its tail, in bytes of the segment.
struct BodyPlace {
  uint64_t blocks_offset = 0;
  uint64_t tail_offset = 0;
};
BodyPlace body_place(const GroupHeader& group, const AcceptInline& accept);

}  // namespace mailroot::spool
