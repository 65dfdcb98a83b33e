// Every limit of queue/, by name.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mailroot/base/time.h"

namespace mailroot::queue {

inline constexpr uint32_t kMessagesMax = 0xFFFF'FFF0;   // in one Queue: 32-bit handles
inline constexpr uint32_t kRecipientsMax = 65536;       // of one message
inline constexpr uint32_t kWindowStart = 2;             // connections to a new destination
inline constexpr uint32_t kLocalWindow = 8;             // deliveries into Drop at a time
inline constexpr uint32_t kFailureCohort = 3;           // failed connections in a row: Backoff
inline constexpr int64_t kQuantumBytes = 64 * 1024;     // of the round robin, per destination
inline constexpr int64_t kDebtQuantaMax = 4;            // rounds a destination may be skipped
inline constexpr uint32_t kIdleDestinationsMax = 4096;  // remembered without mail
inline constexpr uint32_t kPageMax = 1000;              // entries of one listing page
inline constexpr uint32_t kYieldAfterMessages = 5;      // if somebody waits for the slot
inline constexpr size_t kLastErrorMax = 512;            // bytes kept of a destination's trouble
inline constexpr Duration kSlotRetry = std::chrono::seconds(5);  // should a wake-up get lost
inline constexpr Duration kNoticeRetry =
    std::chrono::minutes(1);  // a DSN could not be stored, or is not due yet
inline constexpr Duration kTimerTick = std::chrono::milliseconds(64);

}  // namespace mailroot::queue
