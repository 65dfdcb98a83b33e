#include "keeper_drop.h"

#include <sys/stat.h>

#include <algorithm>

#include "directory_pages.h"
#include "limits.h"

namespace mailroot::spool {

using reactor::task;

task<void> Keeper::Drop::work(reactor::CancelScope& scope) {
  const Instant now = reactor_.now();
  bool due = !has_looked_ || now >= next_;
  if (!due && home_.usage->drop_was_full && now >= not_before_) {
    // Nobody took anything away as long as the directories are what they were.
    const Times times = co_await modification_times();
    due = times != looked_at_;
  }
  if (due) {
    co_await look(scope);
  }
}

task<Keeper::Drop::Times> Keeper::Drop::modification_times() {
  Times times{};
  size_t at = 0;
  for (const auto directory : {home_.drop.top, home_.drop.fresh, home_.drop.current}) {
    auto status = co_await reactor_.stat_at(directory, "");
    if (status) times[at] = status->modified;
    ++at;
  }
  co_return times;
}

task<void> Keeper::Drop::look(reactor::CancelScope& scope) {
  const Instant began = reactor_.now();
  looked_at_ = co_await modification_times();
  HomeUsage& usage = *home_.usage;
  usage.drop_was_full = false;
  // What is put there while we look may be counted twice, until the next look.
  const int64_t added_before = usage.drop_added_bytes;
  int64_t sum = 0;
  bool complete = true;
  for (const auto directory : {home_.drop.top, home_.drop.fresh, home_.drop.current}) {
    DirectoryPages pages(reactor_, directory);
    for (;;) {
      auto page = co_await pages.next();
      complete = complete && page.has_value();
      if (!page || page->empty()) break;
      for (const auto& entry : *page) {
        if (S_ISREG(entry.status.mode)) sum += static_cast<int64_t>(entry.status.size_bytes);
      }
      co_await reactor_.sleep_until(reactor_.now() + kKeeperPause, {kNever, &scope});
      if (scope.is_cancelled()) {
        co_await pages.close();
        co_return;
      }
    }
  }
  if (complete) usage.drop_found_bytes = sum - added_before;
  has_looked_ = true;
  const Instant ended = reactor_.now();
  not_before_ = ended + (ended - began) * kKeeperRest;
  next_ = std::max(not_before_, ended + kDropLookInterval);
}

}  // namespace mailroot::spool
