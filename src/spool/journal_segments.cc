// The keeper: spare segments made before they are needed, old ones taken up again.
#include <algorithm>
#include <utility>

#include "journal.h"
#include "mailroot/base/assert.h"

namespace mailroot::spool {

using reactor::task;

Segment* Journal::oldest() const {
  if (!kept_.empty()) return kept_.front().get();
  return live_.empty() ? nullptr : live_.front().get();
}

bool Journal::is_oldest(const Segment& segment) const { return oldest() == &segment; }

void Journal::unpin(Segment& segment) {
  MAILROOT_ASSERT(segment.pins > 0, "a pin is released once");
  if (--segment.pins > 0) return;
  if (&segment == active_ || can_retire_oldest()) keeper_wake_.notify_one();
}

// The next spare becomes active; false when there is none.
bool Journal::activate_spare() {
  if (spares_.empty()) {
    if (!std::exchange(wants_segment_, true)) wanted_since_ = reactor_.now();
    keeper_wake_.notify_one();
    return false;
  }
  wants_segment_ = false;
  if (active_ != nullptr && reactor_.now() - active_->activated_at < kSegmentFast) {
    segment_bytes_ = std::min(kSegmentBytesMax, segment_bytes_ * kSegmentGrowth);
  }
  live_.push_back(std::move(spares_.front()));
  spares_.erase(spares_.begin());
  active_ = live_.back().get();
  active_->activated_at = reactor_.now();
  if (live_.size() >= kSegmentsPressure) client_.relieve(*oldest());
  if (can_retire_oldest()) keeper_wake_.notify_one();
  return true;
}

// When the next spare should be made; kNever: not now. Above kSegmentsMax the oldest segments are
// held by what cannot be placed or synced: their number grows slowly, so that nothing waits for
// ever.
Instant Journal::spare_due() const {
  if (state_ != State::working) return kNever;
  // A small one does not end the search for a whole one.
  const bool lacking = lacks_space_ && !closing_;
  if (!spares_.empty() && !lacking) return kNever;
  const bool ahead = !closing_ && active_ != nullptr &&
                     active_->blocks_left() < active_->size_bytes / kBlockSize / 2;
  if (live_.size() < kSegmentsMax) {
    return wants_segment_ || ahead || lacking ? next_make_at_ : kNever;
  }
  return wants_segment_ ? std::max(next_make_at_, wanted_since_ + kReopenInterval) : kNever;
}

// What is asked for now; grows already while a segment fills fast, the spare is made ahead.
uint64_t Journal::next_segment_bytes() const {
  if (active_ == nullptr || reactor_.now() - active_->activated_at >= kSegmentFast) {
    return segment_bytes_;
  }
  return std::clamp(active_->size_bytes * kSegmentGrowth, kSegmentBytesFirst, kSegmentBytesMax);
}

task<result<std::unique_ptr<Segment>>> Journal::create_segment(uint64_t size_bytes) {
  if (live_.size() >= kSegmentsHardMax) co_return fail(Errc::limit);
  auto made = co_await store_.create(size_bytes);
  co_return made;
}

// On a full disk what little is left takes outcomes, when there are any; new mail waits for a whole
// segment.
task<result<std::unique_ptr<Segment>>> Journal::create_some_segment(uint64_t size_bytes,
                                                                    bool small_will_do) {
  auto made = co_await create_segment(size_bytes);
  for (uint64_t small = kSegmentBytesFirst / 2; small_will_do && small >= kSegmentBytesLeast;
       small /= 2) {
    if (made || made.error().code != Errc::no_space) break;
    made = co_await create_segment(small);
  }
  co_return made;
}

void Journal::set_lacks_space(bool lacks) {
  if (std::exchange(lacks_space_, lacks) != lacks) client_.space_is_short(lacks);
}

task<void> Journal::make_spare() {
  const uint64_t size_bytes = lacks_space_ ? kSegmentBytesFirst : next_segment_bytes();
  auto made = co_await create_some_segment(size_bytes, !outcomes_.empty());
  if (made) {
    set_lacks_space((*made)->size_bytes < kSegmentBytesFirst);
    spares_.push_back(std::move(*made));
  } else {
    const bool no_space = made.error().code == Errc::no_space;
    if (!no_space || !lacks_space_) {  // a full disk is said once
      log::Event event(log::Level::error, "journal_segment_failed");
      event.with("home", home_.path).with("size", static_cast<int64_t>(size_bytes));
      event.with("reason", describe(made.error().code)).with("errno", made.error().system_errno);
      log_.write(std::move(event));
    }
    set_lacks_space(no_space);
    if (wants_segment_ && state_ == State::working) refuse_waiting();
  }
  if (!made || lacks_space_) next_make_at_ = reactor_.now() + kFreeCheckInterval;
  writer_wake_.notify_one();
}

// No segment can be made, and none of it was written. What is asked again is told so at once; what
// is not, after some attempts: nobody waits for the disk.
void Journal::refuse_waiting() {
  refuse_reports();
  finish(mail_, CommitResult::refused, nullptr);
  // On a full disk the segment that is active may still have room for outcomes.
  if (outcomes_.empty() && lacks_space_) return;
  if (in_flight_.empty() && (++failures_ >= kFailuresMax || closing_)) give_up();
}

bool Journal::can_retire_oldest() const {
  if (!kept_.empty()) return kept_.front()->pins == 0 && reactor_.now() >= next_retire_at_;
  return !live_.empty() && live_.front().get() != active_ && live_.front()->pins == 0;
}

// Also when it cannot be removed it stays the oldest: what it says must not be heard without what
// came later.
task<void> Journal::retire_kept() {
  const auto removed = co_await store_.remove(*kept_.front());
  if (removed) {
    kept_.pop_front();
    next_make_at_ = reactor_.now();  // it may have been in the way of a whole segment
    co_return;
  }
  next_retire_at_ = reactor_.now() + kReopenInterval;
  log::Event event(log::Level::error, "journal_segment_failed");
  event.with("home", home_.path).with("segment", kept_.front()->kept->name);
  event.with("reason", describe(removed.error().code));
  log_.write(std::move(event));
}

// Oldest first, one at a time: a Done never goes before the Accept it ends.
task<void> Journal::retire_oldest() {
  if (!kept_.empty()) {
    co_await retire_kept();
    co_return;
  }
  std::unique_ptr<Segment> segment = std::move(live_.front());
  live_.pop_front();
  const bool reuse = !segment->abandoned && spares_.empty() && active_ != nullptr &&
                     segment->size_bytes >= std::min(segment_bytes_, next_segment_bytes());
  result<void> outcome{};
  if (reuse) {
    outcome = co_await store_.renew(*segment);
    if (outcome) {
      set_lacks_space(false);
      spares_.push_back(std::move(segment));
      writer_wake_.notify_one();
      co_return;
    }
    ++failures_total_;
  }
  outcome = co_await store_.remove(*segment);
  if (!outcome) {
    log::Event event(log::Level::error, "journal_segment_failed");
    event.with("home", home_.path).with("segment", segment->slot);
    event.with("reason", describe(outcome.error().code));
    log_.write(std::move(event));
  }
}

// A server that had its mail gives the space back; the next message makes a small segment again.
bool Journal::is_idle() const {
  if (state_ != State::working || closing_ || active_ == nullptr || live_.size() > 1) return false;
  if (lacks_space_ || !kept_.empty()) return false;  // others would take it
  return active_->pins == 0 && in_flight_.empty() && outcomes_.empty() && mail_.empty();
}

task<void> Journal::give_space_back() {
  active_ = nullptr;
  segment_bytes_ = kSegmentBytesFirst;
  while (can_retire_oldest()) {
    co_await retire_oldest();
  }
  while (!spares_.empty() && active_ == nullptr) {
    auto spare = std::move(spares_.back());
    spares_.pop_back();
    const auto removed = co_await store_.remove(*spare);
    if (!removed) ++failures_total_;
  }
}

task<void> Journal::run_keeper() {
  while (!(closing_ && writer_ended_)) {
    if (can_retire_oldest()) {
      co_await retire_oldest();
      continue;
    }
    const Instant due = spare_due();
    if (reactor_.now() >= due) {
      co_await make_spare();
      continue;
    }
    const bool pressed = !kept_.empty() || live_.size() >= kSegmentsPressure;
    if (pressed && oldest()->pins > 0) {
      client_.relieve(*oldest());
      if (can_retire_oldest()) continue;
    }
    const Instant idle_at = is_idle() ? last_group_at_ + kIdleJournal : kNever;
    if (reactor_.now() >= idle_at) {
      co_await give_space_back();
      continue;
    }
    reactor::Wait wait;
    wait.deadline = std::min(due, idle_at);
    const bool retires_later = !kept_.empty() && kept_.front()->pins == 0;
    if (retires_later) wait.deadline = std::min(wait.deadline, next_retire_at_);
    co_await keeper_wake_.wait(reactor_, wait);
  }
}

}  // namespace mailroot::spool
