// Figures of several shards as one. Pure.
#pragma once

#include "mailroot/queue/queue.h"
#include "mailroot/spool/spool.h"

namespace mailroot::server {

inline void add_up(queue::QueueCounters& sum, const queue::QueueCounters& part) {
  sum.messages += part.messages;
  sum.size_bytes += part.size_bytes;
  sum.waiting += part.waiting;
  sum.ready += part.ready;
  sum.in_transaction += part.in_transaction;
  sum.held += part.held;
  sum.destinations += part.destinations;
  sum.connections += part.connections;
  sum.expired += part.expired;
}

inline void add_up(spool::SpoolCounters& sum, const spool::SpoolCounters& part) {
  sum.hot += part.hot;
  sum.placed += part.placed;
  sum.committed += part.committed;
  sum.groups += part.groups;
  sum.bytes_written += part.bytes_written;
  sum.failures += part.failures;
  sum.materialised += part.materialised;
  sum.set_aside += part.set_aside;
  sum.commit.merge(part.commit);
}

}  // namespace mailroot::server
