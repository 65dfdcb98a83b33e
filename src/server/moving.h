// Messages on their way from one virtual server to another, through files:
//
//   Queue of A --copy--> A/Moving/<id>.<B> --A has settled it--> B/Pickup/new --> Queue of B
//
// The copy is durable before A forgets the message, and is seen by B only after that. After a crash
// in between A tells by its own queue which of the two holds: what it still has is not moved.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mailroot/base/queue_id.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/spool/spool.h"

namespace mailroot::server {

struct MovingName {
  QueueId id;
  std::string to;  // id of the virtual server
  std::string to_string() const;
  static std::optional<MovingName> parse(std::string_view entry);
};

// In Pickup of the other server: "moved-sales-00000001000000000001.eml".
std::string pickup_name(std::string_view from, const QueueId& id);

// The two directories of a move. Closes them at its end.
class MovingPlaces {
 public:
  MovingPlaces(reactor::Reactor& reactor, reactor::Descriptor staging, reactor::Descriptor target)
      : reactor_(reactor), staging_(staging), target_(target) {}
  ~MovingPlaces();
  MovingPlaces(const MovingPlaces&) = delete;
  MovingPlaces& operator=(const MovingPlaces&) = delete;

  // Durable when it returns.
  reactor::task<result<void>> write(MovingName name, const spool::LoadedMessage& message,
                                    std::string status);
  // Hands the file over; durable when it returns.
  reactor::task<result<void>> hand_over(MovingName name, std::string as);
  reactor::task<void> remove(MovingName name);

 private:
  reactor::Reactor& reactor_;
  reactor::Descriptor staging_, target_;
};

// Makes Moving in `root` if it is not there. A sentence when the two cannot be used together: they
// have to be on one file system, where a rename is one step.
reactor::task<std::expected<std::shared_ptr<MovingPlaces>, std::string>> open_places(
    reactor::Reactor& reactor, reactor::Descriptor root, std::string target_home);

// The Queue file of a message, but for the content.
std::string queue_block(const spool::LoadedMessage& message, const std::string& status,
                        uint32_t content_crc32c);

}  // namespace mailroot::server
