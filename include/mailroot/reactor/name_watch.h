// NameWatch: learns at once of files that appear in some directories. It saves looking, and is no
// truth: events can be lost, and where nothing can be watched add() fails; who uses it looks by
// itself now and then. All watches of a reactor share one inotify instance, for a user has 128.
#pragma once

#include <string>
#include <vector>

#include "mailroot/base/result.h"
#include "mailroot/reactor/event.h"
#include "mailroot/reactor/operation.h"

namespace mailroot::reactor {

class Reactor;

struct NameEvent {
  NameEventKind kind = NameEventKind::lost;
  size_t directory = 0;  // in the order of add(); of `lost`: nothing
  std::string name;
};

// On its reactor's thread; dies before it.
class NameWatch {
 public:
  // `arrived` is notified when has_events() becomes true; it outlives this.
  NameWatch(Reactor& reactor, Event& arrived) : reactor_(reactor), arrived_(arrived) {}
  ~NameWatch();
  NameWatch(const NameWatch&) = delete;
  NameWatch& operator=(const NameWatch&) = delete;

  // unsupported, or what the kernel says (no_memory, too_many_files, busy: watched already).
  result<void> add(Descriptor directory);
  // All up to this call, also what the kernel has not announced yet; oldest first. A single `lost`
  // stands for all that was.
  std::vector<NameEvent> take();
  bool has_events() const { return !events_.empty(); }

 private:
  friend class NameWatches;
  void give(NameEvent event);

  Reactor& reactor_;
  Event& arrived_;
  std::vector<int> ids_;
  std::vector<NameEvent> events_;
};

}  // namespace mailroot::reactor
