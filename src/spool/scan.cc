// What an earlier start left in Queue, reported in the background.
#include <functional>
#include <set>
#include <utility>

#include "limits.h"
#include "spool_impl.h"

namespace mailroot::spool {

using reactor::task;

namespace {

struct Reading {
  const std::vector<QueueId>& ids;
  const std::function<void(const LoadedMessage&)>& found;
  std::vector<QueueId>& again;
  size_t next = 0;
};

}  // namespace

// False: a directory could not be listed, and `ids` may lack what is there.
task<bool> SpoolImpl::list_queue(std::set<QueueId>& ids) {
  bool all = true;
  for (const reactor::Descriptor directory : {home_.queue.fresh, home_.queue.current}) {
    auto entries = co_await reactor_.list_directory(directory);
    if (!entries) {
      log_problem("scan_failed", {}, describe(entries.error().code));
      all = false;
      continue;
    }
    for (const reactor::DirectoryEntry& entry : *entries) {
      const auto id = parse_message_file_name(entry.name);
      if (!id) {
        note_foreign(entry.name, "its name is no queue id");
      } else if (id->epoch != home_.epoch && is_mine(*id)) {
        ids.insert(*id);  // mail of this start is already known
      }
    }
  }
  co_return all;
}

// Reports these messages; those that cannot be read now come back in `again`.
task<void> SpoolImpl::report_queued(const std::vector<QueueId>& ids,
                                    const std::function<void(const LoadedMessage&)>& found,
                                    std::vector<QueueId>& again) {
  Reading reading{ids, found, again};
  const auto work = [](SpoolImpl& self, Reading& all) -> task<void> {
    while (all.next < all.ids.size()) {
      const QueueId id = all.ids[all.next++];
      bool unreadable = false;
      auto message = co_await self.read_envelope(id, unreadable);
      if (message) all.found(*message);
      if (unreadable) all.again.push_back(id);
    }
  };
  reactor::TaskGroup group;
  for (size_t i = 0; i < kScanInFlightMax; ++i) group.spawn(work(*this, reading));
  co_await group.join();
}

task<void> SpoolImpl::scan(std::function<void(const LoadedMessage& header_without_content)> found) {
  if (shard_ == 0 && home_.kept != nullptr) {
    co_await report_kept(found);
  }
  std::set<QueueId> ids;
  const bool all_listed = co_await list_queue(ids);
  std::vector<QueueId> again;
  const std::vector<QueueId> queued(ids.begin(), ids.end());
  placed_ += queued.size();
  co_await report_queued(queued, found, again);
  if (all_listed && again.empty()) co_return;
  tasks_.spawn(scan_again(std::move(ids), std::move(again), all_listed, std::move(found)));
}

// A disk that could not be read at the start may be read later: no message waits for a restart.
task<void> SpoolImpl::scan_again(std::set<QueueId> known, std::vector<QueueId> unreadable,
                                 bool all_listed, std::function<void(const LoadedMessage&)> found) {
  while (!all_listed || !unreadable.empty()) {
    reactor::Wait wait;
    wait.deadline = reactor_.now() + kReopenInterval;
    co_await closing_wake_.wait(reactor_, wait);
    if (closing_) co_return;
    std::vector<QueueId> ids = std::exchange(unreadable, {});
    if (!all_listed) {
      std::set<QueueId> listed;
      all_listed = co_await list_queue(listed);
      for (const QueueId& id : listed) {
        if (!known.insert(id).second) continue;
        ids.push_back(id);
        ++placed_;
      }
    }
    co_await report_queued(ids, found, unreadable);
  }
}

// For the scan: no content is read; load() checks it before each attempt.
task<std::optional<LoadedMessage>> SpoolImpl::read_envelope(QueueId id, bool& unreadable) {
  if (find(id) != nullptr) co_return std::nullopt;  // settled while the scan runs
  auto located = co_await locate(id, false);
  if (located) {
    co_await reactor_.close_now(located->file.file);
    co_return to_loaded(std::move(located->file.head));
  }
  const QueueFileProblem& problem = located.error();
  if (problem.foreign) {
    note_foreign(message_file_name(id), problem.reason);
  } else if (problem.error.code == Errc::corrupt) {
    co_await set_aside(id, problem.reason);
  } else if (problem.error.code != Errc::not_found) {
    log_problem("unreadable", id, problem.reason);
    unreadable = true;
    co_return std::nullopt;
  }
  if (placed_ > 0) --placed_;
  co_return std::nullopt;
}

}  // namespace mailroot::spool
