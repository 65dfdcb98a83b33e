// Every limit of the reactor, named.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "mailroot/base/time.h"

namespace mailroot::reactor {

// Unread units one connection may hold of the receive pool; more stops its receive. Small, because
// silent consumers of many connections would otherwise own the whole pool.
inline constexpr size_t kStreamBuffersMax = 4;
// Copies of received bytes beyond that, all streams of a reactor together. Beyond this limit the
// bytes stay in their units.
inline constexpr size_t kSpillBytesMax = size_t{16} << 20;
// Accepted connections that wait for AcceptStream::next().
inline constexpr size_t kStreamAcceptsMax = 64;
// How long accepting rests when descriptors or memory ran out.
inline constexpr Duration kAcceptRest = std::chrono::milliseconds(100);
// Granularity of every deadline.
inline constexpr Duration kTimerTick = std::chrono::milliseconds(4);
// Buffers handed to the kernel in one gathering call; longer lists take several calls.
inline constexpr size_t kGatherMax = 64;

// Of a directory, in one list_page: about a thousand entries.
inline constexpr size_t kDirectoryPageBytes = 32 * 1024;
// Name events that wait for one NameWatch; beyond they are given up for one `lost`.
inline constexpr size_t kNameEventsMax = 16'384;
inline constexpr size_t kNameReadsMax = 32;  // of 64 KiB, at one time

struct ReactorLimits {
  uint32_t resumptions_per_turn = 256;
  uint32_t mailbox_entries = 1024;
};

}  // namespace mailroot::reactor
