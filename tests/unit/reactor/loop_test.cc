// Conformance: run queue, timers, events, groups, mailbox.
#include <atomic>
#include <thread>
#include <vector>

#include "worlds.h"

namespace mailroot::reactor::test {
namespace {

task<void> sleeper(Reactor& reactor, Instant when, int name, std::vector<int>& order) {
  const result<void> slept = co_await reactor.sleep_until(when, Wait{});
  CHECK(slept.has_value());
  CHECK(reactor.now() >= when);
  order.push_back(name);
}

task<void> sleeping_order(Reactor& reactor) {
  std::vector<int> order;
  TaskGroup group;
  const Instant begin = reactor.now();
  group.spawn(sleeper(reactor, begin + std::chrono::milliseconds(60), 4, order));
  group.spawn(sleeper(reactor, begin + std::chrono::milliseconds(20), 2, order));
  group.spawn(sleeper(reactor, begin, 1, order));
  group.spawn(sleeper(reactor, begin + std::chrono::milliseconds(20), 3, order));
  co_await group.join();
  CHECK(order == std::vector{1, 2, 3, 4});
}

TEST_CASE_TEMPLATE("sleepers wake in the order of their moments", World, MAILROOT_WORLDS) {
  run_in<World>(sleeping_order);
}

task<void> short_patience(Reactor& reactor) {
  const Instant when = reactor.now() + std::chrono::hours(1);
  const result<void> slept = co_await reactor.sleep_until(when, within_ms(reactor, 5));
  CHECK(failure_of(slept) == Errc::timed_out);
}

TEST_CASE_TEMPLATE("a sleep ends at an earlier deadline", World, MAILROOT_WORLDS) {
  run_in<World>(short_patience);
}

task<void> event_waiter(Reactor& reactor, Event& event, int name, std::vector<int>& order) {
  const result<void> waited = co_await event.wait(reactor, soon(reactor));
  CHECK(waited.has_value());
  order.push_back(name);
}

task<void> events(Reactor& reactor) {
  Event event;
  std::vector<int> order;
  TaskGroup group;
  event.notify_all();  // nobody waits: lost
  group.spawn(event_waiter(reactor, event, 1, order));
  group.spawn(event_waiter(reactor, event, 2, order));
  group.spawn(event_waiter(reactor, event, 3, order));
  CHECK(event.has_waiters());
  event.notify_one();
  CHECK(order.empty());  // resumed through the run queue, never from inside
  co_await reactor.yield();
  CHECK(order == std::vector{1});
  event.notify_all();
  CHECK(!event.has_waiters());
  co_await group.join();
  CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE_TEMPLATE("an event wakes its waiters in order", World, MAILROOT_WORLDS) {
  run_in<World>(events);
}

task<void> joiner(TaskGroup& group, int& joined) {
  co_await group.join();
  CHECK(group.running() == 0);
  ++joined;
}

task<void> leave_at(Reactor& reactor, int ms) { co_await sleep_ms(reactor, ms); }

task<void> leave_now() { co_return; }

task<void> groups(Reactor& reactor) {
  TaskGroup empty;
  co_await empty.join();
  TaskGroup group;
  group.spawn(leave_now());
  CHECK(group.running() == 0);
  group.spawn(leave_at(reactor, 10));
  group.spawn(leave_at(reactor, 5));
  CHECK(group.running() == 2);
  int joined = 0;
  TaskGroup joiners;
  joiners.spawn(joiner(group, joined));
  joiners.spawn(joiner(group, joined));
  CHECK(joined == 0);
  co_await group.join();
  co_await joiners.join();
  CHECK(joined == 2);
  // A joined group may be used again.
  group.spawn(leave_at(reactor, 1));
  co_await group.join();
}

TEST_CASE_TEMPLATE("a group is joined when its last task has ended", World, MAILROOT_WORLDS) {
  run_in<World>(groups);
}

task<void> spinner(Reactor& reactor, const bool& is_over, int& resumptions) {
  while (!is_over) {
    co_await reactor.yield();
    ++resumptions;
  }
}

TEST_CASE_TEMPLATE("a turn resumes a bounded number of coroutines", World, MAILROOT_WORLDS) {
  std::unique_ptr<Backend> backend = make_world<World>();
  if (backend == nullptr) return;
  Reactor reactor(std::move(backend), ReactorLimits{});
  TaskGroup group;
  bool is_over = false;
  int resumptions = 0;
  reactor.post([&] {
    for (int i = 0; i < 1000; ++i) group.spawn(spinner(reactor, is_over, resumptions));
  });
  CHECK(reactor.turn(false));
  CHECK(resumptions == 0);
  CHECK(reactor.turn(true));
  CHECK(resumptions == 256);
  bool was_posted_work_run = false;
  CHECK(reactor.post([&] { was_posted_work_run = true; }));
  reactor.turn(true);
  CHECK(resumptions == 512);
  CHECK(was_posted_work_run);
  is_over = true;
  while (group.running() != 0) reactor.turn(false);
  CHECK(!reactor.turn(false));
}

task<void> busy_peers(Reactor& reactor) {
  const Pair pair = co_await connected_pair(reactor);
  ReceiveStream stream(reactor, pair.server);
  bool is_over = false;
  int resumptions = 0;
  TaskGroup group;
  for (int i = 0; i < 1000; ++i) group.spawn(spinner(reactor, is_over, resumptions));
  for (int i = 0; i < 20; ++i) {
    const result<void> sent = co_await send_text(reactor, pair.client, "ping");
    CHECK(sent.has_value());
    const std::string text = co_await receive_text(reactor, stream, 4);
    CHECK(text == "ping");
  }
  co_await sleep_ms(reactor, 4);
  is_over = true;
  co_await group.join();
  CHECK(resumptions > 1000);
  co_await stream.stop();
  co_await close_pair(reactor, pair);
}

TEST_CASE_TEMPLATE("coroutines that never wait do not starve sockets and timers", World,
                   MAILROOT_WORLDS) {
  run_in<World>(busy_peers);
}

TEST_CASE_TEMPLATE("the mailbox is bounded", World, MAILROOT_WORLDS) {
  std::unique_ptr<Backend> backend = make_world<World>();
  if (backend == nullptr) return;
  Reactor reactor(std::move(backend), ReactorLimits{256, 3});
  int run = 0;
  for (int i = 0; i < 3; ++i) CHECK(reactor.post([&run] { ++run; }));
  CHECK(!reactor.post([&run] { ++run; }));
  CHECK(run == 0);
  reactor.turn(false);
  CHECK(run == 3);
  // Work that posts work: a later turn's.
  CHECK(reactor.post([&] { reactor.post([&run] { ++run; }); }));
  reactor.turn(false);
  CHECK(run == 3);
  reactor.turn(false);
  CHECK(run == 4);
}

TEST_CASE_TEMPLATE("other threads post, and wake a sleeping reactor", World,
                   MAILROOT_KERNEL_WORLDS) {
  std::unique_ptr<Backend> backend = make_world<World>();
  if (backend == nullptr) return;
  Reactor reactor(std::move(backend), ReactorLimits{256, 64});
  constexpr int kThreads = 4;
  constexpr int kPosts = 5000;
  int run = 0;  // not atomic: all work runs on this thread
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&reactor, &run] {
      for (int i = 0; i < kPosts; ++i) {
        while (!reactor.post([&reactor, &run] {
          if (++run == kThreads * kPosts) reactor.stop();
        })) {
          std::this_thread::yield();
        }
        if (i % 512 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    });
  }
  reactor.run();
  for (std::thread& thread : threads) thread.join();
  CHECK(run == kThreads * kPosts);
}

TEST_CASE_TEMPLATE("clocks and random numbers", World, MAILROOT_WORLDS) {
  run_in<World>([](Reactor& reactor) -> task<void> {
    const Instant before = reactor.now();
    co_await sleep_ms(reactor, 8);
    CHECK(reactor.now() - before >= std::chrono::milliseconds(8));
    CHECK(reactor.wall_now().time_since_epoch() > std::chrono::hours(24 * 365 * 50));
    uint64_t all = 0;
    uint64_t any = 0;
    for (int i = 0; i < 100; ++i) {
      const uint64_t number = reactor.random();
      all |= number;
      any ^= number;
    }
    CHECK(all == UINT64_MAX);
    CHECK(any != 0);
  });
}

TEST_CASE_TEMPLATE("the current reactor is that of the turn", World, MAILROOT_WORLDS) {
  CHECK(Reactor::current() == nullptr);
  run_in<World>([](Reactor& reactor) -> task<void> {
    CHECK(Reactor::current() == &reactor);
    co_await reactor.yield();
    CHECK(Reactor::current() == &reactor);
  });
  CHECK(Reactor::current() == nullptr);
}

}  // namespace
}  // namespace mailroot::reactor::test
