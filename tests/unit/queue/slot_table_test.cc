#include "mailroot/queue/slots.h"

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

using namespace mailroot::queue;

TEST_CASE("a slot given back belongs to the longest waiter") {
  std::vector<std::pair<uint16_t, std::string>> told;
  const auto slots = make_slot_table([&](uint16_t shard, const std::string& key) {
    told.emplace_back(shard, key);
    return true;
  });
  CHECK(slots->take(0, "mx:a", 2));
  CHECK(slots->take(0, "mx:a", 2));
  CHECK_FALSE(slots->take(1, "mx:a", 2));
  CHECK_FALSE(slots->take(2, "mx:a", 2));
  CHECK_FALSE(slots->take(1, "mx:a", 2));  // stands in line once
  CHECK(slots->has_waiters("mx:a"));
  CHECK_FALSE(slots->has_waiters("mx:b"));
  slots->give("mx:a");
  CHECK(told == std::vector<std::pair<uint16_t, std::string>>{{1, "mx:a"}});
  CHECK(slots->in_use("mx:a") == 2);
  CHECK_FALSE(slots->take(0, "mx:a", 2));  // behind shard 2
  slots->give("mx:a");
  CHECK(told.back().first == 2);
  slots->give("mx:a");
  CHECK(told.back().first == 0);
  CHECK_FALSE(slots->has_waiters("mx:a"));
  slots->give("mx:a");
  slots->give("mx:a");
  CHECK(slots->in_use("mx:a") == 0);
}

TEST_CASE("a waiter that cannot be told loses nothing: it may take the slot itself") {
  const auto slots = make_slot_table([](uint16_t, const std::string&) { return false; });
  CHECK(slots->take(0, "k", 1));
  CHECK_FALSE(slots->take(1, "k", 1));
  slots->give("k");
  CHECK(slots->in_use("k") == 0);
  CHECK(slots->take(1, "k", 1));
}

TEST_CASE("a raised limit lets a waiter in, a lowered one takes slots back as they return") {
  int told = 0;
  const auto slots = make_slot_table([&](uint16_t, const std::string&) { return ++told > 0; });
  CHECK(slots->take(0, "k", 1));
  CHECK_FALSE(slots->take(1, "k", 1));
  CHECK(slots->take(1, "k", 3));
  CHECK_FALSE(slots->has_waiters("k"));
  CHECK(slots->take(0, "k", 3));
  CHECK_FALSE(slots->take(1, "k", 1));
  slots->give("k");
  CHECK(told == 0);
  CHECK(slots->in_use("k") == 2);
  slots->give("k");
  CHECK(told == 0);
  slots->give("k");
  CHECK(told == 1);
}

TEST_CASE("who leaves the line is not told") {
  int told = 0;
  const auto slots = make_slot_table([&](uint16_t, const std::string&) { return ++told > 0; });
  CHECK(slots->take(0, "k", 1));
  CHECK_FALSE(slots->take(1, "k", 1));
  slots->stop_waiting(1, "k");
  slots->stop_waiting(1, "nobody knows this");
  slots->give("k");
  CHECK(told == 0);
  CHECK(slots->in_use("k") == 0);
}

TEST_CASE("the limit holds whatever the threads do") {
  constexpr uint32_t kLimit = 3;
  std::array<std::atomic<uint32_t>, 4> gifts{};
  const auto slots = make_slot_table([&](uint16_t shard, const std::string&) {
    gifts[shard].fetch_add(1);
    return true;
  });
  std::atomic<uint32_t> holding = 0, most = 0;
  const auto work = [&](uint16_t shard) {
    uint32_t held = 0;
    const auto got = [&] {
      ++held;
      const uint32_t all = holding.fetch_add(1) + 1;
      uint32_t seen = most.load();
      while (all > seen && !most.compare_exchange_weak(seen, all)) {
      }
    };
    const auto drop = [&] {
      --held;
      holding.fetch_sub(1);
      slots->give("k");
    };
    for (int i = 0; i < 3000; ++i) {
      for (uint32_t n = gifts[shard].exchange(0); n > 0; --n) got();
      if (slots->take(shard, "k", kLimit)) got();
      if (held > 1 || i % 3 == 0) {
        while (held > 0) drop();
      }
    }
    slots->stop_waiting(shard, "k");
    while (held > 0) drop();
  };
  std::vector<std::thread> threads;
  for (uint16_t shard = 0; shard < 4; ++shard) threads.emplace_back(work, shard);
  for (auto& thread : threads) thread.join();
  uint32_t late = 0;
  for (auto& gift : gifts) late += gift.load();
  CHECK(most.load() >= 1);
  CHECK(most.load() <= kLimit);
  CHECK(slots->in_use("k") == late);
}
