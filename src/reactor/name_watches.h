// All name watches of one reactor: the inotify instance, and who gets which event.
#pragma once

#include <map>
#include <vector>

#include "mailroot/reactor/name_watch.h"
#include "mailroot/reactor/reactor.h"

namespace mailroot::reactor {

class NameWatches : private Operation {
 public:
  explicit NameWatches(Reactor& reactor);
  ~NameWatches();
  result<int> add(NameWatch& watch, Descriptor directory);
  void remove(NameWatch& watch);
  void hand_out();  // what the kernel has

 private:
  struct Watched {
    NameWatch* watch = nullptr;
    size_t directory = 0;
  };
  static void readable(Operation& operation, const Completion& completion);
  void arm();
  void hand_out_read();
  void lose_everything();

  Reactor& reactor_;
  Descriptor instance_ = kNoDescriptor;
  bool armed_ = false;
  std::map<int, Watched> watched_;
  std::vector<WatchedName> read_;
};

}  // namespace mailroot::reactor
