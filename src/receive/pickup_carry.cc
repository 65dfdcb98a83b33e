// One file on its way: claimed, read, committed, removed, handed to the queue.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "limits.h"
#include "pickup_reader.h"

namespace mailroot::receive {

using reactor::task;

namespace {

// As long as files have to stay, attempts become rarer.
Duration pause_after(uint32_t troubles) {
  constexpr uint32_t kDoublingsMax = 6;
  return std::min<Duration>(kPickupInterval * (1u << std::min(troubles, kDoublingsMax)),
                            kPickupTroublePauseMax);
}

}  // namespace

task<void> PickupReader::Impl::carry(PickupFound file, uint64_t turn, reactor::CancelScope& scope) {
  const bool readable = co_await is_readable(file);
  if (!readable) {
    candidates.put_back(std::move(file), reactor.now() + kPickupInterval);
  } else {
    std::unique_ptr<spool::Draft> draft = service.spool().begin_draft();
    std::string entry = claim_name(to_string(draft->id()), file.name);
    in_hand.insert(entry);
    const bool claimed = co_await claim(file, entry);
    if (claimed) {
      auto verdict = co_await carry_claimed(file, std::move(draft), entry, turn, scope);
      co_await finish(std::move(file), std::move(verdict));
    }
    in_hand.erase(entry);
  }
  // Whatever came of it: the next one is not held up.
  co_await until_queue_turn(turn);
  queue_turn = turn + 1;
  moved.notify_all();
  news.notify_all();
}

// A writer that keeps its file closed to others may be about to open it: some give the permissions
// last. Afterwards it is claimed, and goes to Badmail.
task<bool> PickupReader::Impl::is_readable(const PickupFound& file) {
  const bool doubtful = S_ISREG(file.status.mode) && (file.status.mode & (S_IRGRP | S_IROTH)) == 0;
  if (!doubtful || file.key.place == PickupPlace::current) co_return true;
  if (reactor.now() - file.unchanged_since >= kPickupUnreadable ||
      reactor.wall_now() - file.status.modified >= kPickupUnreadable) {
    co_return true;
  }
  auto opened =
      co_await reactor.open_at(directory_of(file.key.place), file.key.entry, kPickupOpen, 0);
  if (opened) {
    co_await reactor.close_now(*opened);
  }
  co_return opened || opened.error().code != Errc::permission;
}

task<bool> PickupReader::Impl::claim(PickupFound& file, std::string entry) {
  const reactor::Descriptor from = directory_of(file.key.place);
  auto claimed = co_await reactor.rename_at(from, file.key.entry, home.pickup.current, entry,
                                            RENAME_NOREPLACE);
  if (claimed) {
    dirty.insert(from);
    dirty.insert(home.pickup.current);
    file.key = {PickupPlace::current, std::move(entry)};
    co_return true;
  }
  if (claimed.error().code != Errc::not_found) {
    rest(file.name,
         "it cannot be moved to Pickup/cur: " + std::string(describe(claimed.error().code)));
  }
  co_return false;
}

// The verdict on a claimed file; `taken` when its message is the queue's.
task<PickupVerdict> PickupReader::Impl::carry_claimed(PickupFound& file,
                                                      std::unique_ptr<spool::Draft> draft,
                                                      std::string entry, uint64_t turn,
                                                      reactor::CancelScope& scope) {
  PreparedPickup prepared;
  auto verdict = co_await examine(entry, std::move(draft), prepared);
  co_await until_commit_turn(turn);
  // A predecessor that has to wait is not overtaken by those that were on their way with it.
  const bool must_wait = scope.is_cancelled() || is_resting();
  const bool stays = verdict.outcome != PickupOutcome::taken || must_wait;
  if (stays) {
    if (verdict.outcome == PickupOutcome::later) rest(file.name, verdict.reason);
    commit_turn = turn + 1;
    moved.notify_all();
    if (verdict.outcome == PickupOutcome::taken) verdict.outcome = PickupOutcome::gone;
    co_return verdict;
  }
  CommittedPickup message;
  const uint64_t inode = verdict.inode;
  // Whoever is next resumes through the run queue, so when our record stands in the journal's.
  commit_turn = turn + 1;
  moved.notify_all();
  verdict = co_await commit(std::move(prepared), message);
  verdict.inode = inode;
  if (verdict.outcome != PickupOutcome::taken) co_return verdict;
  // Before anybody can deliver it: a file that is still there after a crash has its message in the
  // journal or in Queue, and is not sent again (remove_stored_claims).
  co_await remove(entry, inode);
  co_await until_queue_turn(turn);
  hand_over(message, file.name);
  co_return verdict;
}

task<void> PickupReader::Impl::until_commit_turn(uint64_t turn) {
  while (commit_turn < turn) {
    co_await moved.wait(reactor, {});
  }
}

task<void> PickupReader::Impl::until_queue_turn(uint64_t turn) {
  // Files that never came to a commit let their successors pass there too.
  if (commit_turn <= turn) {
    co_await until_commit_turn(turn);
    commit_turn = std::max(commit_turn, turn + 1);
    moved.notify_all();
  }
  while (queue_turn < turn) {
    co_await moved.wait(reactor, {});
  }
}

task<void> PickupReader::Impl::finish(PickupFound file, PickupVerdict verdict) {
  const std::string entry = file.key.entry;
  switch (verdict.outcome) {
    case PickupOutcome::taken:
      troubles = 0;
      break;
    case PickupOutcome::gone:
      break;
    case PickupOutcome::changing:
      tell(file.name, verdict.reason, false);
      candidates.put_back(std::move(file), reactor.now() + kPickupInterval);
      break;
    case PickupOutcome::later:
      rest(file.name, verdict.reason);
      break;
    case PickupOutcome::unknown:
      held[entry] = {verdict.inode, false};
      tell(file.name, verdict.reason, true);
      break;
    case PickupOutcome::bad: {
      auto put = co_await to_badmail(entry, file.name, verdict.reason);
      if (put) {
        dirty.insert(home.pickup.current);
        home.usage->badmail_added_bytes.fetch_add(file.status.size_bytes);
        service.counters().messages_refused.fetch_add(1, std::memory_order_relaxed);
        tell(file.name, verdict.reason, true);
      } else {
        rest(file.name, verdict.reason + "; and it cannot be moved to Badmail: " +
                            std::string(describe(put.error().code)));
      }
      break;
    }
  }
}

// The message is in the journal: the file must never be read again, even if it cannot be removed.
task<void> PickupReader::Impl::remove(std::string entry, uint64_t inode) {
  auto removed = co_await reactor.unlink_at(home.pickup.current, entry, 0);
  if (removed || removed.error().code == Errc::not_found) {
    held.erase(entry);
    dirty.insert(home.pickup.current);
    co_return;
  }
  if (held.insert_or_assign(entry, Held{inode, true}).second) {
    tell(parse_claim(entry).name,
         "it has been sent but cannot be removed: " + std::string(describe(removed.error().code)),
         true);
  }
}

void PickupReader::Impl::hand_over(const CommittedPickup& message, const std::string& name) {
  auto& counters = service.counters();
  counters.messages.fetch_add(1, std::memory_order_relaxed);
  counters.recipients.fetch_add(message.envelope.recipients.size(), std::memory_order_relaxed);
  counters.bytes.fetch_add(message.size_bytes, std::memory_order_relaxed);
  service.accepted(message.id, message.envelope, message.times, message.size_bytes);
  if (!service.log().enabled(log::Level::info)) return;
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(message.commit_time);
  const smtp::Envelope& envelope = message.envelope;
  service.log().write(log::Event(log::Level::info, "accepted")
                          .with("server", service.settings()->id)
                          .with("queue_id", to_string(message.id))
                          .with("peer", "pickup")
                          .with("file", name)
                          .with("from", smtp::to_path(envelope.reverse_path))
                          .with("to", smtp::to_path(envelope.recipients.front().address))
                          .with("recipients", static_cast<int64_t>(envelope.recipients.size()))
                          .with("size", static_cast<int64_t>(message.size_bytes))
                          .with("commit_us", micros.count()));
}

// Nothing more is taken for a while; the file stays in cur, where the next look finds it.
void PickupReader::Impl::rest(const std::string& name, const std::string& reason) {
  must_scan = true;
  if (is_resting()) return;  // told already
  tell(name, reason, false);
  rest_until = reactor.now() + pause_after(troubles++);
}

// What is tried again is told once, until a file passes.
void PickupReader::Impl::tell(const std::string& name, const std::string& reason, bool always) {
  if (!always && troubles > 0) return;
  service.log().write(log::Event(log::Level::warning, "pickup-refused")
                          .with("server", service.settings()->id)
                          .with("file", name)
                          .with("reason", reason));
}

}  // namespace mailroot::receive
