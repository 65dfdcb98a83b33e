// The home directory of one virtual server: opened once as descriptors, locked, checked, and all
// access is relative to it (decisions 20, 21). Shared by the shards, immutable after recover().
//
//   <home>/Pickup  {tmp,new,cur}   files dropped by programs
//   <home>/Queue   {tmp,new,cur}   new: waiting, untried; cur: tried; tmp: pool of inodes, not mail
//   <home>/Drop    {tmp,new,cur}   mail for local domains
//   <home>/Badmail {tmp,new,cur}   what can neither be delivered nor returned
//   <home>/Journal/<shard>/<sequence>.seg, format, epoch, lock
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mailroot/base/result.h"
#include "mailroot/reactor/reactor.h"

namespace mailroot::spool {

// The descriptors of one maildir.
struct Maildir {
  reactor::Descriptor top = reactor::kNoDescriptor;
  reactor::Descriptor temporary = reactor::kNoDescriptor;  // tmp
  reactor::Descriptor fresh = reactor::kNoDescriptor;      // new
  reactor::Descriptor current = reactor::kNoDescriptor;    // cur
};

// What all shards of one virtual server count together. Any thread.
struct HomeUsage {
  // Drop: what its keeper found at its last look, less what had been put there before it, and what
  // was put there since the start. Their sum is what lies there, but for what others took away.
  std::atomic<int64_t> drop_found_bytes{0};
  std::atomic<int64_t> drop_added_bytes{0};
  std::atomic<bool> drop_was_full{false};  // somebody was refused: the keeper looks again soon
  std::atomic<uint64_t> badmail_added_bytes{0};  // since the start

  uint64_t drop_bytes() const {
    const int64_t sum = drop_found_bytes.load() + drop_added_bytes.load();
    return sum < 0 ? 0 : static_cast<uint64_t>(sum);
  }
};

struct KeptJournal;  // private to spool/

struct Home {
  std::string path;  // as configured, absolute; for messages only
  uint64_t device = 0;
  uint64_t inode = 0;
  reactor::Descriptor root = reactor::kNoDescriptor;
  reactor::Descriptor journal = reactor::kNoDescriptor;
  Maildir pickup, queue, drop, badmail;
  reactor::Descriptor lock_file = reactor::kNoDescriptor;
  uint32_t epoch = 0;                 // persisted, taken anew at each open
  std::vector<std::string> findings;  // sentences for the log
  // What recovery left in the old segments because the disk is full; null after every other start.
  // Taken over by the spool of shard 0.
  std::shared_ptr<KeptJournal> kept;
  std::unique_ptr<HomeUsage> usage = std::make_unique<HomeUsage>();
};

struct HomeOptions {
  std::string badmail_directory = "Badmail";
  // Whose members may send by writing files (decisions 8); kGroupAsItIs: the daemon's own group.
  uint32_t pickup_group = reactor::kGroupAsItIs;
};

struct HomeProblem {
  Error error;
  std::string sentence;  // for the administrator: what, where, what to do
};

// Opens, creating what is missing, parents of `path` too. What is there keeps its owner and mode:
//   <home>                  0711  others reach what is open to them
//   Pickup, its tmp and new 3770  of the Pickup group: its permission is the permission to send
//   Drop and what is in it  2770  a group of readers can be given with chgrp -R
//   everything else         0700
// Refuses network file systems, a newer format, a home in use by another daemon
// (lock), a home that had mail before and is now empty of its identity file. Everything created is
// synced with its directory before this returns.
reactor::task<std::expected<std::unique_ptr<Home>, HomeProblem>> open_home(
    reactor::Reactor& reactor, std::string path, HomeOptions options);
reactor::task<void> close_home(reactor::Reactor& reactor, Home& home);
// Is it still the directory that was opened? Asked each second; an error stops the server.
reactor::task<result<void>> check_home(reactor::Reactor& reactor, const Home& home);

}  // namespace mailroot::spool
