// The only source of chance in a simulated world: one stream per purpose, all from one seed, so
// that drawing more in one part does not change another. xoshiro256** (public domain, Blackman and
// Vigna), seeded by splitmix64.
#pragma once

#include <bit>
#include <cstdint>

#include "mailroot/base/assert.h"
#include "mailroot/base/time.h"

namespace mailroot::reactor::sim {

class Random {
 public:
  Random(uint64_t seed, uint64_t stream) {
    uint64_t mixed = seed ^ (stream * 0xD1342543DE82EF95u);
    for (uint64_t& word : state_) {
      mixed += 0x9E3779B97F4A7C15u;
      uint64_t value = mixed;
      value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
      value = (value ^ value >> 27) * 0x94D049BB133111EBu;
      word = value ^ value >> 31;
    }
  }

  uint64_t next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  // Below `bound`, which is not 0.
  uint64_t below(uint64_t bound) {
    MAILROOT_ASSERT(bound != 0, "a range with something in it");
    return next() % bound;
  }
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  bool chance(double probability) {
    return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
  }
  Duration between(Duration low, Duration high) {
    if (high <= low) return low;
    return low + Duration(below(static_cast<uint64_t>((high - low).count()) + 1));
  }

 private:
  uint64_t state_[4];
};

}  // namespace mailroot::reactor::sim
