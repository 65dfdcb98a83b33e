// PickupReader: takes the files that programs put into Pickup (decisions 8). One per virtual
// server, on the shard that owns the directory; used on that shard's thread.
//
//   Pickup/x  or  Pickup/new/x --claim (rename)--> Pickup/cur/x --commit--> Queue, file removed
//                                                       '-- bad --> Badmail/new/x + x.reason
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mailroot/reactor/reactor.h"
#include "mailroot/receive/service.h"
#include "mailroot/spool/home.h"

namespace mailroot::receive {

struct PickupVerdict;  // pickup_file.h
struct ReadPickup;

class PickupReader {
 public:
  // All three outlive run().
  PickupReader(reactor::Reactor& reactor, Service& service, const spool::Home& home);

  // Looks every second until the scope is cancelled. A file in hand is finished first, so the spool
  // is closed after this has returned.
  reactor::task<void> run(reactor::CancelScope& scope);

 private:
  struct Found {
    std::string name;
    reactor::Descriptor directory = reactor::kNoDescriptor;
    reactor::FileStatus status;
  };
  struct Seen {
    reactor::FileStatus status;
    Instant since;
  };
  // A file in Pickup/cur that is not to be read again.
  struct Held {
    uint64_t inode = 0;
    bool taken = false;  // is only to be removed
  };

  bool may_take() const;
  reactor::task<bool> take_batch(reactor::CancelScope& scope);
  reactor::task<std::vector<Found>> look();
  reactor::task<void> look_in(reactor::Descriptor directory, std::vector<Found>& found);
  bool is_complete(const Found& file);
  reactor::task<void> remove_held(Found file);
  reactor::task<void> take(Found file);
  reactor::task<bool> claim(Found file);
  reactor::task<void> finish(Found file, PickupVerdict verdict);
  reactor::task<void> remove(std::string name, uint64_t inode);
  reactor::task<void> sync_directories();

  // pickup_store.cc
  reactor::task<PickupVerdict> examine(std::string name);
  reactor::task<PickupVerdict> submit(reactor::Descriptor file, reactor::FileStatus status,
                                      std::string name);
  reactor::task<PickupVerdict> store(reactor::Descriptor file, reactor::FileStatus status,
                                     ReadPickup parsed, std::string name);
  reactor::task<PickupVerdict> commit(std::unique_ptr<spool::Draft> draft, smtp::Envelope envelope,
                                      std::string name);
  std::string fields_on_top(const QueueId& id, const ReadPickup& parsed) const;

  // pickup_badmail.cc
  reactor::task<result<void>> to_badmail(std::string name, std::string reason);
  reactor::task<result<void>> write_reason(std::string name, std::string text);

  void tell(const std::string& name, const std::string& reason, bool always);

  reactor::Reactor& reactor_;
  Service& service_;
  const spool::Home& home_;
  std::map<std::string, Seen> seen_;        // of the last look at Pickup itself and Pickup/new
  std::map<std::string, Seen> seen_now_;    // of the look in progress
  std::map<std::string, Held> held_;        // by name in Pickup/cur
  std::vector<reactor::Descriptor> dirty_;  // directories changed since they were synced
  uint32_t troubles_ = 0;                   // looks in a row after which a file had to stay
  bool in_trouble_ = false;
};

}  // namespace mailroot::receive
