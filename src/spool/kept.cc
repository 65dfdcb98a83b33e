// Messages of an earlier start that recovery had no room to place: hot, but their bodies stay in
// the old segments until they are asked for.
#include <functional>
#include <utility>

#include "limits.h"
#include "spool_impl.h"

namespace mailroot::spool {

using reactor::task;

void SpoolImpl::take_over(KeptJournal& kept) {
  std::deque<std::unique_ptr<Segment>> segments;
  for (KeptSegment& from : kept.segments) {
    auto segment = std::make_unique<Segment>();
    segment->file = from.file;
    segment->kept = std::move(from.place);
    segments.push_back(std::move(segment));
  }
  for (auto& [id, message] : kept.messages) {
    auto entry = std::make_unique<Entry>();
    entry->head = std::move(message.head);
    entry->accepted_in = segments[message.segment].get();
    entry->group_block = message.group_block;
    entry->group_head_blocks = message.group_head_blocks;
    ++entry->accepted_in->pins;
    entry->pins.push_back(entry->accepted_in);
    entries_.emplace(id, std::move(entry));
    ++hot_count_;
  }
  kept_waits_ = true;
  journal_.adopt(std::move(segments));
}

// Files by their ids, so that each has one shard; what the old segments speak of is shard 0's.
bool SpoolImpl::is_mine(const QueueId& id) const {
  if (home_.kept != nullptr) {
    if (home_.kept->messages.contains(id)) return false;  // known without its file
    if (home_.kept->placed.contains(id)) return shard_ == 0;
  }
  return std::hash<QueueId>()(id) % shards_ == shard_;
}

task<void> SpoolImpl::report_kept(const std::function<void(const LoadedMessage&)>& found) {
  constexpr size_t kAtOnce = 64;
  size_t reported = 0;
  for (const auto& item : home_.kept->messages) {
    Entry* const entry = find(item.first);
    if (entry == nullptr || closing_) continue;
    found(to_loaded(entry->head));
    if (++reported % kAtOnce == 0) {
      co_await reactor_.yield();
    }
  }
  start();
  journal_.start();
  tasks_.spawn(place_when_there_is_room());
}

// What little room the disk has is for the outcomes of these messages, so they are placed when all
// of them fit beside it.
task<void> SpoolImpl::place_when_there_is_room() {
  while (!closing_) {
    uint64_t needed = kRoomBesideKept;
    for (Entry* const entry : kept_entries()) {
      needed += entry->head.size_bytes + 2 * kQueueBlock;
    }
    if (needed == kRoomBesideKept) co_return;
    auto status = co_await reactor_.file_system_status(home_.queue.top);
    if (status && status->free_bytes >= needed) break;
    reactor::Wait wait;
    wait.deadline = reactor_.now() + kReopenInterval;
    co_await closing_wake_.wait(reactor_, wait);
  }
  if (closing_) co_return;
  kept_waits_ = false;
  for (Entry* const entry : kept_entries()) {
    entry->accepted_at = reactor_.now();
    hot_.push_back(*entry);
  }
  placer_wake_.notify_one();
}

// Those that are in memory and in no list.
std::vector<Entry*> SpoolImpl::kept_entries() const {
  std::vector<Entry*> entries;
  for (const auto& item : home_.kept->messages) {
    Entry* const entry = find(item.first);
    if (entry != nullptr && !entry->done) entries.push_back(entry);
  }
  return entries;
}

bool SpoolImpl::waits_for_room(const Entry& entry) const {
  return kept_waits_ && entry.accepted_in != nullptr && entry.accepted_in->kept.has_value();
}

task<result<std::shared_ptr<const SlabChain>>> SpoolImpl::read_kept(const Entry& entry) {
  // It may be settled while it is read.
  Segment& segment = *entry.accepted_in;
  ++segment.pins;
  auto accepted = co_await read_accepted(entry);
  journal_.unpin(segment);
  if (!accepted) co_return std::unexpected(accepted.error());
  co_return std::move(accepted->body);
}

}  // namespace mailroot::spool
