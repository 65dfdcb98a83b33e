// Materialising: what has to wait is written into Queue, from the pool of free inodes.
#include <algorithm>
#include <utility>

#include "limits.h"
#include "mailroot/base/assert.h"
#include "spool_impl.h"

namespace mailroot::spool {

using reactor::task;

void SpoolImpl::relieve(Segment& oldest) {
  relieving_ = &oldest;
  placer_wake_.notify_one();
  syncer_wake_.notify_one();
}

// The moment at which the oldest message has waited long enough.
Instant SpoolImpl::next_due() const {
  auto& hot = const_cast<IntrusiveList<Entry>&>(hot_);
  const Instant due = hot.empty() ? kNever : hot.front().accepted_at + options_.materialise_after;
  return std::min(std::max(due, no_room_until_), retry_at_);
}

Entry* SpoolImpl::next_to_place() {
  if (placing_ >= kPlacementsMax || reactor_.now() < no_room_until_) return nullptr;
  if (!urgent_.empty()) return &urgent_.front();
  if (hot_.empty()) return nullptr;
  Entry& oldest = hot_.front();
  const bool old_enough = reactor_.now() >= oldest.accepted_at + options_.materialise_after;
  const bool in_the_way =
      relieving_ != nullptr && journal_.is_oldest(*relieving_) &&
      std::find(oldest.pins.begin(), oldest.pins.end(), relieving_) != oldest.pins.end();
  if (closing_ || old_enough || in_the_way || slabs_.is_high()) return &oldest;
  return nullptr;
}

task<void> SpoolImpl::run_placer() {
  for (;;) {
    if (reactor_.now() >= retry_at_) {
      retry_at_ = kNever;
      for (const QueueId& id : std::exchange(retry_, {})) {
        Entry* const entry = find(id);
        if (entry == nullptr || entry->busy) continue;
        if (entry->where == Where::memory && entry->done) continue;  // its outcome is not written
        if (entry->where == Where::memory) {
          urgent_.push_back((entry->unlink(), *entry));
        } else {
          start_file_work(*entry);
        }
      }
    }
    while (Entry* const entry = next_to_place()) tasks_.spawn(place(*entry));
    if (closing_ && reactor_.now() < no_room_until_) leave_unplaced();
    if (closing_ && is_settled()) break;
    reactor::Wait wait;
    wait.deadline = next_due();
    // While all places are taken the clock does not matter: the next to end wakes us.
    if (placing_ >= kPlacementsMax) wait.deadline = kNever;
    co_await placer_wake_.wait(reactor_, wait);
  }
  syncer_wake_.notify_all();
}

// At the end on a full disk: what cannot be placed stays in the journal, and recovery sees to it.
void SpoolImpl::leave_unplaced() {
  for (auto* const list : {&urgent_, &hot_}) {
    while (!list->empty()) list->pop_front();
  }
}

// Ends with the entry in a file, or in memory as before and tried again later.
task<void> SpoolImpl::place(Entry& entry) {
  const bool has_body = entry.body != nullptr || is_in_journal(entry);
  MAILROOT_ASSERT(entry.where == Where::memory && !entry.busy && has_body,
                  "only hot mail is placed");
  ++placing_;
  begin_work(entry);
  auto outcome = co_await write_file(entry);
  if (outcome) {
    entry.body.reset();
    entry.head.envelope = {};
    --hot_count_;
    ++placed_;
    ++materialised_;
    end_work(entry);
    co_await run_file_work(entry);
  } else {
    end_work(entry);
    if (!entry.done) {
      log_problem("placing_failed", entry.head.id, describe(outcome.error().code));
      if (outcome.error().code == Errc::no_space) {
        no_room_until_ = reactor_.now() + kReopenInterval;
      }
    }
    if (entry.done) {
      forget(entry);
    } else {
      retry_later(entry);
    }
  }
  --placing_;
  placer_wake_.notify_one();
  wake_if_closing();
}

task<result<void>> SpoolImpl::write_file(Entry& entry) {
  auto taken = co_await pool_.take(false);
  if (!taken) co_return std::unexpected(taken.error());
  PoolFile file = std::move(*taken);
  if (entry.done) {  // settled while we waited
    co_await pool_.give_back(file);
    co_return fail(Errc::cancelled);
  }
  std::shared_ptr<const SlabChain> body = entry.body;
  if (body == nullptr) {
    auto kept = co_await read_accepted(entry);
    if (!kept) {
      co_await pool_.give_back(file);
      co_return std::unexpected(kept.error());
    }
    body = std::move(kept->body);
  }
  entry.applied = entry.version;
  entry.sync_failures = sync_failures_;
  const Where where = entry.head.times.attempts > 0 ? Where::current : Where::fresh;
  std::string block = message::encode_queue_header(to_file_header(entry.head), kQueueBlock).bytes;
  std::vector<iovec> pieces{{block.data(), block.size()}};
  for (const SlabChain::Piece& piece : body->pieces()) {
    pieces.push_back({piece.data, piece.used_bytes});
  }
  const uint64_t size = block.size() + body->size_bytes();
  auto outcome = co_await reactor_.write_at(file.file, pieces, 0);
  if (outcome && file.size_bytes > size) {
    outcome = co_await reactor_.truncate(file.file, size);
  }
  if (outcome) {
    outcome = co_await reactor_.rename_at(home_.queue.temporary, file.name, directory_of(where),
                                          message_file_name(entry.head.id), 0);
  }
  if (!outcome) {
    co_await pool_.give_back(file);
    co_return outcome;
  }
  reactor_.close(file.file);
  entry.inode = file.inode;
  entry.where = where;
  co_return outcome;
}

void SpoolImpl::retry_later(Entry& entry) {
  if (closing_) {
    // What cannot be placed stays in the journal, and recovery places it.
    entry.unlink();
    return;
  }
  retry_.push_back(entry.head.id);
  if (retry_at_ == kNever) {
    retry_at_ = reactor_.now() + kReopenInterval;
    placer_wake_.notify_one();
  }
}

}  // namespace mailroot::spool
