// When the disk says no: after a failed write or sync nothing is tried on that file again (the
// kernel may have dropped the pages and the next call would lie). A session hears 451 only once a
// durable Void says that its group never happened (decisions.md 18).
#include <utility>

#include "journal.h"

namespace mailroot::spool {

using reactor::task;

void Journal::abandon(Segment& segment) {
  segment.abandoned = true;
  if (active_ == &segment) active_ = nullptr;
}

task<result<Segment*>> Journal::fresh_segment() {
  if (!activate_spare()) {
    wants_segment_ = false;
    auto made = co_await create_some_segment(kSegmentBytesFirst, true);
    if (!made) co_return std::unexpected(made.error());
    spares_.insert(spares_.begin(), std::move(*made));
    activate_spare();
  }
  co_return active_;
}

// Every group in flight has ended; the first of them did not succeed.
task<void> Journal::handle_failure() {
  Tickets refused, repeated;
  if (lost_.first_sequence == 0) lost_.first_sequence = in_flight_.front()->sequence;
  lost_.last_sequence = in_flight_.back()->sequence;
  while (!in_flight_.empty()) {
    auto group = std::move(in_flight_.front());
    in_flight_.pop_front();
    while (!group->tickets.empty()) {
      Ticket& ticket = group->tickets.pop_front();
      (ticket.is_new_mail() ? refused : repeated).push_back(ticket);
    }
    abandon(*group->segment);
    unpin(*group->segment);
    free_groups_.push_back(std::move(group));
  }
  while (++failures_ < kFailuresMax) {
    const bool written = co_await write_void(repeated);
    if (!written) continue;
    finish(refused, CommitResult::refused, nullptr);
    state_ = State::working;
    // What did not fit beside the Void goes first.
    while (!outcomes_.empty()) repeated.push_back(outcomes_.pop_front());
    while (!repeated.empty()) outcomes_.push_back(repeated.pop_front());
    co_return;
  }
  finish(refused, CommitResult::unknown, nullptr);
  finish(repeated, CommitResult::unknown, nullptr);
  give_up();
}

// One group in a fresh segment: the Void, then as many outcomes as fit; those are finished.
task<bool> Journal::write_void(Tickets& repeated) {
  auto segment = co_await fresh_segment();
  if (!segment) {
    ++failures_total_;
    co_return false;
  }
  auto group = take_group();
  group->builder.begin((*segment)->blocks_left());
  const bool added = group->builder.add(lost_);
  MAILROOT_ASSERT(added, "an empty group holds a Void");
  collect(*group, repeated, (*segment)->blocks_left());
  group->segment = *segment;
  group->sequence = next_sequence_++;
  ++(*segment)->pins;
  const auto outcome = co_await write_group(*group);
  if (outcome) {
    durable_through_ = group->sequence;
    lost_ = {};
    finish(group->tickets, CommitResult::durable, group.get());
  } else {
    lost_.last_sequence = group->sequence;
    abandon(*group->segment);
    while (!group->tickets.empty()) repeated.push_back(group->tickets.pop_front());
  }
  unpin(*group->segment);
  const bool written = outcome.has_value();
  free_groups_.push_back(std::move(group));
  co_return written;
}

void Journal::give_up() {
  state_ = State::failed;
  finish(outcomes_, CommitResult::unknown, nullptr);
  finish(mail_, CommitResult::refused, nullptr);
  log::Event event(log::Level::error, "journal_given_up");
  event.with("home", home_.path).with("failures", failures_);
  log_.write(std::move(event));
}

task<void> Journal::try_again() {
  reactor::Wait wait;
  wait.deadline = reactor_.now() + kReopenInterval;
  co_await writer_wake_.wait(reactor_, wait);
  if (closing_ || reactor_.now() < wait.deadline) co_return;
  bool works = false;
  if (lost_.first_sequence != 0) {
    Tickets none;
    works = co_await write_void(none);
  } else {
    const auto segment = co_await fresh_segment();
    works = segment.has_value();
  }
  if (!works) co_return;
  failures_ = 0;
  set_lacks_space(active_ != nullptr && active_->size_bytes < kSegmentBytesFirst);
  state_ = State::working;
  log::Event event(log::Level::warning, "journal_works_again");
  event.with("home", home_.path);
  log_.write(std::move(event));
  client_.journal_works_again();
}

}  // namespace mailroot::spool
