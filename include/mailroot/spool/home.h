// The home directory of one virtual server: opened once as descriptors, locked, checked, and all
// access is relative to it (decisions 20, 21). Shared by the shards, immutable after open_home.
//
//   <home>/Pickup  {tmp,new,cur}   files dropped by programs
//   <home>/Queue   {tmp,new,cur}   new: waiting, untried; cur: tried; tmp: pool of inodes, not mail
//   <home>/Drop    {tmp,new,cur}   mail for local domains
//   <home>/Badmail {tmp,new,cur}   what can neither be delivered nor returned
//   <home>/Journal/<shard>/<sequence>.seg, format, epoch, lock
#pragma once

#include <cstdint>
#include <memory>
#include <string>

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

struct Home {
  std::string path;  // as configured, absolute; for messages only
  uint64_t device = 0;
  uint64_t inode = 0;
  reactor::Descriptor root = reactor::kNoDescriptor;
  reactor::Descriptor journal = reactor::kNoDescriptor;
  Maildir pickup, queue, drop, badmail;
  reactor::Descriptor lock_file = reactor::kNoDescriptor;
  uint32_t epoch = 0;  // persisted, taken anew at each open
};

struct HomeProblem {
  Error error;
  std::string sentence;  // for the administrator: what, where, what to do
};

// Opens, creating what is missing (parents of `path` too) with mode 0700 (Pickup and Drop as
// configured); refuses network file systems, a newer format, a home in use by another daemon
// (lock), a home that had mail before and is now empty of its identity file. Everything created is
// synced with its directory before this returns.
reactor::task<std::expected<std::unique_ptr<Home>, HomeProblem>> open_home(
    reactor::Reactor& reactor, std::string path);
reactor::task<void> close_home(reactor::Reactor& reactor, Home& home);
// Is it still the directory that was opened? Asked each second; an error stops the server.
reactor::task<result<void>> check_home(reactor::Reactor& reactor, const Home& home);

}  // namespace mailroot::spool
