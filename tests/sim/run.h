// One seed from the first client to the last oracle.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mailroot::simtest {

struct RunOptions {
  std::function<void(std::string_view)> trace;  // may be empty
};

struct RunResult {
  std::vector<std::string> violations;
  uint64_t trace_hash = 0;
  uint64_t steps = 0;
  size_t promises = 0, deliveries = 0, reports = 0, deaths = 0;
};

RunResult run_seed(uint64_t seed, const RunOptions& options);

}  // namespace mailroot::simtest
