// The old segments that recovery could not empty because the disk is full, and whose messages they
// are the only copy of. Shard 0's journal takes them over as its oldest: their messages are hot,
// are placed when there is room, and a segment goes when nothing pins it. Private to spool/.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "journal_format.h"
#include "mailroot/reactor/reactor.h"
#include "segment.h"

namespace mailroot::spool {

struct KeptSegment {
  KeptFile place;
  reactor::Descriptor file = reactor::kNoDescriptor;  // for reading
};

struct KeptMessage {
  MessageHead head;    // with the newest status
  size_t segment = 0;  // index of the one with its Accept
  uint32_t group_block = 0;
  uint32_t group_head_blocks = 0;
};

struct KeptJournal {
  std::vector<KeptSegment> segments;  // oldest first
  std::map<QueueId, KeptMessage> messages;
  // Placed messages that a record in these segments is about. With the others they are shard 0's:
  // what it records of them stands behind the old records until those are gone.
  std::set<QueueId> placed;
  bool is_taken = false;  // by a spool, with its descriptors
};

}  // namespace mailroot::spool
