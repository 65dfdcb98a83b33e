// A queue with its clocks, for tests: time moves only when told.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "mailroot/queue/queue.h"

namespace mailroot::queue::test {

using namespace std::chrono_literals;

inline constexpr Instant kStart{1000s};
inline constexpr WallTime kWallStart{std::chrono::hours(24 * 365 * 56)};

// As an operator deletes a message; false when one of its deliveries is under way.
inline bool remove(Queue& queue, const QueueId& id) {
  const auto taken = queue.take_message(id);
  for (const Assignment& assignment : taken) queue.forget(assignment);
  return !taken.empty();
}

inline QueueId id_of(uint64_t counter) { return {.epoch = 1, .shard = 0, .counter = counter}; }

struct Bench {
  explicit Bench(QueueOptions options = {})
      : slots(make_slot_table([](uint16_t, const std::string&) { return false; })),
        queue(std::move(options), *slots, 0, 7, now) {}

  bool add(uint64_t counter, const std::vector<std::string>& keys, std::string_view status = "") {
    std::vector<DestinationId> destinations;
    for (const auto& key : keys) {
      const bool is_local = key == "drop";
      destinations.push_back(
          queue.destination(key, is_local ? DestinationKind::local : DestinationKind::remote));
    }
    Admission admission;
    admission.id = id_of(counter);
    admission.size_bytes = 1000;
    admission.arrived = now.wall;
    admission.status = status;
    admission.destinations = destinations;
    return queue.admit(admission, now);
  }
  void pass(Duration duration) {
    now.at += duration;
    now.wall += duration;
    queue.advance(now);
  }
  void pass_to_wake() { pass(std::min(queue.wake_at(), now.at + 1h) - now.at); }
  std::optional<ConnectionGrant> connect() { return queue.next_connection(now); }
  Assignment take(DestinationId destination) {
    auto assignment = queue.take(destination);
    REQUIRE(assignment);
    return *assignment;
  }
  void settle(const Assignment& assignment, Result result, Verdict verdict = Verdict::worked) {
    std::vector<RecipientResult> results;
    for (const uint32_t recipient : assignment.recipients) results.push_back({recipient, result});
    queue.settle(assignment, results, verdict, verdict == Verdict::failed ? "refused" : "", now);
  }
  // One whole connection with one message.
  void attempt(Result result, Verdict verdict = Verdict::worked) {
    const auto grant = connect();
    REQUIRE(grant);
    settle(take(grant->destination), result, verdict);
    queue.connection_closed(grant->destination);
  }
  DestinationView view(std::string_view key) {
    for (const auto& one : queue.destinations(0, kPageMax).entries) {
      if (one.key == key) return one;
    }
    FAIL("no such destination");
    return {};
  }

  Moment now{kStart, kWallStart};
  std::unique_ptr<SlotTable> slots;
  Queue queue;
};

}  // namespace mailroot::queue::test
