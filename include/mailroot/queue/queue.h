// Queue: which message goes where, when, over how many connections. One per (virtual server,
// shard), on that shard's thread. Pure: it is told the time, events and outcomes, and answers
// "open a connection to there", "send this", "wake me at". It knows neither sockets nor files.
//
// A message is split into groups, one per destination. Each group is
//
//   waiting(until) --due--> ready --take--> in_transaction --settle--> settled (gone)
//        ^                    ^                   | deferred          held: by an operator
//        +--------------------|-------------------+                   (hold_message,
//        hold_destination)
//                             +-- not_tried ------+
//
// How deliver/ uses it, after each event:
//
//   queue.advance(now)
//   while (grant = queue.next_connection(now))  start a courier for grant->destination
//   while (d = queue.next_wake())               wake an idle courier of d
//   while (notice = queue.next_notice())        build the DSN, settle
//   sleep until queue.wake_at()
//   courier:  while (a = queue.take(destination)) { send; settle(a, ...) } connection_closed
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/queue_id.h"
#include "mailroot/base/time.h"
#include "mailroot/queue/limits.h"
#include "mailroot/queue/schedule.h"
#include "mailroot/queue/slots.h"

namespace mailroot::queue {

// Both clocks at one moment. Waits are kept as Instants, so a step of the wall clock moves none of
// them, and no message expires without a failed attempt in this run (decisions 28).
struct Moment {
  Instant at{};
  WallTime wall{};
};

// (virtual server, next hop), interned. Valid while it has mail or connections, else until the
// next advance().
using DestinationId = uint32_t;

// remote: connections, slots, window, backoff. local: Drop; no slots, a fixed window.
enum class DestinationKind : uint8_t { remote, local };

//  Idle -mail-> Ready -slot-> Busy -all done-> Idle
//                 ^             | connection failed (kFailureCohort in a row, or the only one)
//                 |             v
//                 +--probe-- Backoff(until)      one connection probes; success reopens with a
//                                                window of 1 (no herd)
//  Held: by an operator or ETRN; mail is taken, no connection is opened
enum class DestinationState : uint8_t { idle, ready, busy, backoff, held };

enum class MessageState : uint8_t { waiting, ready, in_transaction, held };

// The letters of spool::RecipientStatus.
inline constexpr char kWaiting = 'W';
inline constexpr char kDelivered = 'D';
inline constexpr char kBounced = 'B';
inline constexpr char kHeld = 'H';

struct QueueOptions {
  RetrySchedule schedule;
  uint32_t connections_max = 1000;     // delivery.outbound.connections, process-wide; >= 1
  uint32_t per_destination_max = 100;  // delivery.outbound.per_domain, process-wide; >= 1
};

// A message that has become durable (or was found again at start).
struct Admission {
  QueueId id;
  uint64_t size_bytes = 0;
  WallTime arrived{};
  WallTime expiry_basis{};  // delay and expiry count from here; the epoch: from `arrived`
  WallTime next_attempt{};  // not before; in the past for new mail
  uint32_t attempts = 0;    // so far
  bool delay_notified = false;
  std::string_view status;                      // a letter per recipient; empty = all waiting
  std::span<const DestinationId> destinations;  // per recipient, same order as the envelope
};

// A connection may be opened: the slot is taken. Ends with connection_closed().
struct ConnectionGrant {
  DestinationId destination = 0;
  bool is_probe = false;
};

// A group in the hands of a courier. Ends with settle().
struct Assignment {
  QueueId id;
  DestinationId destination = 0;
  uint32_t group = 0;  // internal, as generation
  uint32_t generation = 0;
  uint32_t attempts = 0;  // before this one
  uint64_t size_bytes = 0;
  bool shared = false;               // the message has other groups: settlements must take turns
  std::vector<uint32_t> recipients;  // indexes into the envelope
};

enum class Result : uint8_t {
  delivered,
  bounced,    // failed, and nobody has to be told any more (the DSN rides in the same settlement)
  deferred,   // waits as the schedule says
  not_tried,  // ready again at once
};

struct RecipientResult {
  uint32_t recipient = 0;
  Result result = Result::deferred;
};

// What the attempt says about the destination itself.
enum class Verdict : uint8_t {
  worked,   // it spoke SMTP, whatever it said about this message
  failed,   // no usable connection: resolve, connect, greeting, lost midway
  unknown,  // nothing was learned (message gone, shutdown, local trouble)
};

// What the spool has to store, as spool::Settlement.
struct StoredState {
  std::string status;
  WallTime next_attempt{};
  uint32_t attempts = 0;
  bool delay_notified = false;
  bool done = false;  // nothing open is left
};

enum class NoticeKind : uint8_t { delayed, expired };

// expired: the assignment is in the caller's hands, to be settled (bounced) like an attempt.
// delayed: the group stays where it is; end it by delay_notified() or delay_failed().
struct Notice {
  NoticeKind kind = NoticeKind::delayed;
  Assignment assignment;
  Instant expires{};       // delayed: when it will be given up
  std::string last_error;  // of the destination, for messages that were never tried
};

struct MessageView {
  QueueId id;
  uint64_t size_bytes = 0;
  WallTime arrived{};
  Instant next_attempt{};  // the earliest; of the destination if that is later
  uint32_t attempts = 0;
  uint32_t recipients_open = 0;
  uint32_t recipients = 0;
  MessageState state = MessageState::waiting;  // the most active of its groups
  std::string destination;                     // key of the first group
  uint32_t destinations = 0;
};

struct DestinationView {
  std::string key;
  DestinationKind kind = DestinationKind::remote;
  DestinationState state = DestinationState::idle;
  uint32_t waiting = 0, ready = 0, in_transaction = 0, held = 0;  // groups
  uint64_t size_bytes = 0;                                        // of their messages
  uint32_t connections = 0, window = 0, failures = 0;
  Instant backoff_until{};
  std::string last_error;
};

// Pages: start with cursor 0, stop when next_cursor is 0. What exists during the whole listing is
// seen exactly once.
template <class View>
struct Page {
  std::vector<View> entries;
  uint32_t next_cursor = 0;
};

struct QueueCounters {
  uint64_t messages = 0, size_bytes = 0;
  uint64_t waiting = 0, ready = 0, in_transaction = 0, held = 0;  // groups
  uint32_t destinations = 0, connections = 0;
  uint64_t delivered = 0, bounced = 0, deferred = 0, expired = 0;  // recipients, since start
};

class Queue {
 public:
  // `slots` outlives the queue. `seed` drives the jitter.
  Queue(QueueOptions options, SlotTable& slots, uint16_t shard, uint64_t seed, Moment now);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // For events from now on; waits already running keep their end.
  void set_options(QueueOptions options);

  DestinationId destination(std::string_view key, DestinationKind kind);
  std::string_view key(DestinationId id) const;
  // False: the id is already queued, or kMessagesMax are. Nothing is then changed.
  bool admit(const Admission& admission, Moment now);

  // Ends waits that are due. Call before the next_ functions; O(1) per event.
  void advance(Moment now);
  std::optional<ConnectionGrant> next_connection(Moment now);
  // A destination that got ready mail while connections of it are idle: wake one of them.
  std::optional<DestinationId> next_wake();
  std::optional<Notice> next_notice();
  // The earliest moment at which advance() may find work; kNever when there is none.
  Instant wake_at() const;

  // The next message for a connection of this destination; nothing: stay idle or close.
  std::optional<Assignment> take(DestinationId destination);
  // Would a take() find something?
  bool has_mail(DestinationId destination) const;
  // Someone else waits for the slot of a connection that has sent `messages`: close it now.
  bool should_yield(DestinationId destination, uint32_t messages) const;
  // Exactly once per grant, after the last settle of that connection.
  void connection_closed(DestinationId destination);
  // The shard owns a slot that another one gave up (SlotFreed). Pump afterwards.
  void slot_freed(std::string_view key);

  // What settle() with the same arguments will make of the message, to be stored first.
  StoredState preview(const Assignment& assignment, std::span<const RecipientResult> results,
                      Moment now) const;
  // Applies results. Recipients not named are not_tried. The assignment is over.
  void settle(const Assignment& assignment, std::span<const RecipientResult> results,
              Verdict verdict, std::string_view error, Moment now);
  // Applies delivered and bounced results in the middle of an assignment, which keeps the rest.
  StoredState preview_part(const Assignment& assignment, std::span<const RecipientResult> results,
                           Moment now) const;
  void settle_part(Assignment& assignment, std::span<const RecipientResult> results);
  // The message no longer exists (removed by the administrator): forgets the whole group.
  void forget(const Assignment& assignment);
  // Moves recipients in hand to where a new configuration sends them; the assignment keeps the
  // rest, and is over if nothing is left (true).
  bool reroute(Assignment& assignment, std::span<const uint32_t> recipients,
               DestinationId destination, Moment now);

  // For a `delayed` notice: what to store, and how it ended.
  StoredState preview_delay(const Notice& notice, Moment now) const;
  void delay_notified(const Notice& notice);
  void delay_failed(const Notice& notice);  // comes again after the next attempt

  // Operator. False: no such message or destination, or nothing of it could be changed. Groups in
  // a transaction are not touched. hold_destination makes the destination if need be.
  bool retry_message(const QueueId& id, Moment now);
  bool retry_destination(std::string_view key, Moment now);
  // One page of all messages; returns the next cursor, 0 at the end.
  uint32_t retry_all(uint32_t cursor, Moment now);
  bool hold_message(const QueueId& id);
  bool release_message(const QueueId& id, Moment now);
  bool hold_destination(std::string_view key, DestinationKind kind);
  bool release_destination(std::string_view key, Moment now);
  // Remote-triggered delivery: held until release_destination, and again when it has no more mail
  // or cannot be reached. Its mail expires like any other. To be said whenever it is interned.
  void keep_until_asked(DestinationId destination);
  // All that is open of a message, also what is held, in the caller's hands: each is to be settled
  // or forgotten. Empty, and nothing changed, if something is in a transaction, or no such message.
  std::vector<Assignment> take_message(const QueueId& id);
  std::optional<StoredState> stored_state(const QueueId& id, Moment now) const;

  std::optional<MessageView> show(const QueueId& id) const;
  Page<MessageView> list(uint32_t cursor, uint32_t max) const;
  Page<DestinationView> destinations(uint32_t cursor, uint32_t max) const;
  QueueCounters counters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mailroot::queue
