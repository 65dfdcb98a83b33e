// A message whose file is not known to be good, taken back from the journal that still holds it.
#include <algorithm>
#include <utility>

#include "mailroot/base/assert.h"
#include "mailroot/base/crc32c.h"
#include "segment_scan.h"
#include "spool_impl.h"

namespace mailroot::spool {

using reactor::task;

namespace {

struct Found {
  AcceptInline accept;
  BodyPlace place;
};

std::optional<Found> find_accept(ByteView head, const QueueId& id) {
  const auto header = decode_group_header(head);
  if (!header) return std::nullopt;
  auto records = decode_records(*header, head);
  if (!records) return std::nullopt;
  for (Record& record : *records) {
    auto* const accept = std::get_if<AcceptInline>(&record);
    if (accept == nullptr || accept->head.id != id) continue;
    const BodyPlace place = body_place(*header, *accept);
    return Found{std::move(*accept), place};
  }
  return std::nullopt;
}

}  // namespace

bool SpoolImpl::is_in_journal(const Entry& entry) const {
  return entry.accepted_in != nullptr && !entry.was_synced;
}

// What its Accept says, read from the segment.
task<result<SpoolImpl::Accepted>> SpoolImpl::read_accepted(const Entry& entry) {
  const reactor::Descriptor segment = entry.accepted_in->file;
  const QueueId id = entry.head.id;
  AlignedBuffer head(uint64_t{entry.group_head_blocks} * kBlockSize);
  const uint64_t group_at = uint64_t{entry.group_block} * kBlockSize;
  iovec piece{head.bytes().data(), head.bytes().size()};
  auto got = co_await reactor_.read_at(segment, {&piece, 1}, group_at);
  if (!got) co_return std::unexpected(got.error());
  auto found = find_accept(head.bytes().first(*got), id);
  if (!found) co_return fail(Errc::corrupt);
  const uint64_t size = found->accept.head.size_bytes;
  const uint64_t whole = size / kBlockSize * kBlockSize;
  SlabChain body(slabs_);
  bool fits = true;
  if (whole > 0) {
    AlignedBuffer blocks(whole);
    piece = {blocks.bytes().data(), whole};
    got = co_await reactor_.read_at(segment, {&piece, 1}, found->place.blocks_offset);
    if (!got) co_return std::unexpected(got.error());
    if (*got != whole) co_return fail(Errc::corrupt);
    fits = body.append(blocks.bytes().first(whole));
  }
  fits =
      fits && body.append(head.bytes().subspan(found->place.tail_offset - group_at, size - whole));
  if (!fits) co_return fail(Errc::no_memory);
  uint32_t crc = 0;
  for (const SlabChain::Piece& part : body.pieces()) crc = crc32c(part.view(), crc);
  if (crc != found->accept.head.crc32c) co_return fail(Errc::corrupt);
  Accepted accepted;
  accepted.envelope = std::move(found->accept.head.envelope);
  accepted.body = std::make_shared<const SlabChain>(std::move(body));
  co_return accepted;
}

// Back into memory, and the file away. Only for what no record calls placed: recovery would take a
// missing file for one removed by hand.
task<result<void>> SpoolImpl::restore(Entry& entry) {
  MAILROOT_ASSERT(is_in_journal(entry) && entry.busy, "the journal is sure of it");
  auto accepted = co_await read_accepted(entry);
  if (!accepted) co_return std::unexpected(accepted.error());
  ++entry.restored;
  const std::string name = message_file_name(entry.head.id);
  for (const reactor::Descriptor directory : {home_.queue.fresh, home_.queue.current}) {
    auto gone = co_await reactor_.unlink_at(directory, name, 0);
    if (!gone && gone.error().code != Errc::not_found) co_return gone;
  }
  entry.head.envelope = std::move(accepted->envelope);
  entry.body = std::move(accepted->body);
  entry.where = Where::memory;
  ++hot_count_;
  if (placed_ > 0) --placed_;
  co_return result<void>{};
}

// A sync that failed is not asked again: the kernel may have dropped the pages and would say yes.
// What was never synced is written into another inode; else the letters are written once more.
// When that does not help, the segments stay pinned and recovery writes the file from them.
task<void> SpoolImpl::repair(Entry& entry) {
  if (!is_in_journal(entry) || entry.done) {
    if (!entry.done) --entry.applied;
    entry.sync_failures = sync_failures_;  // only letters are written, and now anew
    co_await run_file_work(entry);
    co_return;
  }
  begin_work(entry);
  const auto restored = co_await restore(entry);
  end_work(entry);
  if (!restored) {
    log_problem("restore_failed", entry.head.id, describe(restored.error().code));
  } else if (entry.done) {
    forget(entry);
  } else if (!closing_) {  // else recovery places it
    urgent_.push_back(entry);
    placer_wake_.notify_one();
  }
}

}  // namespace mailroot::spool
