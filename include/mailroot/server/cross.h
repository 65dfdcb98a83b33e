// Work for another shard, awaited here. The only way in which threads wait for each other.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "mailroot/server/shard.h"

namespace mailroot::server {

namespace detail {

template <class T>
struct Exchange {
  std::optional<T> value;    // written there before the notification, read here after it
  bool has_arrived = false;  // here only: says that `value` may be looked at
  reactor::Event done;
};

inline constexpr std::chrono::milliseconds kMailboxRetry{1};

template <class T>
reactor::task<void> carry(std::move_only_function<reactor::task<T>()> work, reactor::Reactor& there,
                          reactor::Reactor& here, std::shared_ptr<Exchange<T>> exchange) {
  reactor::task<T> running = work();
  T value = co_await std::move(running);
  exchange->value.emplace(std::move(value));
  const auto notify = [exchange] {
    exchange->has_arrived = true;
    exchange->done.notify_all();
  };
  while (!here.post(notify)) {
    co_await there.sleep_until(there.now() + kMailboxRetry, {});
  }
}

}  // namespace detail

// Runs `work` as a coroutine on `shard` and resumes here with its result. Not cancellable: what
// was asked of a shard is done.
template <class T>
reactor::task<T> on_shard(reactor::Reactor& here, Shard& shard,
                          std::move_only_function<reactor::task<T>()> work) {
  auto exchange = std::make_shared<detail::Exchange<T>>();
  auto shared_work = std::make_shared<std::move_only_function<reactor::task<T>()>>(std::move(work));
  reactor::Reactor* home = &here;
  Shard* there = &shard;
  while (!shard.reactor().post([there, home, exchange, shared_work] {
    there->tasks().spawn(
        detail::carry<T>(std::move(*shared_work), there->reactor(), *home, exchange));
  })) {
    co_await here.sleep_until(here.now() + detail::kMailboxRetry, {});
  }
  while (!exchange->has_arrived) {
    co_await exchange->done.wait(here, {});
  }
  co_return std::move(*exchange->value);
}

}  // namespace mailroot::server
