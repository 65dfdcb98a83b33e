// The wishes of an operator for one queued message, and what became of one.
#pragma once

#include <cstdint>

namespace mailroot::deliver {

// What an operator does to one queued message.
enum class OperatorAction : uint8_t {
  hold,     // nothing of it is tried until it is released, also after a restart
  release,  // tried at once
  bounce,   // returned to its sender with a report (or to Badmail) instead of further attempts
  discard,  // removed; nobody is told
};

enum class OperatorResult : uint8_t {
  done,
  no_message,   // not in the queue (any more)
  in_delivery,  // an attempt is under way; nothing was changed
  unreadable,   // nothing was changed
  no_change,    // was held already, or was not held
  not_stored,   // done, but the disk refused: kept in memory, written when it works again
  stopping,     // the virtual server ends
};

}  // namespace mailroot::deliver
