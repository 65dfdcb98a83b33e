// Spool: makes messages durable and keeps them until they are settled. One per (virtual server,
// shard), on that shard's thread. A commit is durable when it returns `durable`: only then 250.
//
//   Draft --commit--> hot (journal + memory) --place--> placed (Queue file) --settle--> gone
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mailroot/base/histogram.h"
#include "mailroot/base/log.h"
#include "mailroot/base/queue_id.h"
#include "mailroot/base/slab_pool.h"
#include "mailroot/base/time.h"
#include "mailroot/message/queue_file.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/smtp/content.h"
#include "mailroot/smtp/envelope.h"
#include "mailroot/spool/home.h"

namespace mailroot::spool {

struct SpoolOptions {
  Duration materialise_after = std::chrono::seconds(2);  // 0: a Queue file before each 250
  uint64_t free_min_bytes = 256 * kMiB;                  // below: 452 4.3.1 at MAIL
  uint64_t journal_body_max_bytes = 256 * kKiB;          // larger bodies stream to a Queue file
  bool scrub = false;                                    // truncate recycled files
};

struct DropRules {
  bool flat = false;         // Drop/<id>.eml instead of Drop/new/<id>.eml
  uint64_t quota_bytes = 0;  // of all files in Drop; 0 = unlimited
};

// One letter a recipient, overwritten in place in the Queue file. `failed` keeps a message in the
// queue; only delivered and bounced are settled.
using RecipientStatus = message::RecipientStatus;

struct MessageTimes {
  WallTime arrived{};
  WallTime next_attempt{};  // meaning only while waiting
  uint32_t attempts = 0;
  bool delay_notified = false;
  WallTime expiry_basis{};  // expiry counts from here; the epoch: from `arrived`
};

// Content of a message for whoever sends it: views into memory, or windows read from its file.
class Content {
 public:
  virtual ~Content() = default;
  virtual uint64_t size_bytes() const = 0;
  // The next window, empty at the end; valid until the next call. rewind() begins anew.
  virtual reactor::task<result<std::vector<ByteView>>> next() = 0;
  virtual void rewind() = 0;
};

struct LoadedMessage {
  QueueId id;
  smtp::Envelope envelope;  // recipients in their fixed order
  std::string status;       // RecipientStatus letters, one a recipient
  MessageTimes times;
  std::unique_ptr<Content> content;
  uint64_t size_bytes = 0;     // of the content
  smtp::ContentTraits traits;  // of the whole content
  std::string origin;          // where it came from, printable
  std::string last_reply;      // of the newest deferral
};

// A message being received; nothing is promised. Dropping it forgets it (a temporary file returns
// to the pool). Belongs to one session.
class Draft {
 public:
  virtual ~Draft() = default;
  virtual QueueId id() const = 0;
  // False: the slab budget is spent, or a write failed; the message cannot be taken (452 4.3.1 or
  // 451 4.3.0, see failure()).
  [[nodiscard]] virtual bool append(ByteView bytes) = 0;
  // True: call flush() before appending more (large bodies stream to a file, memory is bounded).
  virtual bool wants_flush() const = 0;
  virtual reactor::task<result<void>> flush() = 0;
  virtual uint64_t size_bytes() const = 0;
  virtual std::optional<Error> failure() const = 0;
  // Room for the envelope block of a streamed file. Call it before the first append when there may
  // be more than about a hundred recipients: without it such a file is written twice.
  virtual void expect_envelope(const smtp::Envelope& envelope) { static_cast<void>(envelope); }
  // "[192.0.2.7] client.example.com", for the Queue file and the operator.
  virtual void set_origin(std::string origin) { static_cast<void>(origin); }
};

enum class CommitResult : uint8_t {
  durable,  // answer 250
  refused,  // not stored, and a durable Void says so (or nothing was written): answer 451 4.3.0
  unknown,  // may or may not be on disk: close without a reply (decisions 18)
};

// What a recipient's letter becomes and what the message waits for now.
struct Settlement {
  QueueId id;
  std::string status;  // all letters
  MessageTimes times;
  bool done = false;       // every recipient is settled: forget the message
  std::string last_reply;  // of the newest deferral; empty keeps what was there
};

struct SpoolCounters {
  uint64_t hot = 0, placed = 0, committed = 0, groups = 0, bytes_written = 0, failures = 0;
  uint64_t materialised = 0, set_aside = 0;
  Histogram commit{kLatencyBounds};  // of a group: written and synced
};

class Spool {
 public:
  virtual ~Spool() = default;

  // Nothing when mail can be taken now, else the whole reply ("452 4.3.1 ...", "421 4.3.2 ...").
  virtual std::optional<std::string> refusal() const = 0;
  virtual std::unique_ptr<Draft> begin_draft() = 0;
  virtual reactor::task<CommitResult> commit(std::unique_ptr<Draft> draft, smtp::Envelope envelope,
                                             MessageTimes times) = 0;

  // For an attempt. A placed message's file is opened and verified anew: not_found = removed by
  // the administrator (forgotten), corrupt = set aside with the reason (decisions 23).
  virtual reactor::task<result<LoadedMessage>> load(QueueId id) = 0;

  // Records outcomes. Messages caused by this settlement (DSNs) ride in the same group before it:
  // a torn group can repeat a DSN, never lose one (invariant I3). On `durable` the DSN drafts are
  // messages of their own. Otherwise: without `caused` the outcome is kept in memory and written
  // when the disk works again, so the caller goes on; with `caused` the message waits as before and
  // the caller settles it again at a later attempt (after `unknown` and a crash both may be found
  // settled: a DSN can be repeated, never lost).
  struct Caused {
    std::unique_ptr<Draft> draft;
    smtp::Envelope envelope;
    MessageTimes times;
  };
  virtual reactor::task<CommitResult> settle(Settlement settlement, std::vector<Caused> caused) = 0;

  // Writes the message into Badmail/new beside a readable `<id>.reason`; durable when it returns.
  // The caller settles afterwards.
  virtual reactor::task<result<void>> to_badmail(QueueId id, std::string reason) = 0;
  // Writes the message for `recipients` (indexes) into Drop with x-sender, x-receiver (as IIS wrote
  // them) and `trace` (Return-Path) on top; synced when it returns. Repeating it for the same id
  // overwrites, so a crash between this and settle leaves no second copy. limit: Drop is full.
  virtual reactor::task<result<void>> to_drop(LoadedMessage& message,
                                              std::vector<size_t> recipients, std::string trace,
                                              DropRules rules) = 0;

  // Lists Queue/new and Queue/cur and reports each message of this shard, in the background; shard
  // 0 first those that recovery left in the old segments.
  virtual reactor::task<void> scan(
      std::function<void(const LoadedMessage& header_without_content)> found) = 0;

  // Settings that a reload changed; drop_flat and the body sizes stay what they were.
  virtual void use(const SpoolOptions& options) { static_cast<void>(options); }

  // Orderly end: places all hot mail, syncs, closes the journal.
  virtual reactor::task<void> close() = 0;
  virtual SpoolCounters counters() const = 0;
};

struct RecoveryReport {
  uint64_t segments = 0, groups = 0, messages = 0, placed = 0, settled = 0, corrupt_groups = 0;
  uint64_t kept = 0;                  // messages that stay in the old segments: the disk is full
  std::vector<std::string> findings;  // sentences for the log
};

// Before any shard of the server starts (decisions 19): replays all journals of the home, settled
// wins, places what is not placed, deletes the segments. When the disk has no room for that,
// nothing is placed: the segments stay, without what was only reserved, and become the oldest of
// shard 0's journal (home.kept).
reactor::task<std::expected<RecoveryReport, HomeProblem>> recover(reactor::Reactor& reactor,
                                                                  Home& home);

// After recover(), before the first shard: is there a file of this message in Queue, or was it kept
// in the journal?
reactor::task<bool> is_queued(reactor::Reactor& reactor, const Home& home, QueueId id);

// `shard` of `shards`: a scan reports the messages whose id hashes to it.
std::unique_ptr<Spool> make_spool(reactor::Reactor& reactor, SlabPool& slabs, const Home& home,
                                  uint16_t shard, uint16_t shards, const SpoolOptions& options,
                                  log::Sink& log);

}  // namespace mailroot::spool
