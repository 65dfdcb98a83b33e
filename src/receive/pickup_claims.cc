// After a crash: claimed files whose messages were stored.
#include <fcntl.h>

#include "mailroot/spool/spool.h"
#include "pickup_reader.h"

namespace mailroot::receive {

using reactor::task;

namespace {

constexpr uint32_t kOpenDirectory = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

// The entries of Pickup/cur that name a message. Few: what was on its way, and what could not be
// taken.
task<std::vector<std::string>> list_claims(reactor::Reactor& reactor, const spool::Home& home) {
  std::vector<std::string> entries;
  auto directory = co_await reactor.open_at(home.pickup.current, ".", kOpenDirectory, 0);
  if (!directory) co_return entries;
  for (bool more = true; more;) {
    auto page = co_await reactor.list_page(*directory);
    more = page && !page->at_end;
    if (!more) break;
    for (reactor::DirectoryPage::Entry& entry : page->entries) {
      if (parse_claim(entry.name).id) entries.push_back(std::move(entry.name));
    }
  }
  co_await reactor.close_now(*directory);
  co_return entries;
}

}  // namespace

task<uint64_t> remove_stored_claims(reactor::Reactor& reactor, const spool::Home& home) {
  const std::vector<std::string> entries = co_await list_claims(reactor, home);
  uint64_t removed = 0;
  for (const std::string& entry : entries) {
    const auto id = parse_queue_id(*parse_claim(entry).id);
    const bool is_stored = co_await spool::is_queued(reactor, home, *id);
    if (!is_stored) continue;
    // If it stays it is sent a second time, which is better than never.
    auto gone = co_await reactor.unlink_at(home.pickup.current, entry, 0);
    if (gone) ++removed;
  }
  if (removed > 0) {
    co_await reactor.sync(home.pickup.current, reactor::SyncKind::data_and_metadata);
  }
  co_return removed;
}

}  // namespace mailroot::receive
