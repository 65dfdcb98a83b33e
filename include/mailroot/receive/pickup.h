// PickupReader: takes the files that programs put into Pickup (decisions 8). One per virtual
// server, on the shard that owns the directory; used on that shard's thread.
//
//   Pickup/x  or  Pickup/new/x --claim--> Pickup/cur/<queue id>-x --commit--> file removed -->
//   queue
//                                              '-- bad --> Badmail/new/x + x.reason
#pragma once

#include <memory>

#include "mailroot/reactor/reactor.h"
#include "mailroot/receive/service.h"
#include "mailroot/spool/home.h"

namespace mailroot::receive {

class PickupReader {
 public:
  // All three outlive run().
  PickupReader(reactor::Reactor& reactor, Service& service, const spool::Home& home);
  ~PickupReader();

  // Takes files as they come until the scope is cancelled. Files whose commit has begun are
  // finished first, so the spool is closed after this has returned.
  reactor::task<void> run(reactor::CancelScope& scope);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

// Between recover() and the first shard: removes the files in Pickup/cur whose messages are in
// Queue. The process died after their commit and before their removal; nobody can have delivered
// them, for a message goes to the queue when its file is gone. Returns how many.
reactor::task<uint64_t> remove_stored_claims(reactor::Reactor& reactor, const spool::Home& home);

}  // namespace mailroot::receive
