// Keeper: knows how full Drop is and keeps Badmail within its bounds. One per virtual server, on
// one shard, whose thread it stays on. What it costs does not depend on the mail that passes: it
// looks at whole directories, page by page with pauses, and the rarer the longer a look takes.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "mailroot/base/log.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/spool/home.h"

namespace mailroot::spool {

struct KeeperRules {
  Duration badmail_keep{};                // older files are removed
  uint64_t badmail_size_limit_bytes = 0;  // beyond it the oldest, but never the newest
};

class Keeper {
 public:
  // `rules` gives the newest ones. All outlive run().
  Keeper(reactor::Reactor& reactor, const Home& home, std::function<KeeperRules()> rules,
         std::string server, log::Sink& log);
  ~Keeper();

  // Until the scope is cancelled.
  reactor::task<void> run(reactor::CancelScope& scope);

 private:
  class Drop;
  class Badmail;

  reactor::Reactor& reactor_;
  std::unique_ptr<Drop> drop_;
  std::unique_ptr<Badmail> badmail_;
};

}  // namespace mailroot::spool
