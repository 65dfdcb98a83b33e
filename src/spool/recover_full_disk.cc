// The disk has no room for what only the journals hold. Then nothing of it is placed: the segments
// stay as they are, the only copy of their messages, and shard 0 delivers from them. What a start
// needs comes from what is surely no mail: files of the pool, spare segments, and the end of each
// segment that was only reserved. All of that changes nothing of what replay() says, so it may be
// cut short anywhere.
#include <fcntl.h>

#include <algorithm>
#include <map>
#include <utility>

#include "directory.h"
#include "inode_pool.h"
#include "kept_journal.h"
#include "limits.h"
#include "recovery.h"
#include "segment.h"

namespace mailroot::spool {

using reactor::task;

// The files of messages that only the journal is sure of: just written, or by an earlier start.
// They take the room that outcomes need.
task<Recovery::Outcome> Recovery::unplace() {
  for (const QueueId& id : by_journal_) {
    const std::string name = message_file_name(id);
    for (const reactor::Descriptor directory : {home_.queue.current, home_.queue.fresh}) {
      auto gone = co_await reactor_.unlink_at(directory, name, 0);
      if (!gone && gone.error().code != Errc::not_found) {
        co_return problem("remove", "Queue/" + name, gone.error());
      }
    }
  }
  report_.placed = 0;
  co_return Outcome{};
}

// After damage an Accept that cannot be read may name one of them.
task<void> Recovery::remove_pool_files() {
  if (!damaged_.empty()) co_return;
  std::set<std::string> mail;
  for (const auto& [id, message] : replay_.messages) mail.insert(message.file);
  auto entries = co_await reactor_.list_directory(home_.queue.temporary);
  if (!entries) co_return;
  for (const reactor::DirectoryEntry& entry : *entries) {
    if (!epoch_of_pool_name(entry.name) || mail.contains(entry.name)) continue;
    co_await reactor_.unlink_at(home_.queue.temporary, entry.name, 0);
  }
}

// Opens it for the shard and cuts off what lies behind its last group; a spare one is removed.
task<Recovery::Outcome> Recovery::keep_segment(size_t index) {
  const SegmentFile& file = files_[index];
  const std::vector<ScannedGroup>& groups = scans_[index].groups;
  const bool is_damaged = damaged_.contains(index);
  if (groups.empty() && !is_damaged) {
    auto gone = co_await reactor_.unlink_at(file.directory, file.name, 0);
    if (!gone) co_return problem("remove", file.name, gone.error());
    co_return Outcome{};
  }
  constexpr uint32_t kOpen = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  auto opened = co_await reactor_.open_at(file.directory, file.name, kOpen, 0);
  if (!opened) co_return problem("open", file.name, opened.error());
  if (!is_damaged) {
    const GroupHeader& last = groups.back().header;
    const uint64_t end = (uint64_t{last.first_block} + last.total_blocks) * kBlockSize;
    // A file system that cannot even do that on a full disk keeps its blocks.
    co_await reactor_.truncate(*opened, end);
  }
  home_.kept->segments.push_back({{file.shard, file.name, is_damaged}, *opened});
  co_return Outcome{};
}

task<Recovery::Outcome> Recovery::keep_journals() {
  auto outcome = co_await unplace();
  if (!outcome) co_return outcome;
  co_await remove_pool_files();
  home_.kept = std::make_shared<KeptJournal>();
  KeptJournal& kept = *home_.kept;
  std::map<size_t, size_t> places;  // of segments, in `kept`
  for (const size_t i : by_age()) {
    places[i] = kept.segments.size();
    outcome = co_await keep_segment(i);
    if (!outcome) co_return outcome;
  }
  for (const ReplayedMessage* message : std::exchange(unrenamed_, {})) {
    outcome = co_await recover_streamed(*message);
    if (outcome && !unrenamed_.empty()) {
      outcome = problem("rename", "Queue/tmp/" + message->file, {Errc::no_space, 0});
    }
    if (!outcome) co_return outcome;
  }
  for (const auto& [id, message] : replay_.messages) {
    if (by_journal_.contains(id)) {
      kept.messages[id] = {*message.head, places.at(message.body.segment), message.body.group_block,
                           message.body.group_head_blocks};
    } else if (!message.done) {
      kept.placed.insert(id);
    }
  }
  report_.kept = kept.messages.size();
  co_return Outcome{};
}

}  // namespace mailroot::spool
