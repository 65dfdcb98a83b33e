// Syncing, lazily: only when a segment is to be taken up again, and at the end. Until then the
// journal holds what the files may not, and the kernel has mostly written them by itself.
#include <algorithm>
#include <utility>

#include "limits.h"
#include "mailroot/base/assert.h"
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
    if (closing_ && is_settled()) break;
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
    if (!synced) ++sync_failures_;
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
  // The kernel may have dropped pages of any file when it could not write all; the next sync says
  // nothing of them.
  ok = ok && entry.sync_failures == sync_failures_;
  MAILROOT_ASSERT(entry.where != Where::memory, "nothing is restored while it is synced");
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

}  // namespace mailroot::spool
