// Destinations: who may open a connection next, the window, backoff and slots.
#include <algorithm>

#include "mailroot/base/assert.h"
#include "state.h"

namespace mailroot::queue {

bool Queue::State::wants_connection(const DestinationRecord& destination) const {
  const uint32_t ready = destination.list(MessageState::ready).count;
  if (destination.held || ready == 0) return false;
  if (destination.backoff) return destination.may_probe && destination.connections == 0;
  const uint32_t idle =
      destination.connections - std::min(destination.connections, destination.busy);
  const uint32_t window = destination.kind == DestinationKind::local
                              ? kLocalWindow
                              : std::min(destination.window, options.per_destination_max);
  return ready > idle && destination.connections < window;
}

void Queue::State::ring_push(uint32_t index) {
  DestinationRecord& destination = destinations[index];
  GroupList& ring = destination.kind == DestinationKind::local ? local_ring : remote_ring;
  destination.previous = ring.tail;
  destination.next = kNone;
  (ring.tail == kNone ? ring.head : destinations[ring.tail].next) = index;
  ring.tail = index;
  ++ring.count;
  destination.place = RingPlace::in_ring;
}

void Queue::State::ring_remove(uint32_t index) {
  DestinationRecord& destination = destinations[index];
  GroupList& ring = destination.kind == DestinationKind::local ? local_ring : remote_ring;
  (destination.previous == kNone ? ring.head : destinations[destination.previous].next) =
      destination.next;
  (destination.next == kNone ? ring.tail : destinations[destination.next].previous) =
      destination.previous;
  --ring.count;
  destination.place = RingPlace::none;
}

void Queue::State::refresh(uint32_t index) {
  DestinationRecord& destination = destinations[index];
  if (destination.on_request && destination.groups() == 0) destination.held = true;
  const bool wants = wants_connection(destination);
  if (wants && destination.place == RingPlace::none) ring_push(index);
  if (!wants && destination.place == RingPlace::in_ring) ring_remove(index);
  if (!wants && destination.place == RingPlace::needs_slot) {
    slots.stop_waiting(shard, destination.key);
    destination.place = RingPlace::none;
    --needing_slot;
  }
  const bool is_idle = destination.groups() == 0 && destination.connections == 0 &&
                       (!destination.held || destination.on_request) &&
                       destination.spare_slots == 0;
  if (is_idle == destination.is_idle_listed) return;
  destination.is_idle_listed = is_idle;
  if (is_idle) {
    destination.credit_bytes = kQuantumBytes;
    destination.idle_previous = idle_list.tail;
    destination.idle_next = kNone;
    (idle_list.tail == kNone ? idle_list.head : destinations[idle_list.tail].idle_next) = index;
    idle_list.tail = index;
    ++idle_list.count;
  } else {
    (destination.idle_previous == kNone ? idle_list.head
                                        : destinations[destination.idle_previous].idle_next) =
        destination.idle_next;
    (destination.idle_next == kNone ? idle_list.tail
                                    : destinations[destination.idle_next].idle_previous) =
        destination.idle_previous;
    --idle_list.count;
  }
}

// Windows and backoffs of quiet destinations are remembered, but not of all the world's domains.
void Queue::State::forget_idle_destinations() {
  while (idle_list.count > kIdleDestinationsMax) {
    const uint32_t index = idle_list.head;
    DestinationRecord& destination = destinations[index];
    if (destination.timer != kNone) destination_timers.cancel(destination.timer);
    idle_list.head = destination.idle_next;
    (idle_list.head == kNone ? idle_list.tail : destinations[idle_list.head].idle_previous) = kNone;
    --idle_list.count;
    by_key.erase(by_key.find(destination.key));
    destinations.release(index);
  }
}

void Queue::State::destination_worked(uint32_t index) {
  DestinationRecord& destination = destinations[index];
  destination.failures = 0;
  destination.last_error.clear();
  if (destination.kind == DestinationKind::local) return;
  if (destination.backoff) {
    leave_backoff(index);
    destination.window = 1;
    destination.successes = 0;
  }
  if (++destination.successes >= destination.window) {
    destination.successes = 0;
    destination.window = std::min(destination.window + 1, options.per_destination_max);
  }
  refresh(index);
}

void Queue::State::destination_failed(uint32_t index, std::string_view error, Instant now) {
  DestinationRecord& destination = destinations[index];
  ++destination.failures;
  destination.last_error = error.substr(0, kLastErrorMax);
  destination.successes = 0;
  destination.window = std::max(1U, destination.window / 2);
  if (destination.kind == DestinationKind::local) return;
  const bool was_probe = destination.backoff && destination.may_probe;
  const bool is_last = destination.connections <= 1;
  const bool give_up = !destination.backoff && (is_last || destination.failures >= kFailureCohort);
  if (destination.on_request) {
    destination.held = true;  // its host asks again when it is there
  } else if (was_probe || give_up) {
    enter_backoff(index, now);
  }
  refresh(index);
}

void Queue::State::end_probe(DestinationRecord& destination) {
  if (!destination.probing) return;
  destination.probing = false;
  --probing;
}

void Queue::State::enter_backoff(uint32_t index, Instant now) {
  DestinationRecord& destination = destinations[index];
  end_probe(destination);
  if (destination.timer != kNone) destination_timers.cancel(destination.timer);
  destination.backoff = true;
  destination.may_probe = false;
  ++destination.backoffs;
  destination.backoff_until = now + backoff_interval(options.schedule, destination.backoffs);
  destination.timer = destination_timers.add(destination.backoff_until, index);
}

void Queue::State::leave_backoff(uint32_t index) {
  DestinationRecord& destination = destinations[index];
  end_probe(destination);
  if (destination.timer != kNone) destination_timers.cancel(destination.timer);
  destination.timer = kNone;
  destination.backoff = false;
  destination.may_probe = false;
  destination.backoffs = 0;
}

// A slot of the destination and one of the virtual server, or neither.
bool Queue::State::take_slots(uint32_t index, Instant now) {
  DestinationRecord& destination = destinations[index];
  if (destination.spare_slots == 0) {
    if (!slots.take(shard, destination.key, options.per_destination_max)) {
      destination.place = RingPlace::needs_slot;
      ++needing_slot;
      slot_retry_at = std::min(slot_retry_at, now + kSlotRetry);
      return false;
    }
  } else {
    --destination.spare_slots;
  }
  if (spare_total_slots > 0) {
    --spare_total_slots;
    return true;
  }
  if (slots.take(shard, kAllDestinations, options.connections_max)) return true;
  needs_total_slot = true;
  slot_retry_at = std::min(slot_retry_at, now + kSlotRetry);
  slots.give(destination.key);
  return false;
}

void Queue::State::give_spares() {
  for (const uint32_t index : with_spares) {
    DestinationRecord& destination = destinations[index];
    for (; destination.spare_slots > 0; --destination.spare_slots) slots.give(destination.key);
    refresh(index);
  }
  with_spares.clear();
  for (; spare_total_slots > 0; --spare_total_slots) slots.give(kAllDestinations);
}

// Deficit round robin: a destination that has had more than its share of bytes is passed over
// until its credit is back, at most kDebtQuantaMax rounds.
std::optional<ConnectionGrant> Queue::State::next_in(GroupList& ring, Moment now) {
  const uint64_t steps_max = uint64_t{ring.count} * (kDebtQuantaMax + 1);
  for (uint64_t step = 0; step < steps_max && ring.count > 0; ++step) {
    const uint32_t index = ring.head;
    DestinationRecord& destination = destinations[index];
    const bool is_remote = destination.kind == DestinationKind::remote;
    if (is_remote && needs_total_slot && spare_total_slots == 0) return std::nullopt;
    ring_remove(index);
    if (destination.credit_bytes < 0) {
      destination.credit_bytes += kQuantumBytes;
      ring_push(index);
      continue;
    }
    const bool is_probe = destination.backoff;
    // Hosts that were down lately get at most half of the connections: they mostly wait.
    if (is_probe && probing >= std::max(1U, options.connections_max / 2)) {
      ring_push(index);
      continue;
    }
    if (is_remote && !take_slots(index, now.at)) {
      if (destination.place == RingPlace::none) ring_push(index);
      continue;
    }
    ++destination.connections;
    ++totals.connections;
    if (is_probe) {
      destination.probing = true;
      ++probing;
    }
    if (wants_connection(destination)) ring_push(index);
    return ConnectionGrant{index, is_probe};
  }
  return std::nullopt;
}

DestinationId Queue::destination(std::string_view key, DestinationKind kind) {
  State& s = *state_;
  MAILROOT_ASSERT(!key.empty(), "the empty key stands for all destinations");
  const auto found = s.by_key.find(key);
  if (found != s.by_key.end()) return found->second;
  const uint32_t index = s.destinations.acquire();
  s.destinations[index].key = key;
  s.destinations[index].kind = kind;
  s.by_key.emplace(std::string(key), index);
  s.refresh(index);
  return index;
}

std::string_view Queue::key(DestinationId id) const { return state_->destinations[id].key; }

std::optional<ConnectionGrant> Queue::next_connection(Moment now) {
  State& s = *state_;
  std::optional<ConnectionGrant> grant = s.next_in(s.local_ring, now);
  if (!grant) grant = s.next_in(s.remote_ring, now);
  if (!grant) s.give_spares();
  return grant;
}

std::optional<DestinationId> Queue::next_wake() {
  State& s = *state_;
  while (!s.wakes.empty()) {
    const uint32_t index = s.wakes.back();
    s.wakes.pop_back();
    if (s.destinations.contains(index) && has_mail(index)) return index;
  }
  return std::nullopt;
}

std::optional<Assignment> Queue::take(DestinationId index) {
  State& s = *state_;
  DestinationRecord& destination = s.destinations[index];
  const uint32_t group_index = destination.list(MessageState::ready).head;
  if (destination.held || group_index == kNone) return std::nullopt;
  s.disarm(group_index);
  s.set_state(group_index, MessageState::in_transaction);
  s.groups[group_index].with_courier = true;
  ++destination.busy;
  Assignment assignment = s.assignment_of(group_index);
  destination.credit_bytes =
      std::max(destination.credit_bytes - static_cast<int64_t>(assignment.size_bytes),
               -kDebtQuantaMax * kQuantumBytes);
  s.refresh(index);
  return assignment;
}

bool Queue::has_mail(DestinationId index) const {
  const DestinationRecord& destination = state_->destinations[index];
  return !destination.held && destination.list(MessageState::ready).count > 0;
}

bool Queue::should_yield(DestinationId index, uint32_t messages) const {
  const State& s = *state_;
  const DestinationRecord& destination = s.destinations[index];
  if (destination.kind == DestinationKind::local) return false;
  if (destination.connections > destination.window) return true;
  if (messages < kYieldAfterMessages) return false;
  return s.slots.has_waiters(destination.key) || s.slots.has_waiters(kAllDestinations);
}

void Queue::connection_closed(DestinationId index) {
  State& s = *state_;
  DestinationRecord& destination = s.destinations[index];
  MAILROOT_ASSERT(destination.connections > 0, "every grant is closed once");
  --destination.connections;
  --s.totals.connections;
  if (destination.connections == 0) s.end_probe(destination);
  if (destination.kind == DestinationKind::remote) {
    s.slots.give(destination.key);
    s.slots.give(kAllDestinations);
  }
  s.refresh(index);
}

void Queue::slot_freed(std::string_view key) {
  State& s = *state_;
  if (key == kAllDestinations) {
    s.needs_total_slot = false;
    ++s.spare_total_slots;
    return;
  }
  const auto found = s.by_key.find(key);
  if (found == s.by_key.end()) {
    s.slots.give(key);
    return;
  }
  DestinationRecord& destination = s.destinations[found->second];
  if (destination.place == RingPlace::needs_slot) {
    destination.place = RingPlace::none;
    --s.needing_slot;
  }
  ++destination.spare_slots;
  s.with_spares.push_back(found->second);
  s.refresh(found->second);
}

}  // namespace mailroot::queue
