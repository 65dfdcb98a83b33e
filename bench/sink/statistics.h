#pragma once

#include <algorithm>
#include <cstdint>

#include "measure.h"

namespace mailroot::bench {

/// What one thread counted; merged after the threads have ended.
struct Statistics {
  uint64_t connections = 0;
  uint64_t messages = 0;    // answered 250 after the end of data
  uint64_t recipients = 0;  // of those messages
  uint64_t bytes = 0;       // of those messages, decoded
  uint64_t refused = 0;     // commands and messages answered 4yz or 5yz
  uint64_t faults = 0;      // rules of --reply, --stall, ... that were applied
  uint64_t violations = 0;  // see Recorder
  uint64_t damaged = 0;     // body differs from what mailroot-source sent
  uint64_t lost = 0;        // connections that ended inside a transaction
  uint64_t open_most = 0;   // connections open at once
  uint64_t first_ns = 0;    // first message
  uint64_t last_ns = 0;     // last message
  uint64_t cpu_ns = 0;
  uint64_t wall_ns = 0;
  Histogram latency;  // source's stamp -> our 250

  void merge(const Statistics& other) {
    connections += other.connections;
    messages += other.messages;
    recipients += other.recipients;
    bytes += other.bytes;
    refused += other.refused;
    faults += other.faults;
    violations += other.violations;
    damaged += other.damaged;
    lost += other.lost;
    open_most += other.open_most;
    if (other.first_ns != 0 && (first_ns == 0 || other.first_ns < first_ns)) {
      first_ns = other.first_ns;
    }
    last_ns = std::max(last_ns, other.last_ns);
    cpu_ns += other.cpu_ns;
    wall_ns = std::max(wall_ns, other.wall_ns);
    latency.merge(other.latency);
  }
};

}  // namespace mailroot::bench
