// The text exposition format of Prometheus, version 0.0.4.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mailroot/reactor/reactor.h"
#include "mailroot/server/supervisor.h"

namespace mailroot::control {

// What the kernel tells of this process.
struct ProcessFigures {
  double start_time_seconds = 0, cpu_seconds = 0;
  uint64_t resident_bytes = 0, open_descriptors = 0, most_descriptors = 0;
};
// Reads /proc: some ten microseconds, and more with many thousand descriptors open.
ProcessFigures look_at_process(WallTime now);

// As a label's value: backslash, quote and line end escaped.
std::string escape_label(std::string_view value);

size_t metric_slices();
// Appends the families of one slice (0 to metric_slices() - 1).
void append_slice(std::string& out, size_t slice, const server::Metrics& metrics,
                  const ProcessFigures& process);

// Asks the shards and writes all slices, with other work of `control` done in between.
reactor::task<std::string> metrics_text(reactor::Reactor& control, server::Supervisor& supervisor);

}  // namespace mailroot::control
