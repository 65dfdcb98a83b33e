// What kinds of bytes stand in a range, eight at a time.
#pragma once

#include <cstdint>
#include <cstring>

#include "mailroot/base/bytes.h"

namespace mailroot::smtp {

struct ByteClasses {
  bool nul = false;
  bool eight_bit = false;
};

inline ByteClasses classify(ByteView bytes) {
  constexpr uint64_t kHigh = 0x8080808080808080u;
  constexpr uint64_t kOnes = 0x0101010101010101u;
  uint64_t high = 0;
  uint64_t zero = 0;
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, 8);
    high |= word & kHigh;
    // A zero byte borrows; false alarms come only above a true zero byte, so the OR is exact.
    zero |= (word - kOnes) & ~word & kHigh;
  }
  for (; at < bytes.size(); ++at) {
    const auto byte = static_cast<uint8_t>(bytes[at]);
    high |= byte & 0x80u;
    zero |= byte == 0 ? 1u : 0u;
  }
  return {.nul = zero != 0, .eight_bit = high != 0};
}

}  // namespace mailroot::smtp
