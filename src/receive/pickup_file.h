// Reading a Pickup file in windows: what it is, and its content as ranges. Private to receive/.
#pragma once

#include <fcntl.h>

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
  taken,     // durable in the spool: the file is to be removed
  later,     // it cannot be taken now, nor can others: the file stays and is tried again
  changing,  // somebody writes it: it is tried again
  bad,       // it can never be sent: Badmail
  unknown,   // the journal failed amid the commit: not tried again before the next start
  gone,      // somebody else removed it
};

struct PickupVerdict {
  PickupOutcome outcome = PickupOutcome::later;
  std::string reason;  // of all but taken and gone: part of a sentence
  uint64_t inode = 0;  // the file that was opened, if one was
};

inline constexpr const char* kChanged = "it changed while it was read";
inline constexpr const char* kTooLarge = "it is larger than messages.size_limit";

// Without O_NONBLOCK a writer could hold us with a pipe; O_NOFOLLOW is the backend's rule too.
inline constexpr uint32_t kPickupOpen = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

struct ReadPickup {
  message::PickupFile file;
  std::vector<std::byte> whole;  // of a small file; else empty
  message::HeaderFacts facts;    // of the content
  bool stuffed = false;          // the writer doubled the dots that begin lines
};

// The ranges of a file one after the other. The file stays open while this lives, and `whole`,
// which spares the reading if it is not empty, stays alive.
class PickupWindows {
 public:
  PickupWindows(reactor::Reactor& reactor, reactor::Descriptor file,
                std::vector<message::ByteRange> ranges, ByteView whole);
  // Empty at the end; valid until the next call. corrupt: the file is shorter than the ranges say.
  reactor::task<result<ByteView>> next();
  static PickupVerdict failure(Error error);

 private:
  reactor::Reactor& reactor_;
  reactor::Descriptor file_;
  std::vector<message::ByteRange> ranges_;
  ByteView whole_;
  size_t range_ = 0;
  uint64_t done_ = 0;  // bytes of that range
  std::vector<std::byte> buffer_;
};

// The envelope, and what a first pass over the content tells. `settings` outlives the call.
reactor::task<std::expected<ReadPickup, PickupVerdict>> read_pickup(
    reactor::Reactor& reactor, reactor::Descriptor file, uint64_t size_bytes,
    const config::VirtualServer& settings);

}  // namespace mailroot::receive
