// Named limits of the io_uring backend.
#pragma once

#include <cstdint>

#include "mailroot/reactor/limits.h"

namespace mailroot::reactor {

inline constexpr uint32_t kRingUnitsMax = 32768;     // the kernel's bound for one buffer ring
inline constexpr uint32_t kCompletionsPerEntry = 4;  // multishot floods a smaller queue
// With more units than this out at one receive, or less than this part of the ring left, bytes
// move to spare units.
inline constexpr uint32_t kUnitsHeldMax = kStreamBuffersMax;
inline constexpr uint32_t kScarcePart = 4;        // a quarter
inline constexpr unsigned kIovecsPerCall = 1024;  // UIO_MAXIOV
inline constexpr unsigned kSocketWorkersMax = 2;  // io-wq threads for what is not a file
inline constexpr int kDrainRoundsMax = 100;       // at destruction, 100 ms each

}  // namespace mailroot::reactor
