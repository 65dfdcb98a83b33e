// A message being received: in slabs while it is small, then streamed to its Queue file in
// Queue/tmp with two windows in memory, one filling and one being written. Private to spool/.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "inode_pool.h"
#include "limits.h"
#include "mailroot/base/slab_pool.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/smtp/content.h"
#include "mailroot/spool/spool.h"

namespace mailroot::spool {

// What drafts need of their spool; outlives them.
struct DraftWorld {
  reactor::Reactor& reactor;
  SlabPool& slabs;
  InodePool& pool;
  reactor::TaskGroup& tasks;  // joined by the spool
  uint64_t journal_body_max_bytes = 0;
  size_t streams = 0;  // large bodies in flight: they share kWindowsBytesTotal

  // The longest body that may wait in memory and in the journal. Once half the memory is full of
  // mail that waits, what would be written twice, to the journal and then to its file, goes to its
  // file at once: placing could not keep up with what arrives.
  uint64_t memory_body_max_bytes() const {
    return slabs.is_half_high() ? std::min<uint64_t>(journal_body_max_bytes, kInlineBodyCrowdedMax)
                                : journal_body_max_bytes;
  }
};

// The file a large body goes to. Shared by its draft and the write in flight, which may outlive it.
class BodyStream {
 public:
  BodyStream(DraftWorld& world, PoolFile file, uint64_t room_bytes);
  ~BodyStream();
  BodyStream(const BodyStream&) = delete;
  BodyStream& operator=(const BodyStream&) = delete;

  // Waits for the write before, then starts writing the whole blocks of `window`; what is left of
  // it comes back in `rest`. `last`: all of it, padded.
  static reactor::task<result<void>> write(std::shared_ptr<BodyStream> stream, SlabChain window,
                                           bool last, SlabChain& rest);
  reactor::task<result<void>> wait_idle();
  // Nobody will use the file: back to the pool as soon as nothing is in flight.
  static void abandon(std::shared_ptr<BodyStream> stream);

  const PoolFile& file() const { return file_; }
  PoolFile take_file();
  uint64_t room_bytes() const { return room_bytes_; }
  void expect_bytes(uint64_t content_bytes) { expected_bytes_ = content_bytes; }

 private:
  static reactor::task<void> run_write(std::shared_ptr<BodyStream> stream);
  static reactor::task<void> run_abandon(std::shared_ptr<BodyStream> stream);
  reactor::task<result<void>> write_pending();

  DraftWorld& world_;
  PoolFile file_;
  uint64_t room_bytes_;     // the envelope block will stand before the content
  uint64_t at_ = 0;         // content bytes written or being written
  uint64_t allocated_ = 0;  // of the file
  uint64_t expected_bytes_ = 0;
  SlabChain pending_;
  uint64_t pending_bytes_ = 0;
  bool writing_ = false;
  std::optional<Error> failure_;
  reactor::Event idle_;
};

class DraftImpl final : public Draft {
 public:
  DraftImpl(DraftWorld& world, QueueId id) : world_(world), id_(id), chain_(world.slabs) {}
  ~DraftImpl() override;

  QueueId id() const override { return id_; }
  bool append(ByteView bytes) override;
  bool wants_flush() const override;
  reactor::task<result<void>> flush() override;
  uint64_t size_bytes() const override { return size_bytes_; }
  std::optional<Error> failure() const override { return failure_; }
  void expect_envelope(const smtp::Envelope& envelope) override;
  void set_origin(std::string origin) override { origin_ = std::move(origin); }

  // For the spool.
  bool is_streamed() const { return stream_ != nullptr; }
  // Streams what is here although it is small (a large envelope, many DSNs).
  reactor::task<result<void>> spill();
  // All content is in the file when this returns ok, unpadded; not yet synced.
  reactor::task<result<void>> finish_stream();
  std::shared_ptr<BodyStream> take_stream();
  SlabChain take_chain() { return std::move(chain_); }
  uint32_t crc() const { return crc_; }
  smtp::ContentTraits traits() const { return scan_.traits(); }
  std::string take_origin() { return std::move(origin_); }

 private:
  size_t window_bytes() const;

  DraftWorld& world_;
  QueueId id_;
  SlabChain chain_;
  std::shared_ptr<BodyStream> stream_;
  uint64_t size_bytes_ = 0;
  uint64_t expected_bytes_ = 0;
  uint64_t room_bytes_ = 0;
  uint32_t crc_ = 0;
  smtp::ContentScan scan_;
  std::string origin_;
  std::optional<Error> failure_;
};

}  // namespace mailroot::spool
