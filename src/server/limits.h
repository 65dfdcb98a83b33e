// Every limit of this module.
#pragma once

#include <chrono>
#include <cstdint>

namespace mailroot::server {

inline constexpr uint32_t kShardsMax = 256;  // queue ids hold 4096
inline constexpr int kPlanRoundsMax = 64;    // each round rules out one start or address
inline constexpr std::chrono::seconds kHomeCheckInterval{1};
inline constexpr std::chrono::seconds kSpaceCheckInterval{5};  // of servers that lack it to start
inline constexpr uint64_t kBodyMemoryDefaultBytes = 192ull * 1024 * 1024;  // over all shards

}  // namespace mailroot::server
