// Syncing, lazily: only when a segment is to be taken up again, and at the end. Until then the
// journal holds what the files may not, and the kernel has mostly written them by itself.
#include <algorithm>
#include <utility>

#include "limits.h"
#include "mailroot/base/assert.h"
#include "mailroot/base/crc32c.h"
#include "spool_impl.h"

namespace mailroot::spool {

using reactor::task;

// The file (or its absence) is as it should be, but maybe not on the disk.
void SpoolImpl::mark_dirty(Entry& entry) {
  entry.unlink();
  dirty_.push_back(entry);
  if (closing_ || (relieving_ != nullptr && journal_.is_oldest(*relieving_))) {
    syncer_wake_.notify_one();
  }
}

task<void> SpoolImpl::run_syncer() {
  for (;;) {
    const bool relieving =
        relieving_ != nullptr && journal_.is_oldest(*relieving_) && relieving_->pins > 0;
    if (!dirty_.empty() && (closing_ || relieving)) {
      co_await sync_batch();
      continue;
    }
    const bool idle = placing_ == 0 && hot_.empty() && urgent_.empty();
    const bool working = std::any_of(entries_.begin(), entries_.end(),
                                     [](const auto& item) { return item.second->busy; });
    if (closing_ && idle && !working && recording_ == 0) break;
    co_await syncer_wake_.wait(reactor_, {});
  }
}

// Files one by one, then each directory once for all of them.
task<void> SpoolImpl::sync_batch() {
  std::vector<Entry*> batch;
  while (!dirty_.empty() && batch.size() < kSyncBatchMax) {
    Entry& entry = dirty_.pop_front();
    entry.is_syncing = true;
    entry.syncing = std::exchange(entry.pins, {});
    batch.push_back(&entry);
  }
  std::vector<char> outcomes(batch.size(), 1);
  result<void> synced{};
  if (batch.size() >= kFilesForOneSync) {
    // Many small files: one sync of all is ten times the rate of one for each, whatever else of
    // the file system it writes along.
    synced = co_await reactor_.sync(home_.queue.top, reactor::SyncKind::file_system);
  } else {
    co_await sync_files(batch, outcomes);
    synced = co_await fresh_.sync();
    if (synced) synced = co_await current_.sync();
    if (synced) synced = co_await temporary_.sync();
  }
  if (!synced) log_problem("queue_sync_failed", {}, describe(synced.error().code));
  for (size_t i = 0; i < batch.size(); ++i) {
    finish_sync(*batch[i], synced.has_value() && outcomes[i] != 0);
  }
}

task<void> SpoolImpl::sync_files(const std::vector<Entry*>& batch, std::vector<char>& outcomes) {
  reactor::TaskGroup group;
  const auto one = [](SpoolImpl& self, Entry& entry, char& ok) -> task<void> {
    const bool synced = co_await self.sync_file(entry);
    ok = synced ? 1 : 0;
  };
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!batch[i]->done) group.spawn(one(*this, *batch[i], outcomes[i]));
  }
  co_await group.join();
}

task<bool> SpoolImpl::sync_file(Entry& entry) {
  const std::string name = message_file_name(entry.head.id);
  constexpr uint32_t kFlags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  for (const reactor::Descriptor directory :
       {home_.queue.current, home_.queue.fresh, home_.queue.current}) {
    auto file = co_await reactor_.open_at(directory, name, kFlags, 0);
    if (!file && file.error().code == Errc::not_found) continue;
    if (!file) co_return false;
    const auto synced = co_await reactor_.sync(*file, reactor::SyncKind::data_and_metadata);
    co_await reactor_.close_now(*file);
    if (!synced) log_problem("queue_sync_failed", entry.head.id, describe(synced.error().code));
    co_return synced.has_value();
  }
  if (!std::exchange(entry.done, true)) tasks_.spawn(record_done(entry.head.id));  // by hand
  co_return false;  // the sync after that record releases what it needs
}

void SpoolImpl::finish_sync(Entry& entry, bool ok) {
  entry.is_syncing = false;
  if (!ok) {
    entry.pins.insert(entry.pins.end(), entry.syncing.begin(), entry.syncing.end());
    entry.syncing.clear();
    if (entry.busy || entry.is_linked()) return;  // its next sync follows anyway
    if (entry.repairs++ < kRepairsMax && !closing_) tasks_.spawn(repair(entry));
    return;
  }
  entry.was_synced = true;
  release(entry.syncing);
  if (!entry.done) journal_.note_placed(entry.head.id);
  const bool clean = entry.pins.empty() && !entry.busy && !entry.is_linked() && !entry.unsaved &&
                     entry.applied == entry.version;
  if (clean) entries_.erase(entry.head.id);
}

// A sync that failed is not asked again: the kernel may have dropped the pages and would say yes.
// What was never synced is written into another inode; else the letters are written once more.
// When that does not help, the segments stay pinned and recovery writes the file from them.
task<void> SpoolImpl::repair(Entry& entry) {
  entry.busy = true;
  if (!entry.done && !entry.was_synced && !entry.was_streamed) {
    const auto lifted = co_await lift(entry);
    if (lifted) {
      entry.busy = false;
      free_again_.notify_all();
      if (entry.done) {
        forget(entry);
      } else {
        urgent_.push_back(entry);
        placer_wake_.notify_one();
      }
      co_return;
    }
  }
  if (!entry.done) --entry.applied;
  co_await run_file_work(entry);
}

// Back into memory, and the file away; the Accept is pinned and no record calls it placed.
task<result<void>> SpoolImpl::lift(Entry& entry) {
  auto located = co_await locate(entry.head.id, false);
  if (!located) co_return std::unexpected(located.error().error);
  QueueFile& file = located->file;
  SlabChain body(slabs_);
  AlignedBuffer buffer(file.head.size_bytes + 1);
  const iovec piece{buffer.bytes().data(), file.head.size_bytes};
  result<size_t> got = size_t{0};
  if (piece.iov_len > 0) {
    got = co_await reactor_.read_at(file.file, {&piece, 1}, file.layout.block_size);
  }
  co_await reactor_.close_now(file.file);
  if (!got) co_return std::unexpected(got.error());
  const ByteView content = buffer.bytes().first(*got);
  if (*got != file.head.size_bytes || crc32c(content) != file.head.crc32c) {
    co_return fail(Errc::corrupt);
  }
  if (!body.append(content)) co_return fail(Errc::no_memory);
  const std::string name = message_file_name(entry.head.id);
  auto gone = co_await reactor_.unlink_at(directory_of(located->where), name, 0);
  if (!gone) co_return gone;
  entry.head.envelope = std::move(file.head.envelope);
  entry.body = std::make_shared<const SlabChain>(std::move(body));
  entry.where = Where::memory;
  ++hot_count_;
  if (placed_ > 0) --placed_;
  co_return result<void>{};
}

}  // namespace mailroot::spool
