#include "statistics.h"

#include <algorithm>

namespace mailroot::bench {
namespace {

constexpr size_t kSamplesMax = 8;

}  // namespace

void Statistics::sample(std::string_view what) {
  if (samples.size() < kSamplesMax && std::ranges::find(samples, what) == samples.end()) {
    samples.emplace_back(what.substr(0, 200));
  }
}

void Statistics::merge(const Statistics& other) {
  accepted += other.accepted;
  refused += other.refused;
  unanswered += other.unanswered;
  recipients_refused += other.recipients_refused;
  errors += other.errors;
  connects += other.connects;
  opened += other.opened;
  closed_early += other.closed_early;
  bytes += other.bytes;
  if (other.first_ns != 0 && (first_ns == 0 || other.first_ns < first_ns)) {
    first_ns = other.first_ns;
  }
  last_ns = std::max(last_ns, other.last_ns);
  cpu_ns += other.cpu_ns;
  wall_ns = std::max(wall_ns, other.wall_ns);
  accept.merge(other.accept);
  transaction.merge(other.transaction);
  opening.merge(other.opening);
  for (const std::string& text : other.samples) {
    sample(text);
  }
}

}  // namespace mailroot::bench
