// The spool of one (virtual server, shard). Private to spool/.
//
//                 commit
//   Draft ------------------> memory (hot) --settle done--> forgotten
//                               | age, deferral, pressure, close
//                               v                 settle
//                             placing --> file <---------> busy (letters, rename, removal)
//                                           | sync of file and directories
//                                           v
//                                        clean: no entry; the file is the truth
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "directory.h"
#include "draft.h"
#include "inode_pool.h"
#include "journal.h"
#include "kept_journal.h"
#include "mailroot/base/intrusive_list.h"
#include "mailroot/spool/spool.h"
#include "queue_file_io.h"

namespace mailroot::spool {

enum class Where : uint8_t { memory, fresh, current };

// What the spool remembers of a message: everything while it is hot, little while its file or the
// record of its outcome is not yet synced, nothing afterwards.
struct Entry : ListHook {
  MessageHead head;  // without envelope once it is in a file
  std::shared_ptr<const SlabChain> body;
  Where where = Where::memory;
  std::string temporary_name;  // not empty: the file still waits in Queue/tmp for its rename
  uint64_t inode = 0;          // of the file, when we made it
  bool busy = false;  // a task works on the file; it looks at `version` again before it ends
  bool done = false;
  // Of an inline body, pinned while it is not `was_synced`. Of a kept one the body is read from it.
  Segment* accepted_in = nullptr;
  uint32_t group_block = 0;  // where in it
  uint32_t group_head_blocks = 0;
  bool was_synced = false;        // a record may call it placed
  uint8_t repairs = 0;            // after syncs that failed
  uint32_t sync_failures = 0;     // of the file system, when what waits for its sync was written
  uint32_t restored = 0;          // times its file was taken away and written anew
  bool unsaved = false;           // its outcome could not be written: the journal has failed
  uint32_t version = 0;           // of status, times, done
  uint32_t applied = 0;           // ... as in the file
  std::vector<Segment*> pins;     // whose records are still needed
  std::vector<Segment*> syncing;  // of these the sync that runs will have no more need
  bool is_syncing = false;
  Instant accepted_at{};
};

class SpoolImpl final : public Spool, private JournalClient {
 public:
  SpoolImpl(reactor::Reactor& reactor, SlabPool& slabs, const Home& home, uint16_t shard,
            uint16_t shards, const SpoolOptions& options, log::Sink& log);
  ~SpoolImpl() override;

  void use(const SpoolOptions& options) override;
  std::optional<std::string> refusal() const override;
  std::unique_ptr<Draft> begin_draft() override;
  reactor::task<CommitResult> commit(std::unique_ptr<Draft> draft, smtp::Envelope envelope,
                                     MessageTimes times) override;
  reactor::task<result<LoadedMessage>> load(QueueId id) override;
  reactor::task<CommitResult> settle(Settlement settlement, std::vector<Caused> caused) override;
  reactor::task<result<void>> to_badmail(QueueId id, std::string reason) override;
  reactor::task<result<void>> to_drop(LoadedMessage& message, std::vector<size_t> recipients,
                                      std::string trace, DropRules rules) override;
  reactor::task<void> scan(
      std::function<void(const LoadedMessage& header_without_content)> found) override;
  reactor::task<void> close() override;
  SpoolCounters counters() const override;

 private:
  friend class SettleTicket;
  // A Queue file and where it was found.
  struct Located {
    QueueFile file;
    Where where = Where::fresh;
  };

  // commit.cc
  reactor::task<result<std::unique_ptr<Entry>>> prepare(DraftImpl& draft, smtp::Envelope envelope,
                                                        MessageTimes times, std::string& file);
  reactor::task<result<void>> prepare_file(DraftImpl& draft, Entry& entry, std::string& file);
  reactor::task<result<PoolFile>> make_room(PoolFile old, uint64_t old_room, uint64_t new_room,
                                            uint64_t size_bytes);
  reactor::task<void> discard_prepared(std::string file, CommitResult outcome);
  Entry& keep(std::unique_ptr<Entry> entry, std::string file);

  // settle.cc
  void apply(const Settlement& settlement, Segment* segment);
  void start_file_work(Entry& entry);
  reactor::task<void> run_file_work(Entry& entry);
  reactor::task<result<void>> bring_up_to_date(Entry& entry);
  reactor::task<result<void>> change_file(Entry& entry);
  reactor::task<result<void>> remove_file(Entry& entry);
  void release(std::vector<Segment*>& pins);
  void forget(Entry& entry);
  reactor::task<void> record_done(QueueId id);
  reactor::task<void> save_again(QueueId id);
  void relieve(Segment& oldest) override;
  void space_is_short(bool is_short) override;
  void journal_works_again() override;

  // load.cc
  reactor::task<std::expected<Located, QueueFileProblem>> locate(QueueId id, bool writable);
  reactor::task<std::expected<LoadedMessage, QueueFileProblem>> load_file(QueueId id);
  reactor::task<void> wait_until_free(QueueId id);
  bool was_restored(QueueId id, uint32_t restored_before) const;
  reactor::task<void> removed_by_hand(QueueId id);
  reactor::task<void> set_aside(QueueId id, std::string reason);
  void note_foreign(std::string_view name, std::string_view reason);

  // kept.cc
  void take_over(KeptJournal& kept);
  bool is_mine(const QueueId& id) const;
  reactor::task<void> place_when_there_is_room();
  std::vector<Entry*> kept_entries() const;
  bool waits_for_room(const Entry& entry) const;
  reactor::task<void> report_kept(const std::function<void(const LoadedMessage&)>& found);
  reactor::task<result<std::shared_ptr<const SlabChain>>> read_kept(const Entry& entry);

  // placer.cc
  reactor::task<void> run_placer();
  Entry* next_to_place();
  Instant next_due() const;
  reactor::task<void> place(Entry& entry);
  reactor::task<result<void>> write_file(Entry& entry);
  void retry_later(Entry& entry);
  void leave_unplaced();

  // syncer.cc
  reactor::task<void> run_syncer();
  reactor::task<void> sync_batch();
  reactor::task<void> sync_files(const std::vector<Entry*>& batch, std::vector<char>& outcomes);
  reactor::task<bool> sync_file(Entry& entry);
  void finish_sync(Entry& entry, bool ok);
  void mark_dirty(Entry& entry);

  // restore.cc
  bool is_in_journal(const Entry& entry) const;
  struct Accepted {
    smtp::Envelope envelope;
    std::shared_ptr<const SlabChain> body;
  };
  reactor::task<result<Accepted>> read_accepted(const Entry& entry);
  reactor::task<result<void>> restore(Entry& entry);
  reactor::task<void> repair(Entry& entry);

  // copies.cc
  reactor::task<result<void>> write_reason(QueueId id, std::string reason);
  reactor::task<result<void>> write_copy(const Maildir& maildir, DirectorySync& into,
                                         std::string name, std::string head, Content& content);

  // scan.cc
  reactor::task<bool> list_queue(std::set<QueueId>& ids);
  reactor::task<void> report_queued(const std::vector<QueueId>& ids,
                                    const std::function<void(const LoadedMessage&)>& found,
                                    std::vector<QueueId>& again);
  reactor::task<void> scan_again(std::set<QueueId> known, std::vector<QueueId> unreadable,
                                 bool all_listed, std::function<void(const LoadedMessage&)> found);
  reactor::task<std::optional<LoadedMessage>> read_envelope(QueueId id, bool& unreadable);

  static LoadedMessage to_loaded(MessageHead head);
  Entry* find(const QueueId& id) const;
  reactor::Descriptor directory_of(Where where) const;
  void start();
  void begin_work(Entry& entry);
  void end_work(Entry& entry);
  void wake_if_closing();
  bool is_settled() const;
  void log_problem(std::string_view name, const QueueId& id, std::string_view reason);
  reactor::task<void> check_free();

  reactor::Reactor& reactor_;
  SlabPool& slabs_;
  const Home& home_;
  const uint16_t shard_, shards_;
  SpoolOptions options_;
  log::Sink& log_;

  reactor::TaskGroup tasks_;
  DirectorySync temporary_, fresh_, current_, badmail_, drop_, drop_flat_;
  InodePool pool_;
  DraftWorld drafts_;
  Journal journal_;

  uint64_t next_counter_ = 1;
  std::unordered_map<QueueId, std::unique_ptr<Entry>> entries_;
  IntrusiveList<Entry> hot_;     // in memory, oldest first
  IntrusiveList<Entry> urgent_;  // in memory, to be placed now
  IntrusiveList<Entry> dirty_;   // in a file that is not synced
  std::vector<QueueId> retry_;   // file work that failed
  Instant retry_at_ = kNever;
  Instant no_room_until_{};  // a placement failed for want of space: none is tried before
  size_t placing_ = 0;
  size_t working_ = 0;          // busy entries
  size_t recording_ = 0;        // outcomes of our own on their way to the journal
  uint32_t sync_failures_ = 0;  // of the whole file system
  Segment* relieving_ = nullptr;
  bool started_ = false, closing_ = false;
  bool kept_waits_ = false;  // what recovery kept is not placed yet
  reactor::Event placer_wake_, syncer_wake_, free_again_, closing_wake_;

  mutable bool space_low_ = false;
  mutable Instant space_checked_at_{};
  bool checking_space_ = false;
  uint64_t committed_ = 0, placed_ = 0, hot_count_ = 0, materialised_ = 0, set_aside_ = 0;
  uint64_t foreign_ = 0;
};

// Outcomes of one message, and the DSNs they cause, in one group.
class SettleTicket final : public Ticket {
 public:
  struct Message {
    Entry* entry = nullptr;
    std::string file;  // streamed: its name in Queue/tmp
  };
  SettleTicket(const Settlement* settlement, bool is_new_mail)
      : Ticket(is_new_mail), settlement_(settlement) {}
  void add(Entry& entry, std::string file) { messages_.push_back({&entry, std::move(file)}); }
  bool encode(GroupBuilder& builder) override;
  void made_durable(Segment& segment, const GroupPlace& place) override;
  bool is_asked_again() const override { return is_new_mail() || !messages_.empty(); }
  Segment* segment() const { return segment_; }  // pinned once for the settlement

 private:
  const Settlement* settlement_;  // null: only new messages
  std::vector<Message> messages_;
  Segment* segment_ = nullptr;
};

}  // namespace mailroot::spool
