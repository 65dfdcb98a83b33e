// From the groups of all journals of one home to the state of each message (architecture.md 8.2).
// Pure: recover.cc does what this says.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "segment_scan.h"

namespace mailroot::spool {

// Where the body of an AcceptInline stands.
struct InlineBody {
  size_t segment = 0;  // index into the scans given to replay()
  BodyPlace place;
  uint32_t group_block = 0;  // where in the segment its group begins
  uint32_t group_head_blocks = 0;
};

// One message the journals speak of. None of `head`, `file`: it was placed before, its Accept is
// gone with a recycled segment, and only its outcome is here.
struct ReplayedMessage {
  QueueId id;
  std::optional<MessageHead> head;  // accepted inline; with the newest status
  InlineBody body;
  std::string file;  // accepted by file: its name in Queue/tmp
  std::optional<StatusRecord> status;
  bool placed = false;
  bool done = false;
};

struct ReplayDamage {
  size_t segment = 0;
  std::string sentence;
};

struct Replay {
  std::map<QueueId, ReplayedMessage> messages;
  std::vector<ReplayDamage> damage;  // durable groups or bodies that cannot be read
  uint64_t groups = 0;               // applied
  uint64_t tail_groups = 0;          // of a write that was never acknowledged: left out
  uint64_t void_groups = 0;          // refused with 451: left out
};

Replay replay(const std::vector<SegmentScan>& segments);

}  // namespace mailroot::spool
