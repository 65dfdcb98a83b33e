#include "journal.h"

#include <utility>

#include "mailroot/base/assert.h"

namespace mailroot::spool {

using reactor::task;

Journal::Journal(reactor::Reactor& reactor, const Home& home, uint16_t shard, JournalClient& client,
                 log::Sink& log)
    : reactor_(reactor),
      home_(home),
      shard_(shard),
      client_(client),
      log_(log),
      store_(reactor, home, shard) {}

Journal::~Journal() = default;

bool Journal::Submission::await_suspend(std::coroutine_handle<> waiter) {
  ticket_.waiter_ = waiter;
  return journal_.accepts(ticket_);
}

// False: the outcome is known at once.
bool Journal::accepts(Ticket& ticket) {
  if (state_ == State::failed || state_ == State::closed || closing_) {
    ticket.outcome_ = ticket.is_new_mail() ? CommitResult::refused : CommitResult::unknown;
    return false;
  }
  start();
  (ticket.is_new_mail() ? mail_ : outcomes_).push_back(ticket);
  // Through the run queue: what else is ready in this turn joins the same group.
  writer_wake_.notify_one();
  return true;
}

void Journal::start() {
  if (std::exchange(started_, true)) return;
  tasks_.spawn(run_writer());
  tasks_.spawn(run_keeper());
}

task<void> Journal::run_writer() {
  for (;;) {
    const bool all_completed =
        !in_flight_.empty() && in_flight_.front()->completed && in_flight_.back()->completed;
    if (state_ == State::failing && all_completed) {
      co_await handle_failure();
      continue;
    }
    if (state_ == State::failed) {
      if (closing_) break;
      co_await try_again();
      continue;
    }
    const bool has_work = !outcomes_.empty() || !mail_.empty();
    if (closing_ && !has_work && in_flight_.empty()) break;
    if (state_ == State::working && has_work && in_flight_.size() < kGroupsInFlightMax &&
        start_group()) {
      continue;
    }
    co_await writer_wake_.wait(reactor_, {});
  }
  writer_ended_ = true;
  keeper_wake_.notify_all();
}

// Room that only outcomes may take, so that a full disk can still be drained.
uint64_t Journal::new_mail_reserve_blocks() const {
  if (!spares_.empty() || active_ == nullptr) return 0;
  if (active_->size_bytes < kSegmentBytesFirst) return active_->size_bytes / kBlockSize;
  return std::min(kSettleReserveBytes, active_->size_bytes / 4) / kBlockSize;
}

std::unique_ptr<Journal::Group> Journal::take_group() {
  if (free_groups_.empty()) return std::make_unique<Group>();
  auto group = std::move(free_groups_.back());
  free_groups_.pop_back();
  group->completed = group->succeeded = false;
  return group;
}

void Journal::collect(Group& group, Tickets& from, uint64_t blocks_max) {
  while (!from.empty()) {
    Ticket& ticket = from.front();
    const GroupBuilder::Mark before = group.builder.mark();
    if (!ticket.encode(group.builder) || group.builder.blocks() > blocks_max) {
      group.builder.roll_back(before);
      return;
    }
    from.pop_front();
    group.tickets.push_back(ticket);
  }
}

// An outcome that an empty segment cannot take must not hold up those behind it. True: there was
// one.
bool Journal::answer_oversized() {
  if (active_ == nullptr || active_->next_block != 1 || outcomes_.empty()) return false;
  Tickets oversized;
  oversized.push_back(outcomes_.pop_front());
  finish(oversized, CommitResult::unknown, nullptr);
  return true;
}

// A small segment is for outcomes: those that come with a report, which is new mail, wait for a
// whole one.
void Journal::refuse_reports() {
  Tickets refused, waiting;
  while (!outcomes_.empty()) {
    Ticket& ticket = outcomes_.pop_front();
    (ticket.is_asked_again() ? refused : waiting).push_back(ticket);
  }
  while (!waiting.empty()) outcomes_.push_back(waiting.pop_front());
  finish(refused, CommitResult::refused, nullptr);
}

// False: nothing could be started, for want of a segment.
bool Journal::start_group() {
  if (active_ == nullptr && !activate_spare()) return false;
  auto group = take_group();
  for (int attempt = 0; attempt < 2 && group->tickets.empty(); ++attempt) {
    while (active_->size_bytes < kSegmentBytesFirst && !lacks_space_ && activate_spare()) continue;
    const uint64_t left = active_->blocks_left();
    if (active_->size_bytes < kSegmentBytesFirst) refuse_reports();
    group->builder.begin(left);
    collect(*group, outcomes_, left);
    const uint64_t reserve = new_mail_reserve_blocks();
    if (left > reserve) collect(*group, mail_, left - reserve);
    if (group->tickets.empty() && !activate_spare()) break;
  }
  if (group->tickets.empty()) {
    free_groups_.push_back(std::move(group));
    return answer_oversized();
  }
  while (!placed_.empty() && group->builder.add(PlacedRecord{placed_.back()})) placed_.pop_back();
  group->segment = active_;
  group->sequence = next_sequence_++;
  last_group_at_ = reactor_.now();
  ++active_->pins;
  in_flight_.push_back(std::move(group));
  tasks_.spawn(write(*in_flight_.back()));
  if (spare_due() != kNever) keeper_wake_.notify_one();
  return true;
}

task<result<void>> Journal::write_group(Group& group) {
  Segment& segment = *group.segment;
  GroupHeader header;
  header.epoch = home_.epoch;
  header.shard = shard_;
  header.slot = segment.slot;
  header.use = segment.use;
  header.sequence = group.sequence;
  header.durable_through = durable_through_;
  header.first_block = segment.next_block;
  group.place = {segment.next_block, group.builder.head_blocks()};
  const uint64_t blocks = group.builder.blocks();
  MAILROOT_ASSERT(blocks <= segment.blocks_left(), "a group fits its segment");
  segment.next_block += static_cast<uint32_t>(blocks);
  group.bytes = blocks * kBlockSize;
  const std::vector<iovec>& pieces = group.builder.seal(header);
  const Instant began = reactor_.now();
  auto outcome =
      co_await reactor_.write_at(segment.file, pieces, uint64_t{header.first_block} * kBlockSize);
  if (outcome && !segment.direct) {
    outcome = co_await reactor_.sync(segment.file, reactor::SyncKind::data);
  }
  if (outcome) {
    ++groups_written_;
    bytes_written_ += group.bytes;
    commit_times_.add(reactor_.now() - began);
  } else {
    ++failures_total_;
    log::Event event(log::Level::error, "journal_failed");
    event.with("home", home_.path).with("segment", segment.slot);
    event.with("reason", describe(outcome.error().code))
        .with("errno", outcome.error().system_errno);
    log_.write(std::move(event));
  }
  co_return outcome;
}

task<void> Journal::write(Group& group) {
  const auto outcome = co_await write_group(group);
  group.completed = true;
  group.succeeded = outcome.has_value();
  acknowledge_in_order();
  writer_wake_.notify_one();
}

void Journal::acknowledge_in_order() {
  while (!in_flight_.empty() && in_flight_.front()->completed) {
    if (!in_flight_.front()->succeeded) {
      state_ = State::failing;  // also what follows it: the writer goes on when all have ended
      return;
    }
    if (state_ == State::failing) return;
    auto group = std::move(in_flight_.front());
    in_flight_.pop_front();
    durable_through_ = group->sequence;
    failures_ = 0;
    finish(group->tickets, CommitResult::durable, group.get());
    unpin(*group->segment);
    free_groups_.push_back(std::move(group));
  }
}

void Journal::finish(Tickets& tickets, CommitResult outcome, Group* group) {
  while (!tickets.empty()) {
    Ticket& ticket = tickets.pop_front();
    ticket.outcome_ = outcome;
    if (outcome == CommitResult::durable) ticket.made_durable(*group->segment, group->place);
    reactor_.resume_later(ticket.waiter_);
  }
}

task<void> Journal::close() {
  closing_ = true;
  writer_wake_.notify_all();
  keeper_wake_.notify_all();
  co_await tasks_.join();
  state_ = State::closed;
  bool keep = false;
  for (auto* const segments : {&kept_, &live_}) {
    for (const auto& segment : *segments) keep = keep || segment->pins > 0;
  }
  for (auto* const segments : {&kept_, &live_}) {
    for (auto& segment : *segments) {
      if (keep) {
        if (segment->file != reactor::kNoDescriptor) {
          co_await reactor_.close_now(segment->file);
        }
        continue;
      }
      const auto removed = co_await store_.remove(*segment);
      keep = !removed;  // and what is newer: it may hold the end of what this one began
    }
    segments->clear();
  }
  for (auto& spare : spares_) {
    co_await store_.remove(*spare);
  }
  spares_.clear();
  active_ = nullptr;
  co_await store_.close();
}

}  // namespace mailroot::spool
