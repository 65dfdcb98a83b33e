// Bounds of doctor, test-mail and trace.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mailroot::ctl {

inline constexpr int kNameLookupSeconds = 10;      // of one question
inline constexpr int kEgressPatienceSeconds = 10;  // for a connection, and for the greeting
inline constexpr size_t kEgressHostsMax = 10;      // hosts that doctor connects to
inline constexpr size_t kEgressAddressesMax = 4;   // of one host
inline constexpr size_t kDoctorNamesMax = 20;      // names that doctor asks DNS about

inline constexpr int kTestMailPatienceSeconds = 60;  // for one reply
inline constexpr int kFollowPauseMs = 50;            // between two looks at the queue
inline constexpr int kLogBehindTries = 10;           // looks into the log for the end of a message
inline constexpr int kLogBehindPauseMs = 200;        // between them
inline constexpr size_t kLogLineBytesMax = 256 * 1024;  // longer ones are left out
inline constexpr uint64_t kProgressLines = 100'000;  // of the log, between two looks at a terminal
inline constexpr size_t kStoryEventsMax = 10'000;    // lines of one message
inline constexpr uint64_t kTraceQueueMax = 20'000;   // queued messages whose addresses are read

}  // namespace mailroot::ctl
