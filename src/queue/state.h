// The inside of Queue, in three parts: groups.cc (messages and their groups), destinations.cc
// (window, backoff, round robin, slots) and operator.cc (hold, retry, listings).
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "due_wheel.h"
#include "id_index.h"
#include "mailroot/queue/queue.h"
#include "records.h"

namespace mailroot::queue {

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

struct QueuedNotice {
  NoticeKind kind;
  uint32_t group;
  uint32_t group_generation;
};

struct MessageIds {
  const Pool<MessageRecord>* messages;
  const QueueId& operator()(uint32_t handle) const { return (*messages)[handle].id; }
};

struct Queue::State {
  State(QueueOptions queue_options, SlotTable& slot_table, uint16_t shard_number,
        uint64_t seed_value, Moment now);

  // groups.cc: lists and timers
  void link(uint32_t group);
  void link_first(uint32_t group);
  void unlink(uint32_t group);
  void set_state(uint32_t group, MessageState state);
  void arm(uint32_t group, Instant now);
  void disarm(uint32_t group);
  void on_group_due(uint32_t group, Moment now);
  void make_ready(uint32_t group, Instant now);
  void note_wake(uint32_t destination);
  void make_ready_first(uint32_t group, Instant now);  // before all others
  void wait_until(uint32_t group, Instant due, Instant now);
  uint32_t new_group(uint32_t message, uint32_t destination, uint32_t first, uint32_t count);
  void drop_group(uint32_t group);
  void drop_message(uint32_t message);
  void merge_expired(uint32_t group, Instant now);
  Instant delay_due(const GroupRecord& group) const;
  Instant expiry_due(const GroupRecord& group) const;
  bool may_expire(const GroupRecord& group) const;
  Assignment assignment_of(uint32_t group) const;
  GroupRecord& in_hand(const Assignment& assignment);
  const GroupRecord& in_hand(const Assignment& assignment) const;

  // settle.cc
  std::vector<Result> results_in_order(const GroupRecord& group,
                                       std::span<const RecipientResult> results) const;
  StoredState stored(const MessageRecord& message, std::string status, uint32_t except_group,
                     Instant next, uint32_t attempts, Moment now) const;
  Instant next_due(const GroupRecord& group, uint32_t attempts, Instant now) const;
  uint32_t apply(uint32_t group, const std::vector<Result>& results, uint32_t& deferred);
  void leave_courier(GroupRecord& group);

  // operator.cc
  uint32_t find_destination(std::string_view key) const;
  bool retry_groups(uint32_t message, Instant now);
  void reopen(uint32_t destination);
  uint64_t group_count(MessageState state) const { return by_state[static_cast<size_t>(state)]; }
  MessageView view_of(uint32_t message) const;
  DestinationView view_of_destination(uint32_t destination) const;

  // destinations.cc
  void refresh(uint32_t destination);  // ring, idle list: after every change
  bool wants_connection(const DestinationRecord& destination) const;
  void ring_push(uint32_t destination);
  void ring_remove(uint32_t destination);
  bool take_slots(uint32_t destination, Instant now);
  void give_spares();
  void destination_worked(uint32_t destination);
  void destination_failed(uint32_t destination, std::string_view error, Instant now);
  void enter_backoff(uint32_t destination, Instant now);
  void end_probe(DestinationRecord& destination);
  void leave_backoff(uint32_t destination);
  void forget_idle_destinations();
  std::optional<ConnectionGrant> next_in(GroupList& ring, Moment now);

  QueueOptions options;
  SlotTable& slots;
  uint16_t shard;
  uint64_t seed;

  Pool<MessageRecord> messages;
  Pool<GroupRecord> groups;
  Pool<DestinationRecord> destinations;
  IdIndex<MessageIds> by_id;
  std::unordered_map<std::string, uint32_t, StringHash, std::equal_to<>> by_key;

  DueWheel group_timers;
  DueWheel destination_timers;
  std::deque<QueuedNotice> notices;
  std::vector<uint32_t> wakes;  // destinations for next_wake()

  GroupList remote_ring, local_ring;  // of destinations that want a connection
  GroupList idle_list;                // destinations without mail or connections, oldest first
  uint32_t probing = 0;               // connections to destinations in Backoff
  uint32_t needing_slot = 0;          // destinations at RingPlace::needs_slot
  bool needs_total_slot = false;
  uint32_t spare_total_slots = 0;
  std::vector<uint32_t> with_spares;  // destinations with spare_slots
  Instant slot_retry_at = kNever;

  std::array<uint64_t, 4> by_state{};  // groups
  QueueCounters totals;
  std::vector<uint32_t> due;  // scratch of advance()
};

}  // namespace mailroot::queue
