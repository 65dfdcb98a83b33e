// One stream of chance per purpose, all from the seed: a change in one script does not shift what
// the others draw.
#pragma once

#include <cstdint>

#include "mailroot/base/time.h"

namespace mailroot::simtest {

class Chance {
 public:
  Chance(uint64_t seed, uint64_t stream) : state_(seed * 0x9E3779B97F4A7C15u + stream) { next(); }

  uint64_t next() {  // splitmix64
    uint64_t mixed = (state_ += 0x9E3779B97F4A7C15u);
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBu;
    return mixed ^ mixed >> 31;
  }
  uint64_t below(uint64_t limit) { return limit == 0 ? 0 : next() % limit; }
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  bool percent(uint64_t likely) { return below(100) < likely; }
  Duration up_to(Duration most) {
    return Duration(static_cast<int64_t>(below(static_cast<uint64_t>(most.count()) + 1)));
  }

 private:
  uint64_t state_;
};

}  // namespace mailroot::simtest
