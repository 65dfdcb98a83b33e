// Messages and their groups: lists, timers, expiry.
#include <algorithm>
#include <utility>

#include "mailroot/base/assert.h"
#include "state.h"

namespace mailroot::queue {

Queue::State::State(QueueOptions queue_options, SlotTable& slot_table, uint16_t shard_number,
                    uint64_t seed_value, Moment now)
    : options(std::move(queue_options)),
      slots(slot_table),
      shard(shard_number),
      seed(seed_value),
      by_id(MessageIds{&messages}),
      group_timers(now.at),
      destination_timers(now.at) {}

void Queue::State::link(uint32_t group_index) {
  GroupRecord& group = groups[group_index];
  GroupList& list = destinations[group.destination].list(group.state);
  group.previous = list.tail;
  group.next = kNone;
  (list.tail == kNone ? list.head : groups[list.tail].next) = group_index;
  list.tail = group_index;
  ++list.count;
  ++by_state[static_cast<size_t>(group.state)];
}

void Queue::State::unlink(uint32_t group_index) {
  GroupRecord& group = groups[group_index];
  GroupList& list = destinations[group.destination].list(group.state);
  (group.previous == kNone ? list.head : groups[group.previous].next) = group.next;
  (group.next == kNone ? list.tail : groups[group.next].previous) = group.previous;
  --list.count;
  --by_state[static_cast<size_t>(group.state)];
}

void Queue::State::link_first(uint32_t group_index) {
  GroupRecord& group = groups[group_index];
  GroupList& list = destinations[group.destination].list(group.state);
  group.previous = kNone;
  group.next = list.head;
  (list.head == kNone ? list.tail : groups[list.head].previous) = group_index;
  list.head = group_index;
  ++list.count;
  ++by_state[static_cast<size_t>(group.state)];
}

void Queue::State::set_state(uint32_t group_index, MessageState state) {
  unlink(group_index);
  groups[group_index].state = state;
  link(group_index);
}

Instant Queue::State::delay_due(const GroupRecord& group) const {
  const MessageRecord& message = messages[group.message];
  const bool is_local = destinations[group.destination].kind == DestinationKind::local;
  const RetrySchedule& schedule = options.schedule;
  const Duration after = is_local ? schedule.local_delay_notification : schedule.delay_notification;
  if (after <= Duration(0) || message.delay != DelayReport::none) return kNever;
  return message.counts_from + after;
}

Instant Queue::State::expiry_due(const GroupRecord& group) const {
  const bool is_local = destinations[group.destination].kind == DestinationKind::local;
  const RetrySchedule& schedule = options.schedule;
  return messages[group.message].counts_from +
         (is_local ? schedule.local_expiration : schedule.expiration);
}

// Not by its age alone: an attempt of its own, or its destination, must have failed in this run.
// A clock that jumped while we were down, or a long hold, therefore expires nothing by itself.
// What waits until its host asks may never be tried.
bool Queue::State::may_expire(const GroupRecord& group) const {
  if (destinations[group.destination].on_request) return true;
  return group.tried || destinations[group.destination].failures > 0;
}

void Queue::State::disarm(uint32_t group_index) {
  GroupRecord& group = groups[group_index];
  if (group.timer == kNone) return;
  group_timers.cancel(group.timer);
  group.timer = kNone;
}

void Queue::State::arm(uint32_t group_index, Instant now) {
  disarm(group_index);
  GroupRecord& group = groups[group_index];
  Instant when = kNever;
  if (group.state == MessageState::waiting) {
    when = group.due;
    if (may_expire(group)) when = std::min(when, delay_due(group));
  } else if (group.state == MessageState::ready && (!destinations[group.destination].held ||
                                                    destinations[group.destination].on_request)) {
    // It may stand behind a destination that fails later: look again then.
    when = std::min(delay_due(group), expiry_due(group));
    if (when <= now) when = now + kNoticeRetry;
  }
  if (when != kNever) group.timer = group_timers.add(when, group_index);
}

void Queue::State::note_wake(uint32_t destination) {
  if (destinations[destination].connections > destinations[destination].busy) {
    wakes.push_back(destination);
  }
}

void Queue::State::make_ready(uint32_t group_index, Instant now) {
  set_state(group_index, MessageState::ready);
  arm(group_index, now);
  note_wake(groups[group_index].destination);
  refresh(groups[group_index].destination);
}

void Queue::State::make_ready_first(uint32_t group_index, Instant now) {
  unlink(group_index);
  groups[group_index].state = MessageState::ready;
  link_first(group_index);
  arm(group_index, now);
  note_wake(groups[group_index].destination);
  refresh(groups[group_index].destination);
}

void Queue::State::wait_until(uint32_t group_index, Instant due_at, Instant now) {
  groups[group_index].due = due_at;
  set_state(group_index, MessageState::waiting);
  arm(group_index, now);
  refresh(groups[group_index].destination);
}

void Queue::State::on_group_due(uint32_t group_index, Moment now) {
  GroupRecord& group = groups[group_index];
  if (may_expire(group) && expiry_due(group) <= now.at) {
    merge_expired(group_index, now.at);
    set_state(group_index, MessageState::in_transaction);
    group.with_courier = false;
    notices.push_back({NoticeKind::expired, group_index, group.generation});
    refresh(group.destination);
    return;
  }
  if (may_expire(group) && delay_due(group) <= now.at) {
    messages[group.message].delay = DelayReport::pending;
    notices.push_back({NoticeKind::delayed, group_index, group.generation});
  }
  if (group.state == MessageState::waiting && group.due <= now.at) {
    make_ready(group_index, now.at);
  } else {
    arm(group_index, now.at);
  }
}

// One report for all recipients whose time ran out together: the groups that are due as well hand
// their recipients to this one. The message's order is laid out anew.
void Queue::State::merge_expired(uint32_t group_index, Instant now) {
  const uint32_t message_index = groups[group_index].message;
  MessageRecord& message = messages[message_index];
  if (message.groups == 1) return;
  std::vector<uint32_t> merged, order, gone;
  const auto append = [&](const GroupRecord& group, std::vector<uint32_t>& to) {
    for (uint32_t i = 0; i < group.count; ++i) to.push_back(message.recipient_at(group.first + i));
  };
  for (uint32_t i = message.first_group; i != kNone; i = groups[i].sibling) {
    GroupRecord& group = groups[i];
    const bool waits = group.state == MessageState::waiting || group.state == MessageState::ready;
    if (i != group_index && waits && may_expire(group) && expiry_due(group) <= now) {
      append(group, merged);
      gone.push_back(i);
    } else if (i != group_index) {
      const auto first = static_cast<uint32_t>(order.size());
      append(group, order);
      group.first = first;
    }
  }
  append(groups[group_index], merged);
  std::ranges::sort(merged);
  groups[group_index].first = static_cast<uint32_t>(order.size());
  groups[group_index].count = static_cast<uint32_t>(merged.size());
  order.insert(order.end(), merged.begin(), merged.end());
  std::ranges::copy(order, message.order.get());
  for (const uint32_t i : gone) {
    const uint32_t destination = groups[i].destination;
    groups[i].count = 0;
    drop_group(i);
    refresh(destination);
  }
}

uint32_t Queue::State::new_group(uint32_t message_index, uint32_t destination, uint32_t first,
                                 uint32_t count) {
  const uint32_t group_index = groups.acquire();
  GroupRecord& group = groups[group_index];
  MessageRecord& message = messages[message_index];
  group.message = message_index;
  group.destination = destination;
  group.first = first;
  group.count = count;
  group.sibling = message.first_group;
  message.first_group = group_index;
  ++message.groups;
  destinations[destination].size_bytes += message.size_bytes;
  link(group_index);
  return group_index;
}

// Takes the group out of everything; the message goes with its last group.
void Queue::State::drop_group(uint32_t group_index) {
  GroupRecord& group = groups[group_index];
  const uint32_t message_index = group.message;
  MessageRecord& message = messages[message_index];
  disarm(group_index);
  unlink(group_index);
  destinations[group.destination].size_bytes -= message.size_bytes;
  uint32_t* link_to = &message.first_group;
  while (*link_to != group_index) link_to = &groups[*link_to].sibling;
  *link_to = group.sibling;
  --message.groups;
  groups.release(group_index);
  if (message.groups == 0) drop_message(message_index);
}

void Queue::State::drop_message(uint32_t message_index) {
  MessageRecord& message = messages[message_index];
  by_id.erase(message.id);
  --totals.messages;
  totals.size_bytes -= message.size_bytes;
  messages.release(message_index);
}

Assignment Queue::State::assignment_of(uint32_t group_index) const {
  const GroupRecord& group = groups[group_index];
  const MessageRecord& message = messages[group.message];
  Assignment assignment;
  assignment.id = message.id;
  assignment.destination = group.destination;
  assignment.group = group_index;
  assignment.generation = group.generation;
  assignment.attempts = group.attempts;
  assignment.size_bytes = message.size_bytes;
  assignment.shared = message.groups > 1;
  assignment.recipients.reserve(group.count);
  for (uint32_t i = 0; i < group.count; ++i) {
    assignment.recipients.push_back(message.recipient_at(group.first + i));
  }
  return assignment;
}

const GroupRecord& Queue::State::in_hand(const Assignment& assignment) const {
  MAILROOT_ASSERT(groups.contains(assignment.group), "an assignment is settled once");
  const GroupRecord& group = groups[assignment.group];
  MAILROOT_ASSERT(group.generation == assignment.generation, "an assignment is settled once");
  MAILROOT_ASSERT(group.state == MessageState::in_transaction, "an assignment is in transaction");
  return group;
}

GroupRecord& Queue::State::in_hand(const Assignment& assignment) {
  return const_cast<GroupRecord&>(std::as_const(*this).in_hand(assignment));
}

}  // namespace mailroot::queue
