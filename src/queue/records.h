// What the queue keeps of messages, groups and destinations: compact, linked by indexes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "mailroot/base/queue_id.h"
#include "mailroot/base/time.h"
#include "mailroot/queue/limits.h"
#include "mailroot/queue/queue.h"
#include "pool.h"

namespace mailroot::queue {

// failed: could not be stored; again after the next attempt.
enum class DelayReport : uint8_t { none, pending, failed, sent };

// A message with one recipient (nearly all) needs no allocation.
struct MessageRecord {
  QueueId id;
  uint64_t size_bytes = 0;
  WallTime arrived{};
  Instant counts_from{};  // age = now - counts_from, on the monotonic clock
  // Recipient indexes; each group owns one contiguous range. Null for a single recipient.
  std::unique_ptr<uint32_t[]> order;
  std::unique_ptr<char[]> letters;  // by recipient index; null for a single recipient
  uint32_t recipients = 0;
  uint32_t groups = 0;
  uint32_t first_group = kNone;
  uint32_t attempts = 0;
  uint32_t generation = 0;
  char letter = kWaiting;
  DelayReport delay = DelayReport::none;
  bool in_use = false;

  char& letter_of(uint32_t recipient) { return letters ? letters[recipient] : letter; }
  char letter_of(uint32_t recipient) const { return letters ? letters[recipient] : letter; }
  uint32_t recipient_at(uint32_t position) const { return order ? order[position] : 0; }
};

// One message's recipients at one destination.
struct GroupRecord {
  Instant due{};  // of the next attempt, while waiting
  uint32_t message = 0;
  uint32_t destination = 0;
  uint32_t sibling = kNone;                 // next group of the message
  uint32_t previous = kNone, next = kNone;  // in the destination's list of this state
  uint32_t timer = kNone;                   // due, delay or expiry: whichever is first
  uint32_t first = 0, count = 0;            // range in MessageRecord::order
  uint32_t attempts = 0;
  uint32_t generation = 0;
  MessageState state = MessageState::waiting;
  bool tried = false;         // an attempt failed in this run: may expire
  bool with_courier = false;  // in_transaction: in a courier's hands; else its expiry is settled
  bool in_use = false;
};

struct GroupList {
  uint32_t head = kNone;
  uint32_t tail = kNone;
  uint32_t count = 0;
};

enum class RingPlace : uint8_t { none, in_ring, needs_slot };

struct DestinationRecord {
  std::string key;
  std::string last_error;
  std::array<GroupList, 4> lists;  // by MessageState
  uint64_t size_bytes = 0;         // of the messages of its groups
  Instant backoff_until{};
  int64_t credit_bytes = kQuantumBytes;  // of the round robin
  uint32_t connections = 0;
  uint32_t busy = 0;  // assignments with couriers
  uint32_t window = kWindowStart;
  uint32_t successes = 0;                             // since the window last changed
  uint32_t failures = 0;                              // connections in a row
  uint32_t backoffs = 0;                              // in a row
  uint32_t spare_slots = 0;                           // given by slot_freed, not used yet
  uint32_t timer = kNone;                             // end of the backoff
  uint32_t previous = kNone, next = kNone;            // in the ring
  uint32_t idle_previous = kNone, idle_next = kNone;  // among the forgettable
  uint32_t generation = 0;
  DestinationKind kind = DestinationKind::remote;
  RingPlace place = RingPlace::none;
  bool held = false;
  bool on_request = false;  // held again by itself
  bool backoff = false;
  bool may_probe = false;  // backoff is over, or the operator said so
  bool probing = false;    // a connection granted in backoff is open
  bool is_idle_listed = false;
  bool in_use = false;

  GroupList& list(MessageState state) { return lists[static_cast<size_t>(state)]; }
  const GroupList& list(MessageState state) const { return lists[static_cast<size_t>(state)]; }
  uint32_t groups() const {
    return lists[0].count + lists[1].count + lists[2].count + lists[3].count;
  }
};

// A message is 64-bit sized fields and one group: with its timer and its place in the index it
// stays well below 400 bytes (checked by the unit test with a million).
static_assert(sizeof(MessageRecord) <= 96);
static_assert(sizeof(GroupRecord) <= 64);

}  // namespace mailroot::queue
