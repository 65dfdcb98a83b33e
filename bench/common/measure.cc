#include "measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <ctime>

namespace mailroot::bench {
namespace {

uint64_t read_clock(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

uint64_t now_ns() { return read_clock(CLOCK_MONOTONIC); }

uint64_t thread_cpu_ns() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

size_t Histogram::bucket_of(uint64_t value) {
  if (value < (uint64_t{1} << kStepsLog2)) {
    return static_cast<size_t>(value);
  }
  int exponent = 63 - std::countl_zero(value);
  uint64_t step = (value >> (exponent - kStepsLog2)) & ((uint64_t{1} << kStepsLog2) - 1);
  return (static_cast<size_t>(exponent - kStepsLog2 + 1) << kStepsLog2) + step;
}

uint64_t Histogram::middle_of(size_t bucket) {
  size_t row = bucket >> kStepsLog2;
  uint64_t step = bucket & ((size_t{1} << kStepsLog2) - 1);
  if (row == 0) {
    return step;
  }
  uint64_t width = uint64_t{1} << (row - 1);
  return (((uint64_t{1} << kStepsLog2) + step) << (row - 1)) + width / 2;
}

void Histogram::add(uint64_t value_ns) {
  ++buckets_[bucket_of(value_ns)];
  ++count_;
  sum_ += value_ns;
  max_ = std::max(max_, value_ns);
}

void Histogram::merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) {
    buckets_[i] += other.buckets_[i];
  }
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

uint64_t Histogram::quantile(double fraction) const {
  if (count_ == 0) {
    return 0;
  }
  auto wanted = static_cast<uint64_t>(fraction * static_cast<double>(count_ - 1)) + 1;
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) {
      return std::min(middle_of(i), max_);
    }
  }
  return max_;
}

double Histogram::mean() const {
  return count_ == 0 ? 0.0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

std::string Histogram::to_json_us() const {
  auto us = [](double ns) { return ns / 1000.0; };
  auto at = [&](double fraction) { return us(static_cast<double>(quantile(fraction))); };
  return fmt::format(
      R"({{"count":{},"mean":{:.1f},"p50":{:.1f},"p90":{:.1f},"p99":{:.1f},"max":{:.1f}}})", count_,
      us(mean()), at(0.5), at(0.9), at(0.99), us(static_cast<double>(max_)));
}

}  // namespace mailroot::bench
