// What an attempt did to a message, and what the spool has to store of it.
#include <algorithm>

#include "mailroot/base/assert.h"
#include "state.h"

namespace mailroot::queue {

// One result per recipient of the group, in the group's order (ascending); not_tried for those
// without one.
std::vector<Result> Queue::State::results_in_order(const GroupRecord& group,
                                                   std::span<const RecipientResult> given) const {
  const MessageRecord& message = messages[group.message];
  std::vector<RecipientResult> sorted(given.begin(), given.end());
  std::ranges::sort(sorted, {}, &RecipientResult::recipient);
  std::vector<Result> results(group.count, Result::not_tried);
  size_t next = 0;
  for (uint32_t i = 0; i < group.count && next < sorted.size(); ++i) {
    if (message.recipient_at(group.first + i) != sorted[next].recipient) continue;
    results[i] = sorted[next].result;
    ++next;
  }
  MAILROOT_ASSERT(next == sorted.size(), "results are of recipients in hand, each once");
  return results;
}

Instant Queue::State::next_due(const GroupRecord& group, uint32_t attempts, Instant now) const {
  // A failed DSN could not be stored: soon again, whatever the schedule says.
  if (!group.with_courier) return now + kNoticeRetry;
  const Duration interval = retry_interval(options.schedule, attempts);
  const Duration jitter = retry_jitter(interval, seed, messages[group.message].id, attempts);
  // The last wait ends when the message expires.
  return std::min(now + interval + jitter, std::max(now, expiry_due(group)));
}

StoredState Queue::State::stored(const MessageRecord& message, std::string status,
                                 uint32_t except_group, Instant next, uint32_t attempts,
                                 Moment now) const {
  StoredState state;
  for (uint32_t i = message.first_group; i != kNone; i = groups[i].sibling) {
    if (i == except_group || groups[i].state == MessageState::held) continue;
    next = std::min(next, groups[i].state == MessageState::waiting ? groups[i].due : now.at);
  }
  state.next_attempt = next == kNever ? now.wall : now.wall + (next - now.at);
  state.attempts = std::max(message.attempts, attempts);
  state.delay_notified = message.delay == DelayReport::sent;
  state.done = status.find_first_of("WH") == std::string::npos;
  state.status = std::move(status);
  return state;
}

namespace {

std::string letters_of(const MessageRecord& message) {
  if (message.letters) return {message.letters.get(), message.recipients};
  return std::string(1, message.letter);
}

char letter_after(Result result, char before) {
  if (result == Result::delivered) return kDelivered;
  if (result == Result::bounced) return kBounced;
  return before;
}

bool is_final(Result result) { return result == Result::delivered || result == Result::bounced; }

}  // namespace

StoredState Queue::preview(const Assignment& assignment, std::span<const RecipientResult> given,
                           Moment now) const {
  const State& s = *state_;
  const GroupRecord& group = s.in_hand(assignment);
  const MessageRecord& message = s.messages[group.message];
  const std::vector<Result> results = s.results_in_order(group, given);
  std::string status = letters_of(message);
  for (uint32_t i = 0; i < group.count; ++i) {
    char& letter = status[message.recipient_at(group.first + i)];
    letter = letter_after(results[i], letter);
  }
  const bool was_tried =
      std::ranges::any_of(results, [](Result result) { return result != Result::not_tried; });
  const uint32_t attempts = group.attempts + (was_tried && group.with_courier ? 1 : 0);
  Instant next = kNever;
  if (std::ranges::count(results, Result::not_tried) > 0) {
    next = now.at;
  } else if (std::ranges::count(results, Result::deferred) > 0) {
    next = s.next_due(group, attempts, now.at);
  }
  return s.stored(message, std::move(status), assignment.group, next, attempts, now);
}

// Writes the letters, counts, and closes up the group's range: deferred recipients first, then
// those not tried. Returns how many remain.
uint32_t Queue::State::apply(uint32_t group_index, const std::vector<Result>& results,
                             uint32_t& deferred) {
  GroupRecord& group = groups[group_index];
  MessageRecord& message = messages[group.message];
  std::vector<uint32_t> open, rest;
  for (uint32_t i = 0; i < group.count; ++i) {
    const uint32_t recipient = message.recipient_at(group.first + i);
    char& letter = message.letter_of(recipient);
    letter = letter_after(results[i], letter);
    totals.delivered += results[i] == Result::delivered;
    totals.bounced += results[i] == Result::bounced;
    totals.deferred += results[i] == Result::deferred;
    totals.expired += results[i] == Result::bounced && !group.with_courier;
    if (results[i] == Result::deferred) open.push_back(recipient);
    if (results[i] == Result::not_tried) rest.push_back(recipient);
  }
  deferred = static_cast<uint32_t>(open.size());
  open.insert(open.end(), rest.begin(), rest.end());
  if (message.order) std::ranges::copy(open, message.order.get() + group.first);
  group.count = static_cast<uint32_t>(open.size());
  return group.count;
}

void Queue::State::leave_courier(GroupRecord& group) {
  if (!group.with_courier) return;
  group.with_courier = false;
  DestinationRecord& destination = destinations[group.destination];
  MAILROOT_ASSERT(destination.busy > 0, "every assignment is counted");
  --destination.busy;
}

void Queue::settle(const Assignment& assignment, std::span<const RecipientResult> given,
                   Verdict verdict, std::string_view error, Moment now) {
  State& s = *state_;
  const uint32_t index = assignment.group;
  GroupRecord& group = s.in_hand(assignment);
  const uint32_t destination = group.destination;
  const std::vector<Result> results = s.results_in_order(group, given);
  const bool is_attempt = group.with_courier && std::ranges::any_of(results, [](Result result) {
                            return result != Result::not_tried;
                          });
  uint32_t deferred = 0;
  const uint32_t open = s.apply(index, results, deferred);
  MessageRecord& message = s.messages[group.message];
  if (is_attempt) {
    ++group.attempts;
    message.attempts = std::max(message.attempts, group.attempts);
  }
  const Instant due = deferred > 0 ? s.next_due(group, group.attempts, now.at) : now.at;
  s.leave_courier(group);
  if (verdict == Verdict::worked) s.destination_worked(destination);
  if (verdict == Verdict::failed) s.destination_failed(destination, error, now.at);
  if (deferred > 0) {
    group.tried = true;
    if (message.delay == DelayReport::failed) message.delay = DelayReport::none;
  }
  if (open == 0) {
    s.drop_group(index);
  } else if (deferred == 0) {
    s.make_ready_first(index, now.at);
  } else {
    if (deferred < open) {
      const uint32_t rest =
          s.new_group(group.message, destination, group.first + deferred, open - deferred);
      s.groups[rest].attempts = group.attempts;
      group.count = deferred;
      s.make_ready_first(rest, now.at);
    }
    s.wait_until(index, due, now.at);
  }
  s.refresh(destination);
}

StoredState Queue::preview_part(const Assignment& assignment,
                                std::span<const RecipientResult> given, Moment now) const {
  const State& s = *state_;
  const GroupRecord& group = s.in_hand(assignment);
  const MessageRecord& message = s.messages[group.message];
  std::string status = letters_of(message);
  for (const RecipientResult& one : given) {
    MAILROOT_ASSERT(is_final(one.result), "a part settles what is final");
    status[one.recipient] = letter_after(one.result, status[one.recipient]);
  }
  return s.stored(message, std::move(status), kNone, now.at, group.attempts, now);
}

void Queue::settle_part(Assignment& assignment, std::span<const RecipientResult> given) {
  State& s = *state_;
  const GroupRecord& group = s.in_hand(assignment);
  const std::vector<Result> results = s.results_in_order(group, given);
  uint32_t deferred = 0;
  const uint32_t open = s.apply(assignment.group, results, deferred);
  MAILROOT_ASSERT(deferred == 0, "a part settles what is final");
  MAILROOT_ASSERT(open > 0, "the last part is settled by settle()");
  assignment.recipients = s.assignment_of(assignment.group).recipients;
}

void Queue::forget(const Assignment& assignment) {
  State& s = *state_;
  GroupRecord& group = s.in_hand(assignment);
  const uint32_t destination = group.destination;
  s.leave_courier(group);
  s.drop_group(assignment.group);
  s.refresh(destination);
}

bool Queue::reroute(Assignment& assignment, std::span<const uint32_t> recipients,
                    DestinationId destination, Moment now) {
  State& s = *state_;
  GroupRecord& group = s.in_hand(assignment);
  MessageRecord& message = s.messages[group.message];
  std::vector<uint32_t> moved(recipients.begin(), recipients.end());
  std::ranges::sort(moved);
  std::vector<uint32_t> kept;
  std::ranges::set_difference(assignment.recipients, moved, std::back_inserter(kept));
  MAILROOT_ASSERT(kept.size() + moved.size() == group.count, "recipients moved are in hand");
  if (message.order) {
    std::ranges::copy(kept, message.order.get() + group.first);
    std::ranges::copy(moved, message.order.get() + group.first + kept.size());
  }
  const auto kept_count = static_cast<uint32_t>(kept.size());
  const uint32_t other = s.new_group(group.message, destination, group.first + kept_count,
                                     static_cast<uint32_t>(moved.size()));
  s.groups[other].attempts = group.attempts;
  s.groups[other].tried = group.tried;
  s.make_ready(other, now.at);
  group.count = kept_count;
  assignment.recipients = std::move(kept);
  assignment.shared = true;
  if (kept_count > 0) return false;
  const uint32_t old_destination = group.destination;
  s.leave_courier(group);
  s.drop_group(assignment.group);
  s.refresh(old_destination);
  return true;
}

StoredState Queue::preview_delay(const Notice& notice, Moment now) const {
  const State& s = *state_;
  const uint32_t index = s.by_id.find(notice.assignment.id);
  StoredState state;
  state.done = true;
  if (index == kNone) return state;
  const MessageRecord& message = s.messages[index];
  state = s.stored(message, letters_of(message), kNone, kNever, 0, now);
  state.delay_notified = true;
  return state;
}

void Queue::delay_notified(const Notice& notice) {
  const uint32_t index = state_->by_id.find(notice.assignment.id);
  if (index != kNone) state_->messages[index].delay = DelayReport::sent;
}

void Queue::delay_failed(const Notice& notice) {
  const uint32_t index = state_->by_id.find(notice.assignment.id);
  if (index != kNone) state_->messages[index].delay = DelayReport::failed;
}

std::optional<StoredState> Queue::stored_state(const QueueId& id, Moment now) const {
  const uint32_t index = state_->by_id.find(id);
  if (index == kNone) return std::nullopt;
  const MessageRecord& message = state_->messages[index];
  return state_->stored(message, letters_of(message), kNone, kNever, 0, now);
}

}  // namespace mailroot::queue
