// Delivery into Drop: the courier of a local domain. No connection, the same settlement.
#include <utility>

#include "mailroot/message/trace.h"
#include "work.h"

namespace mailroot::deliver {
namespace {

reactor::task<void> drop_message(Engine& engine, Work& work) {
  work.into_drop = true;
  smtp::DeliveryOutcome outcome =
      make_outcome(smtp::Disposition::delivered, smtp::Stage::local, "2.1.5", "taken by Drop");
  if (!work.settings->drop_enabled) {
    outcome = make_outcome(smtp::Disposition::deferred, smtp::Stage::local, "4.2.1",
                           "delivery into Drop is switched off (drop.enabled)");
    work.set_all_open(outcome);
    co_return;
  }
  std::vector<size_t> recipients(work.recipients.begin(), work.recipients.end());
  // Mail for an alias is mail for the default domain, as in IIS.
  for (const size_t index : recipients) {
    smtp::Mailbox& address = work.message.envelope.recipients[index].address;
    address = work.router->restamp(address);
  }
  std::string trace = message::return_path_field(work.message.envelope.reverse_path);
  const spool::DropRules rules{work.settings->drop_layout == config::DropLayout::flat,
                               config::drop_quota(*work.settings)};
  const result<void> dropped = co_await engine.around.spool.to_drop(
      work.message, std::move(recipients), std::move(trace), rules);
  if (!dropped) outcome = drop_outcome(dropped.error());
  work.verdict = dropped ? queue::Verdict::worked : queue::Verdict::failed;
  if (!dropped) work.trouble = smtp::summary(outcome);
  work.set_all_open(outcome);
}

}  // namespace

reactor::task<void> Engine::run_local_courier(queue::ConnectionGrant grant) {
  while (!stopping) {
    Work work;
    const TakeResult taken = co_await take_work(*this, grant.destination, work);
    if (taken == TakeResult::no_mail) break;
    if (taken == TakeResult::skipped) continue;
    co_await drop_message(*this, work);
    co_await settle_work(*this, std::move(work));
  }
  queue.connection_closed(grant.destination);
  pump();
}

}  // namespace mailroot::deliver
