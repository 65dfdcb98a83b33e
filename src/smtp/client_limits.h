// Limits of the client session, by name.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mailroot::smtp {

// Commands sent and not yet answered. Keeps the replies of a pipelined batch within what the
// kernel buffers for us while we still write (RFC 2920 3.1), or both sides could wait for ever.
inline constexpr size_t kCommandsInFlightMax = 100;
// Challenges answered in one exchange: the longest mechanism has three.
inline constexpr uint32_t kChallengesMax = 8;
// Offers of one EHLO reply that are looked at.
inline constexpr size_t kOffersMax = 128;

}  // namespace mailroot::smtp
