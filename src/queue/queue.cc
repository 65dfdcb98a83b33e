// The queue's front: admission, the passing of time, notices.
#include <algorithm>
#include <utility>

#include "mailroot/base/assert.h"
#include "state.h"

namespace mailroot::queue {

Queue::Queue(QueueOptions options, SlotTable& slots, uint16_t shard, uint64_t seed, Moment now)
    : state_(std::make_unique<State>(std::move(options), slots, shard, seed, now)) {}

Queue::~Queue() {
  state_->give_spares();
  if (state_->needs_total_slot) state_->slots.stop_waiting(state_->shard, kAllDestinations);
  for (uint32_t i = 0; i < state_->destinations.slots(); ++i) {
    const DestinationRecord& destination = state_->destinations[i];
    if (destination.place != RingPlace::needs_slot) continue;
    state_->slots.stop_waiting(state_->shard, destination.key);
  }
}

void Queue::set_options(QueueOptions options) { state_->options = std::move(options); }

namespace {

// Recipient indexes of open recipients, grouped by destination in order of first appearance.
struct Split {
  struct Part {
    DestinationId destination;
    bool held;
    uint32_t first, count;
  };
  std::vector<uint32_t> order;
  std::vector<Part> parts;
};

// What is neither settled nor held is to be tried: also a recipient that failed while the report on
// it could not be stored.
char letter_of(const Admission& admission, uint32_t recipient) {
  if (admission.status.empty()) return kWaiting;
  const char letter = admission.status[recipient];
  const bool is_known = letter == kDelivered || letter == kBounced || letter == kHeld;
  return is_known ? letter : kWaiting;
}

Split split_by_destination(const Admission& admission) {
  Split split;
  for (uint32_t i = 0; i < admission.destinations.size(); ++i) {
    const char letter = letter_of(admission, i);
    if (letter == kWaiting || letter == kHeld) split.order.push_back(i);
  }
  const auto part_of = [&](uint32_t recipient) {
    return std::pair(admission.destinations[recipient], letter_of(admission, recipient) == kHeld);
  };
  std::ranges::sort(split.order, {},
                    [&](uint32_t recipient) { return std::pair(part_of(recipient), recipient); });
  for (uint32_t i = 0; i < split.order.size(); ++i) {
    const auto [destination, held] = part_of(split.order[i]);
    const bool same = !split.parts.empty() && split.parts.back().destination == destination &&
                      split.parts.back().held == held;
    if (!same) split.parts.push_back({destination, held, i, 0});
    ++split.parts.back().count;
  }
  return split;
}

}  // namespace

bool Queue::admit(const Admission& admission, Moment now) {
  State& s = *state_;
  const auto recipients = static_cast<uint32_t>(admission.destinations.size());
  MAILROOT_ASSERT(admission.status.empty() || admission.status.size() == recipients,
                  "a letter per recipient");
  MAILROOT_ASSERT(recipients <= kRecipientsMax, "recipients of a message are limited at RCPT");
  if (s.messages.size() >= kMessagesMax || s.by_id.find(admission.id) != kNone) return false;
  const Split split = split_by_destination(admission);
  if (split.order.empty()) return false;

  const uint32_t index = s.messages.acquire();
  MessageRecord& message = s.messages[index];
  message.id = admission.id;
  message.size_bytes = admission.size_bytes;
  message.arrived = admission.arrived;
  // A clock that was set back since gives no negative age.
  const bool has_basis = admission.expiry_basis != WallTime{};
  const WallTime basis = has_basis ? admission.expiry_basis : admission.arrived;
  message.counts_from = now.at - std::max(Duration(0), now.wall - basis);
  message.recipients = recipients;
  message.attempts = admission.attempts;
  if (admission.delay_notified) message.delay = DelayReport::sent;
  if (recipients > 1) {
    message.order = std::make_unique<uint32_t[]>(split.order.size());
    std::ranges::copy(split.order, message.order.get());
    message.letters = std::make_unique<char[]>(recipients);
    for (uint32_t i = 0; i < recipients; ++i) {
      message.letters[i] = letter_of(admission, i);
    }
  } else {
    message.letter = letter_of(admission, 0);
  }
  s.by_id.insert(message.id, index);
  ++s.totals.messages;
  s.totals.size_bytes += message.size_bytes;

  // A stored time is of the wall clock: a step of it must not make a wait longer than any
  // interval of the schedule.
  const RetrySchedule& schedule = s.options.schedule;
  const Duration longest =
      std::max(std::ranges::max(schedule.retry_intervals), schedule.quick_retries_interval);
  const Duration wait = std::min(admission.next_attempt - now.wall, longest);
  for (const Split::Part& part : split.parts) {
    const uint32_t group = s.new_group(index, part.destination, part.first, part.count);
    s.groups[group].attempts = admission.attempts;
    if (part.held) {
      s.set_state(group, MessageState::held);
      s.refresh(part.destination);
    } else if (wait > Duration(0)) {
      s.wait_until(group, now.at + wait, now.at);
    } else {
      s.make_ready(group, now.at);
    }
  }
  return true;
}

void Queue::advance(Moment now) {
  State& s = *state_;
  s.due.clear();
  s.destination_timers.advance(now.at, s.due);
  for (const uint32_t index : s.due) {
    DestinationRecord& destination = s.destinations[index];
    destination.timer = kNone;
    destination.may_probe = true;
    s.refresh(index);
  }
  s.due.clear();
  s.group_timers.advance(now.at, s.due);
  for (const uint32_t index : s.due) s.groups[index].timer = kNone;
  // An earlier one may take a later one away (merge_expired).
  for (const uint32_t index : s.due) {
    if (s.groups.contains(index)) s.on_group_due(index, now);
  }
  if (now.at >= s.slot_retry_at) {
    s.slot_retry_at = kNever;
    s.needs_total_slot = false;
    for (uint32_t i = 0; s.needing_slot > 0 && i < s.destinations.slots(); ++i) {
      if (s.destinations[i].place != RingPlace::needs_slot) continue;
      s.destinations[i].place = RingPlace::none;
      --s.needing_slot;
      s.refresh(i);
    }
  }
  s.forget_idle_destinations();
}

Instant Queue::wake_at() const {
  const State& s = *state_;
  return std::min(
      {s.group_timers.next_deadline(), s.destination_timers.next_deadline(), s.slot_retry_at});
}

std::optional<Notice> Queue::next_notice() {
  State& s = *state_;
  while (!s.notices.empty()) {
    const QueuedNotice queued = s.notices.front();
    s.notices.pop_front();
    if (!s.groups.contains(queued.group)) continue;
    const GroupRecord& group = s.groups[queued.group];
    if (group.generation != queued.group_generation) continue;
    Notice notice;
    notice.kind = queued.kind;
    notice.assignment = s.assignment_of(queued.group);
    notice.last_error = s.destinations[group.destination].last_error;
    notice.expires = s.expiry_due(group);
    if (queued.kind == NoticeKind::expired) return notice;
    // All open recipients whose mail is late are told of at once.
    const MessageRecord& message = s.messages[group.message];
    notice.assignment.recipients.clear();
    for (uint32_t i = message.first_group; i != kNone; i = s.groups[i].sibling) {
      const GroupRecord& other = s.groups[i];
      const bool waits = other.state == MessageState::waiting || other.state == MessageState::ready;
      if (!waits || !s.may_expire(other)) continue;
      notice.expires = std::min(notice.expires, s.expiry_due(other));
      for (uint32_t at = 0; at < other.count; ++at) {
        notice.assignment.recipients.push_back(message.recipient_at(other.first + at));
      }
    }
    std::ranges::sort(notice.assignment.recipients);
    if (!notice.assignment.recipients.empty()) return notice;
    delay_failed(notice);  // all of it is being tried right now
  }
  return std::nullopt;
}

}  // namespace mailroot::queue
