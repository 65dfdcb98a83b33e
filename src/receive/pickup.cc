// Which files are taken when, and what becomes of them afterwards.
#include "mailroot/receive/pickup.h"

#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <tuple>

#include "limits.h"
#include "pickup_file.h"

namespace mailroot::receive {

using reactor::Descriptor;
using reactor::FileStatus;
using reactor::task;

namespace {

constexpr uint8_t kIsDirectory = 4;  // DT_DIR of readdir(3)

// As long as files have to stay, looks become rarer: each costs a whole attempt.
Duration pause_after(uint32_t troubles) {
  constexpr uint32_t kDoublingsMax = 6;
  return std::min<Duration>(kPickupInterval * (1u << std::min(troubles, kDoublingsMax)),
                            kPickupTroublePauseMax);
}

}  // namespace

PickupReader::PickupReader(reactor::Reactor& reactor, Service& service, const spool::Home& home)
    : reactor_(reactor), service_(service), home_(home) {}

task<void> PickupReader::run(reactor::CancelScope& scope) {
  while (!scope.is_cancelled()) {
    bool more = false;
    if (may_take()) {
      more = co_await take_batch(scope);
    }
    if (more) {
      co_await reactor_.yield();
      continue;
    }
    const Instant next = reactor_.now() + pause_after(troubles_);
    co_await reactor_.sleep_until(next, {kNever, &scope});
  }
}

bool PickupReader::may_take() const {
  return service_.settings()->pickup_enabled && !service_.spool().refusal() &&
         !service_.slabs().is_high() && held_.size() < kPickupHeldMax;
}

// True: there is more to do at once.
task<bool> PickupReader::take_batch(reactor::CancelScope& scope) {
  std::vector<Found> files = co_await look();
  const bool many = files.size() > kPickupBatchMax;
  if (many) files.resize(kPickupBatchMax);
  in_trouble_ = false;
  for (Found& file : files) {
    if (scope.is_cancelled() || !may_take()) break;
    co_await take(std::move(file));
  }
  co_await sync_directories();
  troubles_ = in_trouble_ ? troubles_ + 1 : 0;
  co_return many && !in_trouble_;
}

// Files that may be taken, oldest first; equal times by name (decisions 8).
task<std::vector<PickupReader::Found>> PickupReader::look() {
  std::vector<Found> found;
  seen_now_.clear();
  for (const Descriptor directory : {home_.pickup.current, home_.pickup.fresh, home_.pickup.top}) {
    co_await look_in(directory, found);
  }
  seen_ = std::move(seen_now_);
  std::ranges::sort(found, [](const Found& a, const Found& b) {
    return std::tie(a.status.modified, a.name, a.directory) <
           std::tie(b.status.modified, b.name, b.directory);
  });
  co_return found;
}

task<void> PickupReader::look_in(Descriptor directory, std::vector<Found>& found) {
  auto entries = co_await reactor_.list_directory(directory);
  if (!entries) {
    in_trouble_ = true;
    tell("", "the directory cannot be read: " + std::string(describe(entries.error().code)), false);
    co_return;
  }
  size_t looked = 0;
  for (const reactor::DirectoryEntry& entry : *entries) {
    // A leading dot is how programs hide files they have not finished.
    if (entry.name.starts_with('.') || entry.type == kIsDirectory) continue;
    if (looked == kPickupLookMax) break;
    ++looked;
    auto status = co_await reactor_.stat_at(directory, entry.name);
    if (!status || S_ISDIR(status->mode)) continue;
    Found file{entry.name, directory, *status};
    if (directory == home_.pickup.current && held_.contains(file.name)) {
      co_await remove_held(std::move(file));
    } else if (is_complete(file)) {
      found.push_back(std::move(file));
    }
  }
}

// Files in new came by rename, files in cur were complete when we claimed them. In Pickup itself a
// program may write in place (.NET does): it is done when nothing changes any more. Maildir
// writers that link instead of renaming have two names for a moment.
bool PickupReader::is_complete(const Found& file) {
  if (file.directory == home_.pickup.current) return true;
  const bool by_rename = file.directory == home_.pickup.fresh;
  const std::string key = (by_rename ? "new/" : "") + file.name;
  const auto before = seen_.find(key);
  const bool same = before != seen_.end() && before->second.status.inode == file.status.inode &&
                    before->second.status.size_bytes == file.status.size_bytes &&
                    before->second.status.modified == file.status.modified;
  const Instant since = same ? before->second.since : reactor_.now();
  seen_now_.insert_or_assign(key, Seen{file.status, since});
  if (same && reactor_.now() - since >= kPickupInterval) return true;
  if (file.status.link_count > 1) return false;
  return by_rename || reactor_.wall_now() - file.status.modified > kPickupQuiet;
}

task<void> PickupReader::remove_held(Found file) {
  const Held held = held_[file.name];
  if (held.inode != file.status.inode) {
    held_.erase(file.name);  // an administrator put another file there
  } else if (held.taken) {
    co_await remove(std::move(file.name), held.inode);
  }
}

task<void> PickupReader::take(Found file) {
  auto claimed = co_await claim(file);
  if (!claimed) co_return;
  auto verdict = co_await examine(file.name);
  co_await finish(std::move(file), std::move(verdict));
}

task<bool> PickupReader::claim(Found file) {
  if (file.directory == home_.pickup.current) co_return true;
  auto claimed = co_await reactor_.rename_at(file.directory, file.name, home_.pickup.current,
                                             file.name, RENAME_NOREPLACE);
  if (claimed) {
    dirty_.push_back(file.directory);
    dirty_.push_back(home_.pickup.current);
    co_return true;
  }
  // Gone, or a file of that name is still in hand: no trouble.
  const Errc code = claimed.error().code;
  if (code != Errc::not_found && code != Errc::exists) {
    in_trouble_ = true;
    tell(file.name, "it cannot be moved to Pickup/cur: " + std::string(describe(code)), false);
  }
  co_return false;
}

task<void> PickupReader::finish(Found file, PickupVerdict verdict) {
  switch (verdict.outcome) {
    case PickupOutcome::taken:
      co_await remove(std::move(file.name), verdict.inode);
      break;
    case PickupOutcome::gone:
      break;
    case PickupOutcome::later:
      in_trouble_ = true;
      tell(file.name, verdict.reason, false);
      break;
    case PickupOutcome::unknown:
      held_[file.name] = {verdict.inode, false};
      tell(file.name, verdict.reason, true);
      break;
    case PickupOutcome::bad: {
      auto moved = co_await to_badmail(file.name, verdict.reason);
      if (moved) {
        dirty_.push_back(home_.pickup.current);
        service_.counters().messages_refused.fetch_add(1, std::memory_order_relaxed);
        tell(file.name, verdict.reason, true);
      } else {
        in_trouble_ = true;
        tell(file.name,
             verdict.reason + "; and it cannot be moved to Badmail: " +
                 std::string(describe(moved.error().code)),
             false);
      }
      break;
    }
  }
}

// The message is in the queue: the file must never be read again, even if it cannot be removed.
task<void> PickupReader::remove(std::string name, uint64_t inode) {
  auto removed = co_await reactor_.unlink_at(home_.pickup.current, name, 0);
  if (removed || removed.error().code == Errc::not_found) {
    held_.erase(name);
    dirty_.push_back(home_.pickup.current);
    co_return;
  }
  if (held_.insert_or_assign(name, Held{inode, true}).second) {
    tell(name,
         "it has been sent but cannot be removed: " + std::string(describe(removed.error().code)),
         true);
  }
}

// Once for a batch: until then a crash of the machine may bring a sent file back.
task<void> PickupReader::sync_directories() {
  std::ranges::sort(dirty_);
  const auto repeated = std::ranges::unique(dirty_);
  dirty_.erase(repeated.begin(), repeated.end());
  for (const Descriptor directory : dirty_) {
    auto synced = co_await reactor_.sync(directory, reactor::SyncKind::data_and_metadata);
    if (!synced) {
      in_trouble_ = true;
      tell("", "the directory cannot be synced: " + std::string(describe(synced.error().code)),
           false);
    }
  }
  dirty_.clear();
}

// What is tried again is told once, until a look passes without trouble.
void PickupReader::tell(const std::string& name, const std::string& reason, bool always) {
  if (!always && troubles_ > 0) return;
  service_.log().write(log::Event(log::Level::warning, "pickup-refused")
                           .with("server", service_.settings()->id)
                           .with("file", name)
                           .with("reason", reason));
}

}  // namespace mailroot::receive
