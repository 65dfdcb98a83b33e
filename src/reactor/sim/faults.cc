#include "mailroot/reactor/sim.h"
#include "random.h"

namespace mailroot::reactor::sim {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kFaultStream = 7;

// Half of the faults do not occur in a given world, so that they do not hide each other; the
// others with up to `most`.
double maybe(Random& random, double most) {
  const bool occurs = random.chance(0.5);
  const double size = static_cast<double>(random.below(1000)) / 1000.0 * most;
  return occurs ? size : 0;
}

}  // namespace

Faults Faults::none() {
  Faults faults;
  faults.network_latency_min = faults.network_latency_max = microseconds(50);
  faults.disk_latency_min = faults.disk_latency_max = microseconds(100);
  return faults;
}

Faults Faults::from_seed(uint64_t seed) {
  Random random(seed, kFaultStream);
  Faults faults;
  faults.network_latency_min = microseconds(random.between(10, 1000));
  faults.network_latency_max = faults.network_latency_min + microseconds(random.below(100'000));
  faults.tiny_segments = maybe(random, 0.2);
  faults.cut_segments = maybe(random, 1.0);
  faults.stall = maybe(random, 0.05);
  faults.stall_max = milliseconds(random.between(1, 60'000));
  faults.reset = maybe(random, 0.02);
  faults.refused = maybe(random, 0.2);
  faults.unroutable = maybe(random, 0.1);
  faults.unanswered = maybe(random, 0.05);
  faults.disk_latency_min = microseconds(random.between(10, 200));
  faults.disk_latency_max = faults.disk_latency_min + microseconds(random.below(20'000));
  faults.disk_hiccup = maybe(random, 0.02);
  faults.disk_hiccup_max = milliseconds(random.between(10, 5'000));
  faults.read_error = maybe(random, 0.002);
  faults.write_error = maybe(random, 0.01);
  faults.sync_error = maybe(random, 0.01);
  faults.early_write_back = maybe(random, 0.5);
  faults.ordered_names = random.chance(0.5);
  return faults;
}

}  // namespace mailroot::reactor::sim
