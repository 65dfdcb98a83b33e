#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace mailroot::bench {

/// CLOCK_MONOTONIC in nanoseconds; one clock for all processes of a machine, so a time written
/// by the source can be subtracted by the sink.
uint64_t now_ns();

/// User plus system time of the calling thread, in nanoseconds.
uint64_t thread_cpu_ns();

/// Latencies in buckets of 1/64 of a power of two: a quantile is off by less than 2 %.
/// Used by one thread; merged afterwards.
class Histogram {
 public:
  void add(uint64_t value_ns);
  void merge(const Histogram& other);

  /// Nanoseconds; 0 when nothing was added. `fraction` is 0 to 1.
  uint64_t quantile(double fraction) const;
  uint64_t max() const { return max_; }
  uint64_t count() const { return count_; }
  double mean() const;

  /// {"count":..,"mean":..,"p50":..,"p90":..,"p99":..,"max":..} in microseconds.
  std::string to_json_us() const;

 private:
  static constexpr int kStepsLog2 = 6;
  static constexpr size_t kBuckets = size_t{64} << kStepsLog2;
  static size_t bucket_of(uint64_t value);
  static uint64_t middle_of(size_t bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t max_ = 0;
};

}  // namespace mailroot::bench
