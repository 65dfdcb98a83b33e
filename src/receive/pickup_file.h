// Reading a Pickup file in windows: what it is, and its content as ranges. Private to receive/.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "mailroot/config/snapshot.h"
#include "mailroot/message/header_scan.h"
#include "mailroot/message/pickup.h"
#include "mailroot/reactor/reactor.h"

namespace mailroot::receive {

enum class PickupOutcome : uint8_t {
  taken,    // durable in the spool: the file is to be removed
  later,    // the file stays and is tried again
  bad,      // it can never be sent: Badmail
  unknown,  // the journal failed amid the commit: not tried again before the next start
  gone,     // somebody else removed it
};

struct PickupVerdict {
  PickupOutcome outcome = PickupOutcome::later;
  std::string reason;  // of all but taken and gone: part of a sentence
  uint64_t inode = 0;  // the file that was opened, if one was
};

inline constexpr const char* kTooLarge = "it is larger than messages.size_limit";

struct ReadPickup {
  message::PickupFile file;
  message::HeaderFacts facts;  // of the content
  bool stuffed = false;        // the writer doubled the dots that begin lines
};

// The ranges of a file one after the other. The file stays open while this lives.
class PickupWindows {
 public:
  PickupWindows(reactor::Reactor& reactor, reactor::Descriptor file,
                std::vector<message::ByteRange> ranges);
  // Empty at the end; valid until the next call. corrupt: the file is shorter than the ranges say.
  reactor::task<result<ByteView>> next();

 private:
  reactor::Reactor& reactor_;
  reactor::Descriptor file_;
  std::vector<message::ByteRange> ranges_;
  size_t range_ = 0;
  uint64_t done_ = 0;  // bytes of that range
  std::vector<std::byte> buffer_;
};

// The envelope, and what a first pass over the content tells. `settings` outlives the call.
reactor::task<std::expected<ReadPickup, PickupVerdict>> read_pickup(
    reactor::Reactor& reactor, reactor::Descriptor file, uint64_t size_bytes,
    const config::VirtualServer& settings);

}  // namespace mailroot::receive
