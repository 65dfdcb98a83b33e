// Every limit of spool/, by name.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "mailroot/base/bytes.h"
#include "mailroot/base/time.h"

namespace mailroot::spool {

// Journal. A group is one write; at most two are in flight, acknowledged in order.
inline constexpr size_t kGroupsInFlightMax = 2;
inline constexpr size_t kGroupHeadMax = kMiB;               // records of one group
inline constexpr size_t kGroupBytesMax = 4 * kMiB;          // one group, bodies included
inline constexpr size_t kGroupPiecesMax = 1000;             // iovecs; IOV_MAX is 1024
inline constexpr size_t kRecordMax = 256 * kKiB;            // larger envelopes go by Queue file
inline constexpr size_t kInlineBodyMax = 256 * kKiB;        // larger bodies go by Queue file
inline constexpr size_t kInlineBodyCrowdedMax = 16 * kKiB;  // ... while memory is half full
inline constexpr size_t kCausedInlineMax = 512 * kKiB;      // DSN bodies of one settlement

// Segments. They start small and grow with load.
inline constexpr uint64_t kSegmentBytesFirst = kMiB;
inline constexpr uint64_t kSegmentBytesLeast = 128 * kKiB;  // on a full disk, for outcomes only
inline constexpr uint64_t kSegmentBytesMax = 64 * kMiB;
inline constexpr uint64_t kSegmentGrowth = 4;
inline constexpr Duration kSegmentFast = std::chrono::seconds(10);  // filled sooner: grow
inline constexpr size_t kSegmentsPressure = 4;  // then the oldest is emptied by placing
inline constexpr size_t kSegmentsMax = 8;  // then commits wait for the oldest to be emptied ...
inline constexpr size_t kSegmentsHardMax = 64;  // ... and if it cannot be, more are made slowly
inline constexpr uint64_t kSettleReserveBytes = 256 * kKiB;  // of the last segment: no new mail
inline constexpr Duration kIdleJournal = std::chrono::minutes(1);  // then its space is given back
inline constexpr size_t kPrewriteChunk = kMiB;
static_assert(kRecordMax + kInlineBodyMax + kSettleReserveBytes + 8192 < kSegmentBytesFirst,
              "any one ticket fits an empty segment");

// Failure.
inline constexpr uint32_t kFailuresMax = 3;  // in a row, then 421 4.3.2
inline constexpr Duration kReopenInterval = std::chrono::seconds(5);
inline constexpr Duration kFreeCheckInterval = std::chrono::seconds(1);

// Queue files.
inline constexpr size_t kPlacementsMax = 16;            // in flight
inline constexpr size_t kFilesForOneSync = 16;          // from here on the file system is synced
inline constexpr size_t kSyncBatchMax = 4096;           // entries of one round
inline constexpr uint64_t kRoomBesideKept = 16 * kMiB;  // then what recovery kept is placed
inline constexpr uint8_t kRepairsMax = 3;               // of one file whose sync failed
inline constexpr size_t kPoolFilesMax = 256;            // free inodes kept in Queue/tmp, per shard
inline constexpr uint64_t kPoolFileBytesMax = 64 * kKiB;   // longer ones are cut when returned
inline constexpr size_t kQueueBlock = 4096;                // envelope blocks are a multiple of it
inline constexpr size_t kEnvelopeRoomMin = 16 * kKiB;      // of a streamed file
inline constexpr size_t kEnvelopeRoomStep = 64 * kKiB;     // larger rooms are multiples of it
inline constexpr size_t kWindowBytesMin = 256 * kKiB;      // one write of a streamed body
inline constexpr size_t kWindowBytesMax = kMiB;            // ... while few are streamed
inline constexpr uint64_t kWindowsBytesTotal = 64 * kMiB;  // shared by those in flight
inline constexpr uint64_t kPreallocateBytes = 16 * kMiB;   // steps in which a large file grows
inline constexpr size_t kReadWindowBytes = 64 * kKiB;      // of a file being sent
inline constexpr size_t kHeaderReadBytes = 4 * kKiB;       // first read of a file
inline constexpr size_t kScanInFlightMax = 16;

// Drop and Badmail (keeper). A directory of a million files is a thousand pages.
inline constexpr Duration kKeeperInterval = std::chrono::seconds(1);
inline constexpr Duration kKeeperPause = std::chrono::milliseconds(2);  // between two pages
inline constexpr int kKeeperRest = 20;  // times as long as the last look took, before the next one
inline constexpr Duration kDropLookInterval = std::chrono::minutes(5);
inline constexpr Duration kBadmailLookInterval = std::chrono::hours(1);
inline constexpr size_t kBadmailCandidatesMax = 4096;  // the oldest files of one look
inline constexpr uint64_t kBadmailToldMax = 100;  // removed files named in the log, of one look
inline constexpr Duration kTemporaryKeep = std::chrono::hours(36);  // of files left in tmp

}  // namespace mailroot::spool
