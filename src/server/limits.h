// Every limit of this module.
#pragma once

#include <chrono>
#include <cstdint>

namespace mailroot::server {

inline constexpr uint32_t kShardsMax = 256;     // queue ids hold 4096
inline constexpr size_t kEndingAtOnceMax = 64;  // servers
inline constexpr size_t kHomesAtOnceMax = 32;   // opened, and their journals replayed
inline constexpr int kPlanRoundsMax = 64;       // each round rules out one start or address
inline constexpr std::chrono::seconds kHomeCheckInterval{1};
inline constexpr std::chrono::seconds kSpaceCheckInterval{5};  // of servers that lack it to start
inline constexpr std::chrono::seconds kCertificateLookInterval{5};  // at the files of certificates
// When new sockets have listened that long, whoever began together with us can be seen.
inline constexpr std::chrono::seconds kPortCheckAfter{2};
// What comes up together is waited for together.
inline constexpr std::chrono::milliseconds kAddressSettle{200};
inline constexpr size_t kAddressNewsBytes = 16 * 1024;  // of one datagram of the kernel
inline constexpr int kAddressNewsMax = 1000;            // datagrams before the next pause
inline constexpr uint64_t kBodyMemoryDefaultBytes = 192ull * 1024 * 1024;  // over all shards

inline constexpr size_t kConnectionsPage = 500;            // of a shard at one time
inline constexpr uint32_t kDestinationsPage = 1000;        // of a shard at one time
inline constexpr size_t kDestinationsSummedMax = 100'000;  // next hops in one answer's making
inline constexpr size_t kMetricsSlice = 64;         // virtual servers before others have their turn
inline constexpr uint64_t kPieceBytes = 64 * 1024;  // of a message, in one answer

// Passwords being checked. A hash of yescrypt takes 16 MiB while it is made.
inline constexpr size_t kLoginThreadsMax = 2;
inline constexpr size_t kLoginQueueMax = 100;  // waiting; about two seconds of work
inline constexpr int kLoginNice = 5;
inline constexpr uint32_t kLoginPostPauseMicroseconds = 1000;
inline constexpr std::chrono::minutes kLoginKnownTime{5};  // a right login is not hashed again
inline constexpr size_t kLoginsKnownMax = 10'000;
// Dovecot answers a wrong password after two seconds, by default.
inline constexpr std::chrono::seconds kDovecotTimeout{30};
inline constexpr size_t kDovecotLineMax = 64 * 1024;

}  // namespace mailroot::server
