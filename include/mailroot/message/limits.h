// Every limit of message/, by name.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mailroot::message {

inline constexpr size_t kQueueRecipientsMax = 65536;         // in one queue file
inline constexpr size_t kQueueHeaderMax = 64 * 1024 * 1024;  // bytes of an envelope block
inline constexpr size_t kQueueLineMax = 128 * 1024;          // bytes of one of its lines
inline constexpr size_t kQueueLastMax = 160;                 // bytes of X-Queue-Last, fixed width
inline constexpr size_t kQueueOriginMax = 400;               // bytes of X-Queue-Origin
inline constexpr size_t kPickupHeaderMax = 1024 * 1024;      // header section of a Pickup file
inline constexpr size_t kPickupRecipientsMax = 65536;
inline constexpr size_t kHeaderNameKept = 64;            // bytes of a line kept for its field name
inline constexpr size_t kHeaderValueKept = 256;          // bytes of a field value that is kept
inline constexpr size_t kHeaderSectionMax = 256 * 1024;  // then HeaderScan stops looking
inline constexpr size_t kTraceNameMax = 255;             // EHLO name inside Received
inline constexpr size_t kDsnTextMax = 1024;              // reply text repeated in a DSN
inline constexpr size_t kDsnRecipientsMax = 1000;        // listed in one DSN; the rest are counted
inline constexpr uint64_t kDsnFullMax = 1024 * 1024;     // larger messages return headers only

}  // namespace mailroot::message
