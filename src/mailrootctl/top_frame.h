// What top shows: figures of two moments, as lines. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace mailroot::ctl {

struct TopSample {
  double seconds = 0;     // monotonic
  nlohmann::json status;  // the daemon's answer to "status"
  std::vector<nlohmann::json> destinations;
  std::string trouble;  // mailrootd cannot be reached: why; what else is here is older
};

// At most `rows` lines of at most `columns` printable characters.
std::vector<std::string> top_frame(const TopSample& before, const TopSample& now, size_t columns,
                                   size_t rows);
// The same figures as one document.
nlohmann::ordered_json top_json(const TopSample& before, const TopSample& now);

}  // namespace mailroot::ctl
