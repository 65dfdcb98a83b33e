// Limits of outgoing HTTP, by name.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mailroot/base/bytes.h"
#include "mailroot/base/time.h"

namespace mailroot::http {

inline constexpr size_t kBodyBytesMax = 256 * kKiB;   // of an answer, unless a request says less
inline constexpr size_t kHeaderBytesMax = 64 * kKiB;  // of an answer, all fields
inline constexpr size_t kAtOnceMax = 64;              // requests on the wire
inline constexpr size_t kWaitingMax = 1024;           // requests and jobs that wait for their turn
inline constexpr Duration kTimeout = std::chrono::seconds(30);         // of a whole exchange
inline constexpr Duration kConnectTimeout = std::chrono::seconds(10);  // TLS included
inline constexpr int64_t kRetryAfterMaxSeconds = 24 * 3600;            // of what a server asks for

}  // namespace mailroot::http
