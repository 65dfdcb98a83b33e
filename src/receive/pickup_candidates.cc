#include "pickup_candidates.h"

#include <sys/stat.h>

#include "limits.h"
#include "mailroot/base/assert.h"
#include "mailroot/base/queue_id.h"

namespace mailroot::receive {

using reactor::FileStatus;
using reactor::NameEventKind;

namespace {

bool is_same(const FileStatus& a, const FileStatus& b) {
  return a.inode == b.inode && a.size_bytes == b.size_bytes && a.modified == b.modified;
}

struct Judged {
  FileStatus status;
  PickupPlace place;
  PickupWriter writer;
  Duration unchanged;  // since when we have seen it so
  Duration rested;     // since it was written, by the clock on the wall
};

// Files in cur were complete when we claimed them, files in new came by rename. In Pickup itself a
// program may write in place (.NET does): it is done when it has closed the file, and if we could
// not see that, when nothing changes any more.
bool is_complete(const Judged& file) {
  if (file.place == PickupPlace::current) return true;
  if (!S_ISREG(file.status.mode)) return true;  // it will not become one
  // Maildir writers that link instead of renaming have two names for a moment.
  if (file.status.link_count > 1) return file.unchanged >= kPickupInterval;
  if (file.writer == PickupWriter::done) return true;
  if (file.writer == PickupWriter::unknown && file.place == PickupPlace::fresh) return true;
  if (file.writer == PickupWriter::open && file.place == PickupPlace::top) {
    return file.unchanged >= kPickupQuietOpen;
  }
  return file.unchanged >= kPickupInterval || file.rested > kPickupQuiet;
}

}  // namespace

std::string claim_name(const std::string& id, const std::string& name) {
  return id + "-" + name.substr(0, kPickupBadNameMax);
}

PickupClaim parse_claim(const std::string& entry) {
  if (entry.size() > kQueueIdLength + 1 && entry[kQueueIdLength] == '-' &&
      parse_queue_id(entry.substr(0, kQueueIdLength))) {
    return {entry.substr(0, kQueueIdLength), entry.substr(kQueueIdLength + 1)};
  }
  return {std::nullopt, entry};
}

PickupCandidates::State* PickupCandidates::find_or_add(const PickupKey& key) {
  const auto found = known_.find(key);
  if (found != known_.end()) return &found->second;
  if (known_.size() >= kPickupNamesMax) {
    was_full_ = true;
    return nullptr;
  }
  return &known_[key];
}

void PickupCandidates::set_ready(const PickupKey& key, State& state, bool ready) {
  if (state.ready == ready) return;
  state.ready = ready;
  const std::string name =
      key.place == PickupPlace::current ? parse_claim(key.entry).name : key.entry;
  const Rank rank{state.status->modified, name, key};
  if (ready) {
    ready_.insert(rank);
  } else {
    ready_.erase(rank);
  }
}

void PickupCandidates::set_look(const PickupKey& key, State& state, Instant when) {
  if (state.look_at != kNever) looks_.erase({state.look_at, key});
  state.look_at = when;
  if (when != kNever) looks_.insert({when, key});
}

void PickupCandidates::forget(Known::iterator at) {
  set_ready(at->first, at->second, false);
  set_look(at->first, at->second, kNever);
  known_.erase(at);
}

void PickupCandidates::heard(NameEventKind kind, PickupKey key) {
  State* const state = find_or_add(key);
  if (state == nullptr) return;
  if (kind == NameEventKind::closed || kind == NameEventKind::moved_in) {
    state->writer = PickupWriter::done;
  } else if (kind == NameEventKind::created) {
    state->writer = PickupWriter::open;
  }
  state->not_before = {};
  set_look(key, *state, Instant::min());
}

void PickupCandidates::forget_writers() {
  for (auto& [key, state] : known_) {
    if (state.writer == PickupWriter::open) state.writer = PickupWriter::unknown;
  }
}

void PickupCandidates::looked(PickupKey key, const std::optional<FileStatus>& status, Instant now,
                              WallTime wall) {
  if (!status || S_ISDIR(status->mode)) {
    const auto found = known_.find(key);
    if (found != known_.end()) forget(found);
    return;
  }
  State* const state = find_or_add(key);
  if (state == nullptr) return;
  state->scan = scan_;
  if (!state->status || !is_same(*state->status, *status)) {
    if (state->status) set_ready(key, *state, false);  // it is ranked by what it was
    state->unchanged_since = now;
  }
  state->status = *status;
  judge(key, *state, now, wall);
}

void PickupCandidates::judge(const PickupKey& key, State& state, Instant now, WallTime wall) {
  const bool complete = now >= state.not_before &&
                        is_complete({*state.status, key.place, state.writer,
                                     now - state.unchanged_since, wall - state.status->modified});
  set_ready(key, state, complete);
  set_look(key, state, complete ? kNever : std::max(now + kPickupInterval, state.not_before));
}

void PickupCandidates::begin_scan() {
  ++scan_;
  was_full_ = false;
}

void PickupCandidates::end_scan() {
  for (auto at = known_.begin(); at != known_.end();) {
    const auto next = std::next(at);
    // What was heard of and not looked at yet may have come after the look at its directory.
    if (at->second.scan != scan_ && at->second.status) forget(at);
    at = next;
  }
}

void PickupCandidates::put_back(PickupFound found, Instant when) {
  State* const state = find_or_add(found.key);
  if (state == nullptr || state->status) return;
  state->status = found.status;
  state->unchanged_since = found.unchanged_since;
  state->not_before = when;
  state->scan = scan_;
  set_look(found.key, *state, when);
}

std::vector<PickupKey> PickupCandidates::to_look(Instant now, size_t most) const {
  std::vector<PickupKey> keys;
  for (const auto& [when, key] : looks_) {
    if (when > now || keys.size() == most) break;
    keys.push_back(key);
  }
  return keys;
}

Instant PickupCandidates::next_look() const {
  return looks_.empty() ? kNever : looks_.begin()->first;
}

PickupFound PickupCandidates::take() {
  MAILROOT_ASSERT(!ready_.empty(), "a file is taken when one is ready");
  const Rank rank = *ready_.begin();
  const auto found = known_.find(rank.key);
  MAILROOT_ASSERT(found != known_.end(), "what is ready is known");
  PickupFound out{rank.key, rank.name, *found->second.status, found->second.unchanged_since};
  forget(found);
  return out;
}

}  // namespace mailroot::receive
