// Named limits of simulated worlds.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "mailroot/base/time.h"

namespace mailroot::reactor::sim {

inline constexpr size_t kPageBytes = 4096;   // grain of the page cache
inline constexpr size_t kSectorBytes = 512;  // grain of a torn write
inline constexpr size_t kNameLengthMax = 255;
inline constexpr size_t kPathLengthMax = 4096;
inline constexpr uint64_t kFileBytesMax = uint64_t{1} << 32;
inline constexpr uint16_t kFirstEphemeralPort = 32768;
inline constexpr uint16_t kLastEphemeralPort = 60999;
inline constexpr Duration kConnectPatience = std::chrono::seconds(127);  // Linux: 6 SYN retries
inline constexpr uint32_t kUnitsPerWait = 32;  // reported for one receive by one wait()
inline constexpr Duration kTurnTime = std::chrono::microseconds(1);
inline constexpr uint64_t kUnwindTurnsMax = 100'000;

}  // namespace mailroot::reactor::sim
