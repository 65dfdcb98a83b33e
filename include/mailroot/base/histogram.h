// Histogram: how often a duration fell between fixed bounds. Plain numbers: one thread writes, and
// whoever reads does so on that thread. To count costs a comparison per bound and two additions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "mailroot/base/time.h"

namespace mailroot {

inline constexpr size_t kHistogramBounds = 12;
using HistogramBounds = std::array<int64_t, kHistogramBounds>;  // nanoseconds, ascending

// For what a client or a disk waits for: half a millisecond to 30 seconds.
inline constexpr HistogramBounds kLatencyBounds{
    500'000,     1'000'000,     2'500'000,     5'000'000,     10'000'000,     25'000'000,
    100'000'000, 1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000, 30'000'000'000};
// For how long mail is with us: a tenth of a second to two days.
inline constexpr HistogramBounds kAgeBounds{
    100'000'000,        1'000'000'000,      5'000'000'000,      15'000'000'000,
    60'000'000'000,     300'000'000'000,    900'000'000'000,    3'600'000'000'000,
    14'400'000'000'000, 43'200'000'000'000, 86'400'000'000'000, 172'800'000'000'000};

class Histogram {
 public:
  explicit Histogram(const HistogramBounds& bounds) : bounds_(&bounds) {}

  // A clock that was set back can make a duration negative; it counts as none.
  void add(Duration duration) {
    const int64_t nanoseconds = duration.count() < 0 ? 0 : duration.count();
    size_t bucket = 0;
    while (bucket < kHistogramBounds && nanoseconds > (*bounds_)[bucket]) ++bucket;
    ++counts_[bucket];
    sum_seconds_ += static_cast<double>(nanoseconds) / 1e9;
  }
  // Adds the counts of another shard; both have the same bounds.
  void merge(const Histogram& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    sum_seconds_ += other.sum_seconds_;
  }

  const HistogramBounds& bounds() const { return *bounds_; }
  // Not cumulative; the last one is what exceeds every bound.
  const std::array<uint64_t, kHistogramBounds + 1>& counts() const { return counts_; }
  double sum_seconds() const { return sum_seconds_; }

 private:
  const HistogramBounds* bounds_;  // of static storage
  std::array<uint64_t, kHistogramBounds + 1> counts_{};
  double sum_seconds_ = 0;
};

}  // namespace mailroot
