// What an operator sees and does: listings, retry, hold, remove.
#include <algorithm>

#include "mailroot/base/assert.h"
#include "state.h"

namespace mailroot::queue {
namespace {
constexpr uint32_t kSlotsPerPage = 65536;  // free records looked at before a page ends
}

uint32_t Queue::State::find_destination(std::string_view key) const {
  const auto found = by_key.find(key);
  return found == by_key.end() ? kNone : found->second;
}

// The operator knows better: the next connection may be tried now.
void Queue::State::reopen(uint32_t index) {
  DestinationRecord& destination = destinations[index];
  if (!destination.backoff || destination.may_probe) return;
  if (destination.timer != kNone) destination_timers.cancel(destination.timer);
  destination.timer = kNone;
  destination.may_probe = true;
  refresh(index);
}

bool Queue::State::retry_groups(uint32_t message, Instant now) {
  bool any = false;
  uint32_t next = kNone;
  for (uint32_t i = messages[message].first_group; i != kNone; i = next) {
    next = groups[i].sibling;
    const MessageState state = groups[i].state;
    if (state != MessageState::waiting && state != MessageState::ready) continue;
    any = true;
    if (state == MessageState::waiting) make_ready(i, now);
    reopen(groups[i].destination);
  }
  return any;
}

bool Queue::retry_message(const QueueId& id, Moment now) {
  const uint32_t index = state_->by_id.find(id);
  return index != kNone && state_->retry_groups(index, now.at);
}

bool Queue::retry_destination(std::string_view key, Moment now) {
  State& s = *state_;
  const uint32_t index = s.find_destination(key);
  if (index == kNone) return false;
  for (GroupList& waiting = s.destinations[index].list(MessageState::waiting);
       waiting.head != kNone;) {
    s.make_ready(waiting.head, now.at);
  }
  s.reopen(index);
  return true;
}

uint32_t Queue::retry_all(uint32_t cursor, Moment now) {
  State& s = *state_;
  uint32_t seen = 0;
  const uint32_t end = std::min(s.messages.slots(), cursor + kSlotsPerPage);
  for (uint32_t i = cursor; i < end; ++i) {
    if (!s.messages[i].in_use) continue;
    s.retry_groups(i, now.at);
    if (++seen == kPageMax) return i + 1;
  }
  return end == s.messages.slots() ? 0 : end;
}

bool Queue::hold_message(const QueueId& id) {
  State& s = *state_;
  const uint32_t index = s.by_id.find(id);
  if (index == kNone) return false;
  MessageRecord& message = s.messages[index];
  bool any = false;
  for (uint32_t i = message.first_group; i != kNone; i = s.groups[i].sibling) {
    GroupRecord& group = s.groups[i];
    if (group.state != MessageState::waiting && group.state != MessageState::ready) continue;
    any = true;
    s.disarm(i);
    s.set_state(i, MessageState::held);
    for (uint32_t at = 0; at < group.count; ++at) {
      message.letter_of(message.recipient_at(group.first + at)) = kHeld;
    }
    s.refresh(group.destination);
  }
  return any;
}

bool Queue::release_message(const QueueId& id, Moment now) {
  State& s = *state_;
  const uint32_t index = s.by_id.find(id);
  if (index == kNone) return false;
  MessageRecord& message = s.messages[index];
  bool any = false;
  for (uint32_t i = message.first_group; i != kNone; i = s.groups[i].sibling) {
    GroupRecord& group = s.groups[i];
    if (group.state != MessageState::held) continue;
    any = true;
    for (uint32_t at = 0; at < group.count; ++at) {
      message.letter_of(message.recipient_at(group.first + at)) = kWaiting;
    }
    // The time it was held does not count against it: one attempt comes before any expiry.
    group.tried = false;
    s.make_ready(i, now.at);
  }
  return any;
}

bool Queue::hold_destination(std::string_view key, DestinationKind kind) {
  State& s = *state_;
  const uint32_t index = destination(key, kind);
  s.destinations[index].held = true;
  for (uint32_t i = s.destinations[index].list(MessageState::ready).head; i != kNone;
       i = s.groups[i].next) {
    s.disarm(i);
  }
  s.refresh(index);
  return true;
}

void Queue::keep_until_asked(DestinationId id) {
  State& s = *state_;
  if (s.destinations[id].on_request) return;
  s.destinations[id].on_request = true;
  s.destinations[id].held = true;
  s.refresh(id);
}

bool Queue::release_destination(std::string_view key, Moment now) {
  State& s = *state_;
  const uint32_t index = s.find_destination(key);
  if (index == kNone || !s.destinations[index].held) return false;
  s.destinations[index].held = false;
  s.destinations[index].failures = 0;
  for (uint32_t i = s.destinations[index].list(MessageState::ready).head; i != kNone;
       i = s.groups[i].next) {
    s.groups[i].tried = false;
    s.arm(i, now.at);
  }
  s.reopen(index);
  s.refresh(index);
  return true;
}

std::vector<Assignment> Queue::take_message(const QueueId& id) {
  State& s = *state_;
  std::vector<Assignment> taken;
  const uint32_t index = s.by_id.find(id);
  if (index == kNone) return taken;
  const uint32_t first = s.messages[index].first_group;
  for (uint32_t i = first; i != kNone; i = s.groups[i].sibling) {
    if (s.groups[i].state == MessageState::in_transaction) return taken;
  }
  for (uint32_t i = first; i != kNone; i = s.groups[i].sibling) {
    s.disarm(i);
    s.set_state(i, MessageState::in_transaction);
    s.groups[i].with_courier = false;
    s.refresh(s.groups[i].destination);
    taken.push_back(s.assignment_of(i));
  }
  return taken;
}

MessageView Queue::State::view_of(uint32_t index) const {
  const MessageRecord& message = messages[index];
  MessageView view;
  view.id = message.id;
  view.size_bytes = message.size_bytes;
  view.arrived = message.arrived;
  view.attempts = message.attempts;
  view.recipients = message.recipients;
  view.destinations = message.groups;
  view.next_attempt = kNever;
  // in_transaction, ready, waiting, held: the most active of the groups.
  const auto activity = [](MessageState state) {
    constexpr std::array<int, 4> kActivity = {1, 2, 3, 0};
    return kActivity[static_cast<size_t>(state)];
  };
  view.state = MessageState::held;
  for (uint32_t i = message.first_group; i != kNone; i = groups[i].sibling) {
    const GroupRecord& group = groups[i];
    const DestinationRecord& destination = destinations[group.destination];
    view.recipients_open += group.count;
    if (view.destination.empty()) view.destination = destination.key;
    if (activity(group.state) > activity(view.state)) view.state = group.state;
    if (group.state != MessageState::waiting && group.state != MessageState::ready) continue;
    Instant next = group.due;
    if (destination.backoff) next = std::max(next, destination.backoff_until);
    view.next_attempt = std::min(view.next_attempt, next);
  }
  return view;
}

std::optional<MessageView> Queue::show(const QueueId& id) const {
  const uint32_t index = state_->by_id.find(id);
  if (index == kNone) return std::nullopt;
  return state_->view_of(index);
}

Page<MessageView> Queue::list(uint32_t cursor, uint32_t max) const {
  const State& s = *state_;
  Page<MessageView> page;
  const uint32_t end = std::min(s.messages.slots(), cursor + kSlotsPerPage);
  for (uint32_t i = cursor; i < end; ++i) {
    if (!s.messages[i].in_use) continue;
    page.entries.push_back(s.view_of(i));
    if (page.entries.size() < std::min(max, kPageMax)) continue;
    page.next_cursor = i + 1;
    return page;
  }
  page.next_cursor = end == s.messages.slots() ? 0 : end;
  return page;
}

DestinationView Queue::State::view_of_destination(uint32_t index) const {
  const DestinationRecord& destination = destinations[index];
  DestinationView view;
  view.key = destination.key;
  view.kind = destination.kind;
  view.waiting = destination.list(MessageState::waiting).count;
  view.ready = destination.list(MessageState::ready).count;
  view.in_transaction = destination.list(MessageState::in_transaction).count;
  view.held = destination.list(MessageState::held).count;
  view.size_bytes = destination.size_bytes;
  view.connections = destination.connections;
  view.window = destination.kind == DestinationKind::local ? kLocalWindow : destination.window;
  view.failures = destination.failures;
  view.last_error = destination.last_error;
  if (destination.backoff) view.backoff_until = destination.backoff_until;
  if (destination.held) {
    view.state = DestinationState::held;
  } else if (destination.backoff) {
    view.state = DestinationState::backoff;
  } else if (destination.connections > 0) {
    view.state = DestinationState::busy;
  } else if (view.ready > 0) {
    view.state = DestinationState::ready;
  }
  return view;
}

Page<DestinationView> Queue::destinations(uint32_t cursor, uint32_t max) const {
  const State& s = *state_;
  Page<DestinationView> page;
  const uint32_t end = std::min(s.destinations.slots(), cursor + kSlotsPerPage);
  for (uint32_t i = cursor; i < end; ++i) {
    if (!s.destinations[i].in_use) continue;
    page.entries.push_back(s.view_of_destination(i));
    if (page.entries.size() < std::min(max, kPageMax)) continue;
    page.next_cursor = i + 1;
    return page;
  }
  page.next_cursor = end == s.destinations.slots() ? 0 : end;
  return page;
}

QueueCounters Queue::counters() const {
  const State& s = *state_;
  QueueCounters counters = s.totals;
  counters.destinations = s.destinations.size();
  counters.waiting = s.group_count(MessageState::waiting);
  counters.ready = s.group_count(MessageState::ready);
  counters.in_transaction = s.group_count(MessageState::in_transaction);
  counters.held = s.group_count(MessageState::held);
  return counters;
}

}  // namespace mailroot::queue
