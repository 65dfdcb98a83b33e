#include "mailroot/spool/keeper.h"

#include "keeper_badmail.h"
#include "keeper_drop.h"
#include "limits.h"

namespace mailroot::spool {

using reactor::task;

Keeper::Keeper(reactor::Reactor& reactor, const Home& home, std::function<KeeperRules()> rules,
               std::string server, log::Sink& log)
    : reactor_(reactor),
      drop_(std::make_unique<Drop>(reactor, home)),
      badmail_(std::make_unique<Badmail>(reactor, home, std::move(rules), std::move(server), log)) {
}

Keeper::~Keeper() = default;

task<void> Keeper::run(reactor::CancelScope& scope) {
  while (!scope.is_cancelled()) {
    co_await drop_->work(scope);
    co_await badmail_->work(scope);
    co_await reactor_.sleep_until(reactor_.now() + kKeeperInterval, {kNever, &scope});
  }
}

}  // namespace mailroot::spool
