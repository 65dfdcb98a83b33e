// Outcomes: recorded in the journal, then worked into the Queue file if there is one.
#include <algorithm>
#include <utility>

#include "limits.h"
#include "mailroot/base/assert.h"
#include "spool_impl.h"

namespace mailroot::spool {

using reactor::task;

task<CommitResult> SpoolImpl::settle(Settlement settlement, std::vector<Caused> caused) {
  SettleTicket ticket(&settlement, false);
  std::vector<std::unique_ptr<Entry>> messages;
  std::vector<std::string> files;
  uint64_t inline_bytes = 0;
  for (Caused& message : caused) {
    auto& draft = static_cast<DraftImpl&>(*message.draft);
    inline_bytes += draft.size_bytes();
    if (inline_bytes > kCausedInlineMax) {
      co_await draft.spill();
    }
    std::string file;
    auto entry = co_await prepare(draft, std::move(message.envelope), message.times, file);
    if (!entry) {
      for (std::string& prepared : files) {
        co_await discard_prepared(prepared, CommitResult::refused);
      }
      co_return CommitResult::refused;
    }
    messages.push_back(std::move(*entry));
    files.push_back(std::move(file));
  }
  for (size_t i = 0; i < messages.size(); ++i) ticket.add(*messages[i], files[i]);
  const CommitResult outcome = co_await journal_.submit(ticket);
  if (outcome != CommitResult::durable) {
    if (messages.empty()) apply(settlement, nullptr);
    for (std::string& file : files) {
      co_await discard_prepared(file, outcome);
    }
    co_return outcome;
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    Entry& kept = keep(std::move(messages[i]), files[i]);
    if (!files[i].empty()) start_file_work(kept);
  }
  apply(settlement, ticket.segment());
  co_return outcome;
}

// `segment` holds the record and is pinned for it; null: it could not be written, and is when the
// journal works again.
void SpoolImpl::apply(const Settlement& settlement, Segment* segment) {
  Entry* entry = find(settlement.id);
  if (entry == nullptr) {
    // Placed long ago: nothing but its file exists. Remember it until that is up to date.
    auto made = std::make_unique<Entry>();
    entry = made.get();
    entry->head.id = settlement.id;
    entry->where = Where::fresh;
    entry->was_synced = true;
    entries_.emplace(settlement.id, std::move(made));
  }
  if (segment != nullptr) {
    entry->pins.push_back(segment);
    entry->unsaved = false;
  } else {
    entry->unsaved = true;
  }
  entry->head.status = settlement.status;
  entry->head.times = settlement.times;
  if (!settlement.last_reply.empty()) entry->head.last_reply = settlement.last_reply;
  entry->done = entry->done || settlement.done;
  ++entry->version;
  if (entry->busy) return;  // that task looks again
  if (entry->where != Where::memory) {
    start_file_work(*entry);
  } else if (entry->done) {
    forget(*entry);
  } else if (!entry->unsaved && !waits_for_room(*entry)) {
    // Deferred: it has to wait, so it belongs into Queue.
    urgent_.push_back((entry->unlink(), *entry));
    start();
    placer_wake_.notify_one();
  }
}

void SpoolImpl::release(std::vector<Segment*>& pins) {
  for (Segment* const segment : std::exchange(pins, {})) journal_.unpin(*segment);
}

// Nothing of it is needed any more, in memory or in the journal.
void SpoolImpl::forget(Entry& entry) {
  MAILROOT_ASSERT(!entry.busy && !entry.is_syncing, "nobody works on what is forgotten");
  if (entry.accepted_in != nullptr) --hot_count_;
  entry.accepted_in = nullptr;
  entry.body.reset();
  entry.unlink();
  // Also when its outcome is not written yet: where its Accept is gone nothing can revive it.
  release(entry.pins);
  if (!entry.unsaved) entries_.erase(entry.head.id);
}

void SpoolImpl::start_file_work(Entry& entry) {
  if (!entry.busy) tasks_.spawn(run_file_work(entry));
}

// Works newer versions into the file until there is none.
task<void> SpoolImpl::run_file_work(Entry& entry) {
  start();
  begin_work(entry);
  auto outcome = co_await bring_up_to_date(entry);
  end_work(entry);
  if (outcome) {
    mark_dirty(entry);
  } else if (outcome.error().code == Errc::not_found) {
    // The administrator took the file away: that is the end of the message.
    entry.done = true;
    tasks_.spawn(record_done(entry.head.id));
  } else {
    log_problem("queue_file_failed", entry.head.id, describe(outcome.error().code));
    retry_later(entry);
  }
}

task<result<void>> SpoolImpl::bring_up_to_date(Entry& entry) {
  result<void> outcome{};
  if (entry.was_synced) entry.sync_failures = sync_failures_;
  if (!entry.temporary_name.empty()) {
    outcome = co_await reactor_.rename_at(home_.queue.temporary, entry.temporary_name,
                                          home_.queue.fresh, message_file_name(entry.head.id), 0);
    if (!outcome) co_return outcome;
    entry.temporary_name.clear();
  }
  while (entry.applied != entry.version && outcome) {
    const uint32_t version = entry.version;
    if (entry.done) {
      outcome = co_await remove_file(entry);
    } else {
      outcome = co_await change_file(entry);
    }
    if (outcome) entry.applied = version;
  }
  co_return outcome;
}

task<result<void>> SpoolImpl::remove_file(Entry& entry) {
  const std::string name = message_file_name(entry.head.id);
  // Where it is supposed to be, then the other: an entry made by apply() does not know.
  auto outcome = co_await pool_.recycle(home_.queue.fresh, name, entry.inode);
  if (outcome) outcome = co_await pool_.recycle(home_.queue.current, name, entry.inode);
  if (outcome && placed_ > 0) --placed_;
  co_return outcome;
}

// Letters, times and reply are overwritten; after its first attempt the file goes to cur.
task<result<void>> SpoolImpl::change_file(Entry& entry) {
  auto located = co_await locate(entry.head.id, true);
  if (!located) {
    if (located.error().error.code == Errc::corrupt && !located.error().foreign) {
      // The next load() sets it aside with the reason; the letters are in the journal.
      log_problem("queue_file_damaged", entry.head.id, located.error().reason);
    }
    co_return std::unexpected(located.error().error);
  }
  QueueFile& file = located->file;
  file.head.status = entry.head.status;
  file.head.times = entry.head.times;
  if (!entry.head.last_reply.empty()) file.head.last_reply = entry.head.last_reply;
  auto outcome = co_await overwrite_state(reactor_, file, file.head);
  co_await reactor_.close_now(file.file);
  entry.where = located->where;
  if (outcome && entry.where == Where::fresh && entry.head.times.attempts > 0) {
    const std::string name = message_file_name(entry.head.id);
    outcome = co_await reactor_.rename_at(home_.queue.fresh, name, home_.queue.current, name, 0);
    if (outcome) entry.where = Where::current;
  }
  co_return outcome;
}

// A Done for a message that ended without an attempt: removed by hand, or set aside.
task<void> SpoolImpl::record_done(QueueId id) {
  Settlement settlement;
  settlement.id = id;
  settlement.done = true;
  SettleTicket ticket(&settlement, false);
  ++recording_;
  const CommitResult outcome = co_await journal_.submit(ticket);
  --recording_;
  wake_if_closing();
  Entry* const entry = find(id);
  if (outcome != CommitResult::durable) {
    if (entry != nullptr) entry->unsaved = true;
    co_return;
  }
  if (entry == nullptr) {
    journal_.unpin(*ticket.segment());
    co_return;
  }
  entry->pins.push_back(ticket.segment());
  entry->unsaved = false;
  if (!entry->busy) mark_dirty(*entry);
}

// The blocks of free inodes may be what a segment lacks.
void SpoolImpl::space_is_short(bool is_short) {
  pool_.set_short(is_short);
  if (is_short) tasks_.spawn(pool_.release());
}

void SpoolImpl::journal_works_again() {
  std::vector<QueueId> unsaved;
  for (const auto& [id, entry] : entries_) {
    if (entry->unsaved) unsaved.push_back(id);
  }
  // In the order of ids: the same after every run of the simulator.
  std::sort(unsaved.begin(), unsaved.end());
  for (const QueueId& id : unsaved) tasks_.spawn(save_again(id));
}

task<void> SpoolImpl::save_again(QueueId id) {
  Entry* entry = find(id);
  if (entry == nullptr || !entry->unsaved) co_return;
  Settlement settlement{id, entry->head.status, entry->head.times, entry->done,
                        entry->head.last_reply};
  SettleTicket ticket(&settlement, false);
  ++recording_;
  const CommitResult outcome = co_await journal_.submit(ticket);
  --recording_;
  wake_if_closing();
  if (outcome != CommitResult::durable) co_return;  // unsaved as before
  entry = find(id);
  if (entry == nullptr) {
    journal_.unpin(*ticket.segment());
    co_return;
  }
  apply(settlement, ticket.segment());
}

}  // namespace mailroot::spool
