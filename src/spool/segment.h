// One journal segment and the directory that holds them. Private to spool/.
//
//   spare --activate--> active --full--> sealed --no pins, oldest--> spare (renewed) or removed
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mailroot/base/result.h"
#include "mailroot/base/slab_pool.h"
#include "mailroot/base/time.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/spool/home.h"

namespace mailroot::spool {

// Where a segment that recovery kept lies, and what becomes of it.
struct KeptFile {
  std::string directory;  // in Journal
  std::string name;
  bool is_damaged = false;  // for people, when nothing needs it any more
};

struct Segment {
  uint32_t slot = 0;
  uint64_t use = 0;
  uint64_t size_bytes = 0;
  reactor::Descriptor file = reactor::kNoDescriptor;
  bool direct = false;           // O_DIRECT | O_DSYNC; else every write is followed by a sync
  bool abandoned = false;        // a write or sync failed: never written again
  std::optional<KeptFile> kept;  // of an earlier start: never written
  uint32_t next_block = 1;       // where the next group goes
  uint32_t pins = 0;             // what is durable only here; 0: may be taken up again
  Instant activated_at{};

  uint64_t blocks_left() const { return size_bytes / kBlockSize - next_block; }
};

// Makes, renews and removes the segments of one (home, shard). The directory is made at the first.
class SegmentStore {
 public:
  SegmentStore(reactor::Reactor& reactor, const Home& home, uint16_t shard)
      : reactor_(reactor), home_(home), shard_(shard) {}

  // Pre-written and synced with its directory: a group written into it is durable.
  reactor::task<result<std::unique_ptr<Segment>>> create(uint64_t size_bytes);
  // A new use for an old file: what it held is stale once this returns ok.
  reactor::task<result<void>> renew(Segment& segment);
  // Also one that recovery kept; on an error its file is still there and it can be tried again.
  reactor::task<result<void>> remove(Segment& segment);
  // After the last segment: closes the directory and removes it.
  reactor::task<void> close();

 private:
  reactor::task<result<void>> open_directory_once();
  reactor::task<result<void>> skip_taken_slots();
  reactor::task<result<void>> remove_kept(const KeptFile& kept);
  reactor::task<result<void>> prewrite(std::string name, Segment& segment, bool direct);
  reactor::task<result<void>> fill(reactor::Descriptor file, const Segment& segment);
  reactor::task<result<void>> write_header(reactor::Descriptor file, const Segment& segment,
                                           bool direct);

  reactor::Reactor& reactor_;
  const Home& home_;
  uint16_t shard_;
  reactor::Descriptor directory_ = reactor::kNoDescriptor;
  uint32_t next_slot_ = 1;
};

// Ends a segment's file: unlinked, or, damaged, moved to Journal/quarantine for people. Durable.
reactor::task<result<void>> end_segment(reactor::Reactor& reactor, const Home& home,
                                        reactor::Descriptor directory, std::string shard,
                                        std::string name, bool is_damaged);

std::string segment_name(uint32_t slot);
std::optional<uint32_t> parse_segment_name(std::string_view name);
std::string shard_directory_name(uint16_t shard);
std::optional<uint32_t> parse_number(std::string_view name);  // decimal, the whole of it

}  // namespace mailroot::spool
