// Builds journal segments in memory for the tests of the format, the scan and the replay.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "journal_format.h"
#include "mailroot/base/assert.h"
#include "mailroot/base/crc32c.h"

namespace mailroot::spool::test {

inline QueueId id_of(uint64_t counter) { return {7, 0, counter}; }

inline MessageHead head_of(uint64_t counter, std::string_view content) {
  MessageHead head;
  head.id = id_of(counter);
  head.envelope.reverse_path = {"ann", "example.com"};
  head.envelope.recipients.push_back({{"bob", "example.org"}, {}, ""});
  head.status = "W";
  head.size_bytes = content.size();
  head.crc32c = crc32c(as_bytes(content));
  return head;
}

class SegmentBuilder {
 public:
  explicit SegmentBuilder(uint32_t slot = 1, uint64_t use = 99, size_t blocks = 64)
      : bytes_(blocks * kBlockSize) {
    header_ = {7, 0, slot, use, bytes_.size()};
    encode_segment_header(header_, bytes_);
  }

  // One group; `fill` adds records and says which contents stand behind the head.
  using Fill = std::function<void(HeadBuilder&, std::string& blocks)>;
  size_t group(uint64_t sequence, uint64_t durable_through, const Fill& fill) {
    builder_.reset();
    std::string body;
    fill(builder_, body);
    GroupHeader header{header_.epoch,
                       header_.shard,
                       header_.slot,
                       header_.use,
                       sequence,
                       durable_through,
                       next_block_,
                       0,
                       0,
                       0};
    const size_t body_blocks = body.size() / kBlockSize;
    const ByteView head = builder_.seal(header, static_cast<uint32_t>(body_blocks));
    const size_t start = next_block_ * kBlockSize;
    std::memcpy(bytes_.data() + start, head.data(), head.size());
    std::memcpy(bytes_.data() + start + head.size(), body.data(), body.size());
    next_block_ += static_cast<uint32_t>(head.size() / kBlockSize + body_blocks);
    return start;
  }
  size_t accept(uint64_t sequence, uint64_t durable_through, uint64_t counter,
                const std::string& content) {
    return group(sequence, durable_through, [&](HeadBuilder& builder, std::string& blocks) {
      add_accept(builder, blocks, counter, content);
    });
  }
  static void add_accept(HeadBuilder& builder, std::string& blocks, uint64_t counter,
                         const std::string& content) {
    const size_t whole = content.size() / kBlockSize * kBlockSize;
    const auto block = static_cast<uint32_t>(blocks.size() / kBlockSize);
    const bool added = builder.add_accept(head_of(counter, content), block,
                                          as_bytes(std::string_view(content).substr(whole)));
    MAILROOT_ASSERT(added, "test records fit");
    blocks += content.substr(0, whole);
  }
  size_t done(uint64_t sequence, uint64_t durable_through, uint64_t counter) {
    return group(sequence, durable_through, [&](HeadBuilder& builder, std::string&) {
      MAILROOT_ASSERT(builder.add(DoneRecord{id_of(counter)}), "test records fit");
    });
  }
  size_t voided(uint64_t sequence, uint64_t durable_through, uint64_t first, uint64_t last) {
    return group(sequence, durable_through, [&](HeadBuilder& builder, std::string&) {
      MAILROOT_ASSERT(builder.add(VoidRecord{first, last}), "test records fit");
    });
  }
  void skip_blocks(uint32_t count) { next_block_ += count; }
  void damage(size_t offset) { bytes_[offset] ^= std::byte{0x40}; }
  void zero(size_t offset, size_t count) {
    std::fill_n(bytes_.begin() + static_cast<ptrdiff_t>(offset), count, std::byte{0});
  }
  // The file is taken up again: a new header, the old groups stay where they are.
  void reuse(uint64_t use) {
    header_.use = use;
    encode_segment_header(header_, bytes_);
    next_block_ = 1;
  }
  std::vector<std::byte>& bytes() { return bytes_; }
  ByteView view() const { return bytes_; }

 private:
  SegmentHeader header_;
  HeadBuilder builder_;
  uint32_t next_block_ = 1;
  std::vector<std::byte> bytes_;
};

}  // namespace mailroot::spool::test
