// The next hops of all shards, summed up: each shard is held only as long as one page takes.
#include <algorithm>
#include <map>
#include <utility>

#include "limits.h"
#include "mailroot/server/cross.h"
#include "supervisor_state.h"

namespace mailroot::server {

using reactor::task;

namespace {

using PageHere = queue::Page<queue::DestinationView>;

task<PageHere> page_here(Shard& shard, std::string id, uint32_t cursor) {
  ServerShard* server = shard.find(id);
  if (server == nullptr) co_return PageHere{};
  co_return server->dispatcher().queue().destinations(cursor, kDestinationsPage);
}

int gravity(queue::DestinationState state) {
  switch (state) {
    case queue::DestinationState::idle:
      return 0;
    case queue::DestinationState::ready:
      return 1;
    case queue::DestinationState::busy:
      return 2;
    case queue::DestinationState::backoff:
      return 3;
    case queue::DestinationState::held:
      return 4;
  }
  return 0;
}

void add(queue::DestinationView& sum, queue::DestinationView part) {
  if (gravity(part.state) > gravity(sum.state)) sum.state = part.state;
  sum.waiting += part.waiting;
  sum.ready += part.ready;
  sum.in_transaction += part.in_transaction;
  sum.held += part.held;
  sum.size_bytes += part.size_bytes;
  sum.connections += part.connections;
  sum.window += part.window;
  sum.failures = std::max(sum.failures, part.failures);
  sum.backoff_until = std::max(sum.backoff_until, part.backoff_until);
  if (sum.last_error.empty()) sum.last_error = std::move(part.last_error);
}

uint64_t mail_of(const DestinationSum& entry) {
  const queue::DestinationView& view = entry.view;
  return uint64_t{view.waiting} + view.ready + view.in_transaction + view.held;
}

}  // namespace

task<DestinationList> Supervisor::destinations(std::string server, uint32_t max) {
  State_& state = *state_;
  std::vector<std::string> ids;
  for (const auto& [id, record] : state.records) {
    if (server.empty() || server == id) ids.push_back(id);
  }
  DestinationList list;
  std::map<std::pair<std::string, std::string>, queue::DestinationView> sums;
  for (const std::string& id : ids) {
    for (size_t i = 0; i < state.shards.size(); ++i) {
      Shard* there = state.shards[i].get();
      uint32_t cursor = 0;
      do {
        auto work = [there, id, cursor]() -> task<PageHere> {
          return page_here(*there, id, cursor);
        };
        auto page = co_await on_shard<PageHere>(state.control, *there, std::move(work));
        for (queue::DestinationView& view : page.entries) {
          const auto at = sums.find({id, view.key});
          if (at != sums.end()) {
            add(at->second, std::move(view));
          } else if (sums.size() < kDestinationsSummedMax) {
            const std::string key = view.key;
            sums.emplace(std::pair(id, key), std::move(view));
          } else {
            list.is_complete = false;
          }
        }
        cursor = page.next_cursor;
      } while (cursor != 0);
    }
  }
  for (auto& [name, view] : sums) {
    DestinationSum entry{name.first, std::move(view)};
    const bool is_of_interest = mail_of(entry) > 0 || entry.view.connections > 0;
    if (is_of_interest) list.entries.push_back(std::move(entry));
  }
  std::ranges::sort(list.entries, std::greater<>(), mail_of);
  if (list.entries.size() > max) {
    list.entries.resize(max);
    list.is_complete = false;
  }
  co_return list;
}

}  // namespace mailroot::server
