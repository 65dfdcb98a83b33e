// Named limits of the io_uring backend.
#pragma once

#include <cstdint>

namespace mailroot::reactor {

inline constexpr uint32_t kReceiveBuffersMax = 32768;  // the kernel's bound for one buffer ring
inline constexpr uint32_t kCompletionsPerEntry = 4;    // multishot floods a smaller queue
inline constexpr unsigned kIovecsPerCall = 1024;       // UIO_MAXIOV
inline constexpr unsigned kSocketWorkersMax = 2;       // io-wq threads for what is not a file
inline constexpr int kDrainRoundsMax = 100;            // at destruction, 100 ms each

}  // namespace mailroot::reactor
