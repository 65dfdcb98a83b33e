// The bytes of a journal segment. Pure. All integers little-endian.
//
//   segment   block 0: SegmentHeader, inside the first 512 bytes: a disk writes a sector whole
//             blocks 1..: groups, one behind the other; anything after the last is stale or zero
//   group     head: GroupHeader, records, zeroes up to a block
//             then the whole 4 KiB blocks of each body, in the order of the Accept records
//   body      its whole blocks behind the head, the rest (size mod 4096) at the end of its Accept
//             record: a body is written from its slabs uncopied and pads nothing
//
// The head is under one CRC, each body under the one in its Accept; a group counts only if all
// hold. durable_through: groups up to this sequence were durable (or void) when it was written.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mailroot/base/bytes.h"
#include "mailroot/base/queue_id.h"
#include "mailroot/base/slab_pool.h"
#include "mailroot/smtp/content.h"
#include "mailroot/smtp/envelope.h"
#include "mailroot/spool/spool.h"

namespace mailroot::spool {

inline constexpr uint32_t kJournalVersion = 1;
inline constexpr size_t kSegmentHeaderBytes = 64;
inline constexpr size_t kGroupHeaderBytes = 80;
inline constexpr size_t kRecordHeaderBytes = 8;

struct SegmentHeader {
  uint32_t epoch = 0;
  uint16_t shard = 0;
  uint32_t slot = 0;  // the number in the file's name
  uint64_t use = 0;   // new each time the file is taken up again: older groups in it are stale
  uint64_t size_bytes = 0;
  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

struct GroupHeader {
  uint32_t epoch = 0;
  uint16_t shard = 0;
  uint32_t slot = 0;
  uint64_t use = 0;
  uint64_t sequence = 0;  // per (epoch, shard), from 1, no gaps
  uint64_t durable_through = 0;
  uint32_t first_block = 0;  // where in the segment this group stands
  uint32_t head_blocks = 0;
  uint32_t total_blocks = 0;
  uint32_t records_bytes = 0;
  friend bool operator==(const GroupHeader&, const GroupHeader&) = default;
};

// What is kept of a message beside its content.
struct MessageHead {
  QueueId id;
  smtp::Envelope envelope;
  std::string status;
  MessageTimes times;
  std::string origin;
  std::string last_reply;
  smtp::ContentTraits traits;
  uint64_t size_bytes = 0;  // of the content
  uint32_t crc32c = 0;
};

struct AcceptInline {
  MessageHead head;
  uint32_t body_block = 0;   // first whole block, counted from the end of the head
  uint64_t tail_offset = 0;  // decoded only: where the tail stands, counted from the group
};
// The envelope is in the file, which is synced: Queue/tmp/<file> until it is renamed.
struct AcceptFile {
  QueueId id;
  std::string file;
};
struct StatusRecord {
  QueueId id;
  std::string status;
  MessageTimes times;
  std::string last_reply;  // empty: as it was
};
struct PlacedRecord {
  QueueId id;  // its Queue file is synced
};
struct DoneRecord {
  QueueId id;
};
struct VoidRecord {
  uint64_t first_sequence = 0;  // these groups never happened: their sessions were told 451
  uint64_t last_sequence = 0;
};
using Record =
    std::variant<AcceptInline, AcceptFile, StatusRecord, PlacedRecord, DoneRecord, VoidRecord>;

// Writes a header into the first kSegmentHeaderBytes of `block`.
void encode_segment_header(const SegmentHeader& header, MutableBytes block);
struct BadHeader {
  bool newer_version = false;
};
std::expected<SegmentHeader, BadHeader> decode_segment_header(ByteView block);

// The head of one group being built. The buffer is aligned for O_DIRECT and kept between groups.
class HeadBuilder {
 public:
  HeadBuilder();
  ~HeadBuilder();
  HeadBuilder(const HeadBuilder&) = delete;
  HeadBuilder& operator=(const HeadBuilder&) = delete;

  void reset();
  // False when the record would pass kRecordMax or the head kGroupHeadMax; nothing is then added.
  // `tail`: the bytes of the body behind its whole blocks.
  [[nodiscard]] bool add_accept(const MessageHead& head, uint32_t body_block, ByteView tail);
  [[nodiscard]] bool add(const AcceptFile& record);
  [[nodiscard]] bool add(const StatusRecord& record);
  [[nodiscard]] bool add(const PlacedRecord& record);
  [[nodiscard]] bool add(const DoneRecord& record);
  [[nodiscard]] bool add(const VoidRecord& record);

  size_t records_bytes() const { return used_ - kGroupHeaderBytes; }
  size_t head_blocks() const { return (used_ + kBlockSize - 1) / kBlockSize; }
  // For undoing the records of a ticket that did not fit as a whole.
  size_t mark() const { return used_; }
  void roll_back(size_t mark) { used_ = mark; }
  // Fills in the header (block counts are computed here) and CRC, zeroes the rest of the last
  // block; returns the head to be written.
  ByteView seal(GroupHeader header, uint32_t body_blocks);

 private:
  friend class RecordWriter;
  std::byte* extend(size_t size);
  std::byte* buffer_ = nullptr;
  size_t capacity_ = 0;
  size_t used_ = kGroupHeaderBytes;
};

// Checks magic, version, bounds and the head's CRC. `head`: at least the head's blocks; fewer bytes
// than the header claims is a failure.
std::optional<GroupHeader> decode_group_header(ByteView head);
// The records of a head that decode_group_header accepted; nothing if any is malformed.
std::optional<std::vector<Record>> decode_records(const GroupHeader& header, ByteView head);

}  // namespace mailroot::spool
