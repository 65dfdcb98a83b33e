// The journal of one (home, shard): group commit into segments. While a group is being written the
// next one collects, so the disk's latency is the batching window; no timer. Private to spool/.
//
//   submit -> waiting -> group (at most two in flight, acknowledged in order) -> durable
//                           | write or sync error
//                           v
//     segment abandoned -> Void for its unacknowledged groups, durable in a fresh segment
//                           | three failures in a row      -> new mail `refused`, outcomes
//                           `durable`
//                           v
//                        failed: new mail refused, outcomes `unknown`; tried again every 5 s
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "limits.h"
#include "mailroot/base/histogram.h"
#include "mailroot/base/log.h"
#include "mailroot/reactor/reactor.h"
#include "ticket.h"

namespace mailroot::spool {

// What the journal asks of the spool it serves.
class JournalClient {
 public:
  // Segments run short: whatever pins the oldest should be placed and synced.
  virtual void relieve(Segment& oldest) = 0;
  // No segment can be made for want of space; false: one was made again.
  virtual void space_is_short(bool is_short) = 0;
  // Writing works again after state failed.
  virtual void journal_works_again() = 0;

 protected:
  ~JournalClient() = default;
};

class Journal {
 public:
  Journal(reactor::Reactor& reactor, const Home& home, uint16_t shard, JournalClient& client,
          log::Sink& log);
  ~Journal();

  // Waits until the ticket's fate is known: ticket.outcome().
  class [[nodiscard]] Submission {
   public:
    Submission(Journal& journal, Ticket& ticket) : journal_(journal), ticket_(ticket) {}
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> waiter);
    CommitResult await_resume() const { return ticket_.outcome(); }

   private:
    Journal& journal_;
    Ticket& ticket_;
  };
  Submission submit(Ticket& ticket) { return Submission(*this, ticket); }
  // Before anything is submitted: segments of an earlier start, oldest first, each with its pins.
  // They are older than any other, so what is recorded from now on outlives them.
  void adopt(std::deque<std::unique_ptr<Segment>> kept) { kept_ = std::move(kept); }
  // Starts what removes them; without it they wait for the first ticket.
  void start();
  // Rides with the next group; nothing waits for it and losing it is harmless.
  void note_placed(const QueueId& id) { placed_.push_back(id); }

  void unpin(Segment& segment);
  bool has_failed() const { return state_ == State::failed; }
  bool lacks_space() const { return lacks_space_; }  // no further segment can be made
  bool is_oldest(const Segment& segment) const;
  uint64_t groups() const { return groups_written_; }
  uint64_t bytes_written() const { return bytes_written_; }
  const Histogram& commit_times() const { return commit_times_; }
  uint64_t failures() const { return failures_total_; }

  // Ends the writer. Removes the segments unless something still pins one: recovery reads those.
  reactor::task<void> close();

 private:
  enum class State : uint8_t { working, failing, failed, closed };
  using Tickets = IntrusiveList<Ticket>;
  struct Group {
    GroupBuilder builder;
    Tickets tickets;
    Segment* segment = nullptr;
    GroupPlace place;
    uint64_t sequence = 0;
    uint64_t bytes = 0;
    bool completed = false;
    bool succeeded = false;
  };

  bool accepts(Ticket& ticket);
  reactor::task<void> run_writer();
  reactor::task<void> run_keeper();
  bool start_group();
  void collect(Group& group, Tickets& from, uint64_t blocks_max);
  reactor::task<void> write(Group& group);
  reactor::task<result<void>> write_group(Group& group);
  void acknowledge_in_order();
  // `group`: for durable.
  void finish(Tickets& tickets, CommitResult outcome, Group* group);

  reactor::task<void> handle_failure();
  reactor::task<bool> write_void(Tickets& repeated);
  void give_up();
  reactor::task<void> try_again();
  reactor::task<result<Segment*>> fresh_segment();
  void abandon(Segment& segment);

  bool activate_spare();
  Instant spare_due() const;
  reactor::task<result<std::unique_ptr<Segment>>> create_segment(uint64_t size_bytes);
  reactor::task<result<std::unique_ptr<Segment>>> create_some_segment(uint64_t size_bytes,
                                                                      bool small_will_do);
  uint64_t next_segment_bytes() const;
  reactor::task<void> make_spare();
  void set_lacks_space(bool lacks);
  void refuse_waiting();
  bool answer_oversized();
  void refuse_reports();
  Segment* oldest() const;
  bool can_retire_oldest() const;
  bool is_idle() const;
  reactor::task<void> give_space_back();
  reactor::task<void> retire_oldest();
  reactor::task<void> retire_kept();
  uint64_t new_mail_reserve_blocks() const;
  std::unique_ptr<Group> take_group();

  reactor::Reactor& reactor_;
  const Home& home_;
  const uint16_t shard_;
  JournalClient& client_;
  log::Sink& log_;
  SegmentStore store_;

  State state_ = State::working;
  bool started_ = false, closing_ = false, writer_ended_ = false;
  bool wants_segment_ = false;  // the writer waits for one ...
  Instant wanted_since_{};      // ... since then
  bool lacks_space_ = false;
  Tickets outcomes_, mail_;
  std::vector<QueueId> placed_;
  std::deque<std::unique_ptr<Group>> in_flight_;
  std::vector<std::unique_ptr<Group>> free_groups_;

  std::deque<std::unique_ptr<Segment>> kept_;  // of an earlier start; older than these:
  std::deque<std::unique_ptr<Segment>> live_;  // oldest first; the last may be active
  std::vector<std::unique_ptr<Segment>> spares_;
  Segment* active_ = nullptr;
  uint64_t segment_bytes_ = kSegmentBytesFirst;
  Instant next_make_at_{};
  Instant next_retire_at_{};  // of a kept one that could not be removed
  Instant last_group_at_{};

  uint64_t next_sequence_ = 1;
  uint64_t durable_through_ = 0;
  VoidRecord lost_{};  // groups to be voided: sequence 0 when none
  uint32_t failures_ = 0;
  uint64_t failures_total_ = 0, groups_written_ = 0, bytes_written_ = 0;
  Histogram commit_times_{kLatencyBounds};

  reactor::Event writer_wake_, keeper_wake_;
  reactor::TaskGroup tasks_;
};

}  // namespace mailroot::spool
