// The parts of PickupReader. Private to receive/.
//
//   candidates --take()--> carry: claim, read --turn--> commit --> remove --turn--> to the queue
//
// Files are read side by side; they are committed and handed to the queue one after the other, in
// the order in which they were taken.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "mailroot/reactor/name_watch.h"
#include "mailroot/receive/pickup.h"
#include "pickup_candidates.h"
#include "pickup_file.h"

namespace mailroot::receive {

// A claimed file that has been read into a draft.
struct PreparedPickup {
  std::unique_ptr<spool::Draft> draft;
  smtp::Envelope envelope;
};

// A message of a file, durable and not yet the queue's.
struct CommittedPickup {
  QueueId id;
  smtp::Envelope envelope;
  spool::MessageTimes times;
  uint64_t size_bytes = 0;
  Duration commit_time{};
};

struct PickupReader::Impl {
  Impl(reactor::Reactor& own_reactor, Service& own_service, const spool::Home& own_home);

  // A file in Pickup/cur that is not to be read again.
  struct Held {
    uint64_t inode = 0;
    bool taken = false;  // is only to be removed
  };

  // pickup.cc
  reactor::task<void> run(reactor::CancelScope& scope);
  void watch_directories(reactor::NameWatch& watch);
  void hear(reactor::NameWatch& watch);
  bool may_take() const;
  bool is_resting() const { return reactor.now() < rest_until; }
  Instant next_wake(bool may_take_now) const;
  reactor::Descriptor directory_of(PickupPlace place) const;
  reactor::task<void> look_at_everything(reactor::NameWatch& watch);
  reactor::task<result<void>> look_in(PickupPlace place);
  reactor::task<void> look_at_names(reactor::NameWatch& watch);
  reactor::task<void> look_at(PickupKey key);
  reactor::task<void> remove_held(std::string entry, uint64_t inode);
  void start_ready(reactor::CancelScope& scope);
  reactor::task<void> run_syncer();

  // pickup_carry.cc
  reactor::task<void> carry(PickupFound file, uint64_t turn, reactor::CancelScope& scope);
  reactor::task<PickupVerdict> carry_claimed(PickupFound& file, std::unique_ptr<spool::Draft> draft,
                                             std::string entry, uint64_t turn,
                                             reactor::CancelScope& scope);
  reactor::task<bool> is_readable(const PickupFound& file);
  reactor::task<bool> claim(PickupFound& file, std::string entry);
  reactor::task<void> finish(PickupFound file, PickupVerdict verdict);
  reactor::task<void> remove(std::string entry, uint64_t inode);
  reactor::task<void> until_commit_turn(uint64_t turn);
  reactor::task<void> until_queue_turn(uint64_t turn);
  void hand_over(const CommittedPickup& message, const std::string& name);
  void rest(const std::string& name, const std::string& reason);
  void tell(const std::string& name, const std::string& reason, bool always);

  // pickup_store.cc
  reactor::task<PickupVerdict> examine(std::string entry, std::unique_ptr<spool::Draft> draft,
                                       PreparedPickup& prepared);
  reactor::task<PickupVerdict> store(reactor::Descriptor file, reactor::FileStatus status,
                                     ReadPickup parsed, PreparedPickup& prepared);
  std::string fields_on_top(const QueueId& id, const ReadPickup& parsed) const;
  reactor::task<PickupVerdict> commit(PreparedPickup prepared, CommittedPickup& message);

  // pickup_badmail.cc
  reactor::task<result<void>> to_badmail(std::string entry, std::string name, std::string reason);
  reactor::task<result<void>> write_reason(std::string name, std::string text);

  reactor::Reactor& reactor;
  Service& service;
  const spool::Home& home;

  PickupCandidates candidates;
  std::map<std::string, Held> held;  // by entry in Pickup/cur
  std::set<std::string> in_hand;     // entries in Pickup/cur that are on their way
  bool is_watching = false;
  bool must_scan = true;
  uint32_t torn_looks = 0;  // in a row, during which events were lost
  Instant next_scan{};
  bool is_scan_in_trouble = false;  // said once

  reactor::TaskGroup carriers;
  reactor::Event news;       // something to do: events, a place among the carriers
  reactor::Event moved;      // a turn has come
  uint64_t next_turn = 0;    // of the next file
  uint64_t commit_turn = 0;  // may begin its commit
  uint64_t queue_turn = 0;   // may go to the queue

  uint32_t troubles = 0;                // rests in a row
  Instant rest_until{};                 // nothing is taken before
  std::set<reactor::Descriptor> dirty;  // directories changed since they were synced
  bool is_syncing = false;
  Instant synced_at{};
  reactor::TaskGroup syncing;
};

}  // namespace mailroot::receive
