// A value from another thread to a coroutine that waits for it. The coroutine may give up: the
// other side's value then goes nowhere, and the reactor may be gone.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "mailroot/reactor/reactor.h"

namespace mailroot::http {

template <class T>
class Handover {
 public:
  explicit Handover(reactor::Reactor& reactor) : shared_(std::make_shared<Shared>()) {
    shared_->reactor = &reactor;
  }

  // To be called once, on any thread.
  std::move_only_function<void(T)> giver() {
    return [shared = shared_](T value) {
      std::unique_lock lock(shared->mutex);
      shared->value.emplace(std::move(value));
      const auto wake = [shared] { shared->given.notify_all(); };
      while (shared->reactor != nullptr && !shared->reactor->post(wake)) {
        lock.unlock();
        std::this_thread::yield();
        lock.lock();
      }
    };
  }

  // On the reactor's thread, once.
  reactor::task<result<T>> take(reactor::Wait wait) {
    // The frame keeps its own: *this may move meanwhile.
    const std::shared_ptr<Shared> shared = shared_;
    reactor::Reactor& reactor = *shared->reactor;
    for (;;) {
      if (auto value = shared->try_take()) co_return std::move(*value);
      // No wake-up is lost: it is posted, and runs when this coroutine sleeps.
      const result<void> woken = co_await shared->given.wait(reactor, wait);
      if (woken) continue;
      if (auto value = shared->give_up()) co_return std::move(*value);
      co_return std::unexpected(woken.error());
    }
  }

 private:
  struct Shared {
    std::optional<T> try_take() {
      const std::lock_guard lock(mutex);
      if (!value) return std::nullopt;
      reactor = nullptr;
      return std::exchange(value, std::nullopt);
    }
    std::optional<T> give_up() {
      const std::lock_guard lock(mutex);
      reactor = nullptr;
      return std::exchange(value, std::nullopt);
    }
    std::mutex mutex;
    std::optional<T> value;
    reactor::Reactor* reactor = nullptr;  // null: nobody waits
    reactor::Event given;                 // of the reactor's thread
  };
  std::shared_ptr<Shared> shared_;
};

}  // namespace mailroot::http
