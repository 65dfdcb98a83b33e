// A message that is being read piece by piece for an operator.
#pragma once

#include <cstdint>
#include <string>

#include "mailroot/base/queue_id.h"
#include "mailroot/spool/spool.h"

namespace mailroot::server {

// Where the last piece ended, so that the next one need not begin at the front again.
struct ContentReading {
  QueueId id;
  std::string head;  // the envelope block, as its Queue file has it
  spool::LoadedMessage message;
  uint64_t at = 0;  // of head and content together; those behind are not yet read
  uint64_t total_bytes() const { return head.size() + message.size_bytes; }
};

}  // namespace mailroot::server
