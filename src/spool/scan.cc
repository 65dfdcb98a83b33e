// What an earlier start left in Queue, reported in the background.
#include <functional>
#include <set>
#include <utility>

#include "limits.h"
#include "spool_impl.h"

namespace mailroot::spool {

using reactor::task;

namespace {

struct Scan {
  std::vector<QueueId> ids;
  size_t next = 0;
  std::function<void(const LoadedMessage&)> found;
};

}  // namespace

task<void> SpoolImpl::scan(std::function<void(const LoadedMessage& header_without_content)> found) {
  if (shard_ == 0 && home_.kept != nullptr) {
    co_await report_kept(found);
  }
  std::set<QueueId> ids;
  for (const reactor::Descriptor directory : {home_.queue.fresh, home_.queue.current}) {
    auto entries = co_await reactor_.list_directory(directory);
    if (!entries) {
      log_problem("scan_failed", {}, describe(entries.error().code));
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
  Scan scan{{ids.begin(), ids.end()}, 0, std::move(found)};
  placed_ += scan.ids.size();
  const auto work = [](SpoolImpl& self, Scan& all) -> task<void> {
    while (all.next < all.ids.size()) {
      const QueueId id = all.ids[all.next++];
      auto message = co_await self.read_envelope(id);
      if (message) all.found(*message);
    }
  };
  reactor::TaskGroup group;
  for (size_t i = 0; i < kScanInFlightMax; ++i) group.spawn(work(*this, scan));
  co_await group.join();
}

// For the scan: no content is read; load() checks it before each attempt.
task<std::optional<LoadedMessage>> SpoolImpl::read_envelope(QueueId id) {
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
  }
  if (placed_ > 0) --placed_;
  co_return std::nullopt;
}

}  // namespace mailroot::spool
