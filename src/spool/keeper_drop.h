// How much lies in Drop. Additions are counted as they are made; what other programs take away, or
// put there, is seen by looking. Private to spool/.
#pragma once

#include <array>

#include "mailroot/spool/keeper.h"

namespace mailroot::spool {

class Keeper::Drop {
 public:
  Drop(reactor::Reactor& reactor, const Home& home) : reactor_(reactor), home_(home) {}
  // Looks if it is time to.
  reactor::task<void> work(reactor::CancelScope& scope);

 private:
  using Times = std::array<WallTime, 3>;

  reactor::task<Times> modification_times();
  reactor::task<void> look(reactor::CancelScope& scope);

  reactor::Reactor& reactor_;
  const Home& home_;
  bool has_looked_ = false;
  Times looked_at_{};     // modification times of the directories before the last look
  Instant next_{};        // a look that is due anyway
  Instant not_before_{};  // one that somebody asks for
};

}  // namespace mailroot::spool
