// One recovery of one home. Private to spool/.
//
//   recover.cc            the journals are read; what happens in which order; the journals' end
//   recover_messages.cc   what replay() says of each message is done
//   recover_full_disk.cc  the disk has no room for that: what stays where it is
#pragma once

#include <expected>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mailroot/spool/spool.h"
#include "queue_file_io.h"
#include "replay.h"

namespace mailroot::spool {

class Recovery {
 public:
  using Outcome = std::expected<void, HomeProblem>;

  Recovery(reactor::Reactor& reactor, Home& home) : reactor_(reactor), home_(home) {}
  reactor::task<std::expected<RecoveryReport, HomeProblem>> run();

 private:
  struct SegmentFile {
    std::string shard;  // directory in Journal
    std::string name;
    reactor::Descriptor directory = reactor::kNoDescriptor;
  };

  // recover.cc
  reactor::task<Outcome> read_journals();
  reactor::task<Outcome> read_shard(std::string shard);
  reactor::task<Outcome> read_segment(SegmentFile file);
  void replay_all();
  reactor::task<Outcome> place_and_end();
  reactor::task<Outcome> sync_all();
  std::vector<size_t> by_age() const;
  reactor::task<Outcome> remove_journals();
  reactor::task<void> close_all();

  // recover_messages.cc
  reactor::task<Outcome> recover_messages();
  reactor::task<Outcome> recover_message(const ReplayedMessage& message);
  reactor::task<Outcome> recover_inline(const ReplayedMessage& message);
  reactor::task<Outcome> recover_streamed(const ReplayedMessage& message);
  reactor::task<Outcome> remove_files(const ReplayedMessage& message);
  reactor::task<Outcome> update_file(const ReplayedMessage& message, reactor::Descriptor directory);
  reactor::task<Outcome> write_if_room(const ReplayedMessage& message);
  reactor::task<Outcome> write_file(const ReplayedMessage& message);
  reactor::task<result<std::string>> read_body(const ReplayedMessage& message);
  reactor::task<reactor::Descriptor> find_file(QueueId id);
  reactor::task<bool> was_set_aside(QueueId id);

  // recover_full_disk.cc
  reactor::task<Outcome> keep_journals();
  reactor::task<Outcome> unplace();
  reactor::task<void> remove_pool_files();
  reactor::task<Outcome> keep_segment(size_t index);

  static std::unexpected<HomeProblem> problem(std::string_view verb, std::string_view what,
                                              Error error);

  reactor::Reactor& reactor_;
  Home& home_;
  std::vector<SegmentFile> files_;
  std::vector<SegmentScan> scans_;
  std::set<size_t> damaged_;  // segments
  std::vector<std::pair<std::string, reactor::Descriptor>> shards_;
  Replay replay_;
  RecoveryReport report_;
  uint64_t counter_ = 0;  // of names in Queue/tmp
  bool disk_is_full_ = false;
  std::set<QueueId> by_journal_;                   // only the journal is sure of them
  std::vector<const ReplayedMessage*> unrenamed_;  // streamed, no room for their names
};

}  // namespace mailroot::spool
