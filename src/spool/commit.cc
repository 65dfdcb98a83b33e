// From a draft to a durable message.
#include <algorithm>
#include <utility>

#include "limits.h"
#include "mailroot/base/assert.h"
#include "spool_impl.h"

namespace mailroot::spool {

using reactor::task;

namespace {

// An upper bound of the Accept record, for deciding whether the envelope fits the journal.
size_t record_size(const smtp::Envelope& envelope) {
  size_t size = 512 + envelope.reverse_path.local_part.size() +
                envelope.reverse_path.domain.size() + envelope.envelope_id.size();
  for (const smtp::Recipient& recipient : envelope.recipients) {
    size += 16 + recipient.address.local_part.size() + recipient.address.domain.size() +
            recipient.original_recipient.size();
  }
  return size;
}

constexpr size_t kOriginMax = 512;
constexpr size_t kInlineRecordMax = kRecordMax - 2 * kBlockSize;  // leaves room for the tail

}  // namespace

bool SettleTicket::encode(GroupBuilder& builder) {
  // The Accept of a DSN stands before the outcome that caused it: one CRC over both (I3).
  for (const Message& message : messages_) {
    const MessageHead& head = message.entry->head;
    const bool added = message.file.empty() ? builder.add_accept(head, *message.entry->body)
                                            : builder.add(AcceptFile{head.id, message.file});
    if (!added) return false;
  }
  if (settlement_ == nullptr) return true;
  if (settlement_->done) return builder.add(DoneRecord{settlement_->id});
  return builder.add(StatusRecord{settlement_->id, settlement_->status, settlement_->times,
                                  settlement_->last_reply});
}

void SettleTicket::made_durable(Segment& segment, const GroupPlace& place) {
  for (const Message& message : messages_) {
    ++segment.pins;
    message.entry->pins.push_back(&segment);
    if (!message.file.empty()) continue;
    message.entry->accepted_in = &segment;
    message.entry->group_block = place.first_block;
    message.entry->group_head_blocks = place.head_blocks;
  }
  if (settlement_ == nullptr) return;
  ++segment.pins;
  segment_ = &segment;
}

// Everything that must be true before the Accept is written. For a streamed body the file is
// complete and synced in Queue/tmp under the name returned in `file`.
task<result<std::unique_ptr<Entry>>> SpoolImpl::prepare(DraftImpl& draft, smtp::Envelope envelope,
                                                        MessageTimes times, std::string& file) {
  if (draft.failure()) co_return std::unexpected(*draft.failure());
  auto entry = std::make_unique<Entry>();
  MessageHead& head = entry->head;
  head.id = draft.id();
  head.envelope = std::move(envelope);
  head.status.assign(head.envelope.recipients.size(), static_cast<char>(RecipientStatus::waiting));
  head.times = times;
  head.origin = draft.take_origin().substr(0, kOriginMax);
  head.traits = draft.traits();
  head.size_bytes = draft.size_bytes();
  head.crc32c = draft.crc();
  const bool by_journal = !draft.is_streamed() && head.size_bytes <= kInlineBodyMax &&
                          head.size_bytes <= drafts_.memory_body_max_bytes() &&
                          record_size(head.envelope) <= kInlineRecordMax;
  if (by_journal) {
    entry->body = std::make_shared<const SlabChain>(draft.take_chain());
    co_return entry;
  }
  auto prepared = co_await prepare_file(draft, *entry, file);
  if (!prepared) co_return std::unexpected(prepared.error());
  co_return entry;
}

task<result<void>> SpoolImpl::prepare_file(DraftImpl& draft, Entry& entry, std::string& file) {
  auto outcome = co_await draft.spill();
  if (outcome) outcome = co_await draft.finish_stream();
  if (!outcome) co_return outcome;
  std::shared_ptr<BodyStream> stream = draft.take_stream();
  uint64_t room = stream->room_bytes();
  PoolFile target = stream->take_file();
  const message::QueueFileHeader header = to_file_header(entry.head);
  message::EncodedQueueHeader encoded =
      message::encode_queue_header(header, std::min<uint64_t>(room, kEnvelopeRoomStep));
  if (encoded.layout.block_size != room) {
    encoded = message::encode_queue_header(header, kQueueBlock);
    auto moved = co_await make_room(target, room, encoded.layout.block_size, entry.head.size_bytes);
    co_await pool_.give_back(target);
    if (!moved) co_return std::unexpected(moved.error());
    target = std::move(*moved);
  }
  AlignedBuffer block(encoded.bytes.size());
  std::copy_n(as_bytes(encoded.bytes).begin(), encoded.bytes.size(), block.bytes().begin());
  const iovec piece{block.bytes().data(), block.bytes().size()};
  outcome = co_await reactor_.write_at(target.file, {&piece, 1}, 0);
  if (outcome) {
    outcome = co_await reactor_.sync(target.file, reactor::SyncKind::data_and_metadata);
  }
  if (outcome) outcome = co_await temporary_.sync();
  if (!outcome) {
    co_await pool_.give_back(target);
    co_return outcome;
  }
  entry.inode = target.inode;
  file = target.name;
  co_await reactor_.close_now(target.file);
  co_return result<void>{};
}

// The envelope was larger than the room left for it: the content moves to another file.
task<result<PoolFile>> SpoolImpl::make_room(PoolFile old, uint64_t old_room, uint64_t new_room,
                                            uint64_t size_bytes) {
  auto taken = co_await pool_.take(true);
  if (!taken) co_return std::unexpected(taken.error());
  PoolFile fresh = std::move(*taken);
  AlignedBuffer buffer(kWindowBytesMin);
  result<void> outcome{};
  for (uint64_t at = 0; at < size_bytes && outcome; at += kWindowBytesMin) {
    // Whole blocks on both sides: O_DIRECT. What lies behind the end is cut off below.
    iovec piece{buffer.bytes().data(), buffer.bytes().size()};
    const auto got = co_await reactor_.read_at(old.file, {&piece, 1}, old_room + at);
    if (!got || *got == 0) {
      outcome = got ? fail(Errc::io) : std::unexpected(got.error());
      break;
    }
    piece.iov_len = (*got + kBlockSize - 1) / kBlockSize * kBlockSize;
    outcome = co_await reactor_.write_at(fresh.file, {&piece, 1}, new_room + at);
  }
  if (outcome) outcome = co_await reactor_.truncate(fresh.file, new_room + size_bytes);
  if (!outcome) {
    co_await pool_.give_back(fresh);
    co_return std::unexpected(outcome.error());
  }
  co_return fresh;
}

// A streamed file whose Accept did not become durable.
task<void> SpoolImpl::discard_prepared(std::string file, CommitResult outcome) {
  // After `unknown` the Accept may stand in the journal and recovery will look for the file.
  if (file.empty() || outcome == CommitResult::unknown) co_return;
  co_await reactor_.unlink_at(home_.queue.temporary, file, 0);
}

// The Accept is durable. `file`: a streamed body, still under that name in Queue/tmp.
Entry& SpoolImpl::keep(std::unique_ptr<Entry> entry, std::string file) {
  start();
  entry->accepted_at = reactor_.now();
  Entry& kept = *entry;
  entries_.emplace(kept.head.id, std::move(entry));
  ++committed_;
  if (kept.body != nullptr) {
    ++hot_count_;
    // The placer sleeps until the oldest is due; it only has to hear of the first.
    if (hot_.empty() || slabs_.is_high()) placer_wake_.notify_one();
    hot_.push_back(kept);
  } else {
    kept.where = Where::fresh;
    kept.sync_failures = sync_failures_;  // its content was synced before it was accepted
    kept.temporary_name = std::move(file);
    kept.head.envelope = {};
    ++placed_;
  }
  return kept;
}

task<CommitResult> SpoolImpl::commit(std::unique_ptr<Draft> draft, smtp::Envelope envelope,
                                     MessageTimes times) {
  std::string file;
  auto& own_draft = static_cast<DraftImpl&>(*draft);
  auto entry = co_await prepare(own_draft, std::move(envelope), times, file);
  if (!entry) co_return CommitResult::refused;
  SettleTicket ticket(nullptr, true);
  ticket.add(**entry, file);
  const CommitResult outcome = co_await journal_.submit(ticket);
  if (outcome != CommitResult::durable) {
    co_await discard_prepared(file, outcome);
    co_return outcome;
  }
  Entry& kept = keep(std::move(*entry), file);
  if (!file.empty()) {
    co_await run_file_work(kept);  // the rename
  } else if (options_.materialise_after == Duration::zero()) {
    kept.unlink();
    co_await place(kept);
  }
  co_return outcome;
}

}  // namespace mailroot::spool
