#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "measure.h"

namespace mailroot::bench {

/// What one thread counted; merged after the threads have ended.
struct Statistics {
  uint64_t accepted = 0;    // 2yz after end of data
  uint64_t refused = 0;     // answered with 4yz or 5yz somewhere in the transaction
  uint64_t unanswered = 0;  // sent in part or whole when the connection was lost
  uint64_t recipients_refused = 0;
  uint64_t errors = 0;  // connections that failed or broke
  uint64_t connects = 0;
  uint64_t opened = 0;        // connections that reached the answer to EHLO
  uint64_t closed_early = 0;  // idle connections the server closed while they were held
  uint64_t bytes = 0;
  uint64_t first_ns = 0;  // first connect
  uint64_t last_ns = 0;   // last answer to an end of data
  uint64_t cpu_ns = 0;
  uint64_t wall_ns = 0;
  Histogram accept;                  // last byte of the message handed to the kernel -> reply
  Histogram transaction;             // MAIL queued -> reply to the end of data
  Histogram opening;                 // connect -> reply to EHLO
  std::vector<std::string> samples;  // the first few errors and refusals, as text

  void sample(std::string_view what);
  void merge(const Statistics& other);
};

}  // namespace mailroot::bench
