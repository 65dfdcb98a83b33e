#include "work.h"

#include <algorithm>
#include <utility>

#include "mailroot/deliver/limits.h"
#include "mailroot/message/downgrade.h"

namespace mailroot::deliver {

std::optional<smtp::DeliveryOutcome>& Work::outcome_of(uint32_t recipient) {
  const auto found = std::ranges::lower_bound(recipients, recipient);
  MAILROOT_ASSERT(found != recipients.end() && *found == recipient, "a recipient of this work");
  return outcomes[static_cast<size_t>(found - recipients.begin())];
}

void Work::set_all_open(const smtp::DeliveryOutcome& outcome) {
  for (size_t i = 0; i < recipients.size(); ++i) {
    const queue::Result result = result_of(outcomes[i]);
    if (result == queue::Result::delivered || result == queue::Result::bounced) continue;
    // What a host said about the message tells more than that another one was not there.
    if (outcomes[i] && outcomes[i]->reply_code != 0 && outcome.reply_code == 0) continue;
    outcomes[i] = outcome;
    outcomes[i]->recipient = recipients[i];
  }
}

queue::Result result_of(const std::optional<smtp::DeliveryOutcome>& outcome) {
  if (!outcome) return queue::Result::not_tried;
  switch (outcome->disposition) {
    case smtp::Disposition::delivered:
      return queue::Result::delivered;
    case smtp::Disposition::failed:
      return queue::Result::bounced;
    case smtp::Disposition::deferred:
      return queue::Result::deferred;
    case smtp::Disposition::not_tried:
      break;
  }
  return queue::Result::not_tried;
}

namespace {

// Moves recipients that a newer configuration sends elsewhere. True: nothing is left here.
bool reroute(Engine& engine, Work& work) {
  if (!engine.routes_changed) return false;
  const std::string key(engine.queue.key(work.assignment.destination));
  const std::vector<uint32_t> recipients = work.assignment.recipients;
  for (const uint32_t recipient : recipients) {
    const route::NextHop hop =
        work.router->next_hop(work.message.envelope.recipients[recipient].address);
    if (hop.key() == key) continue;
    const queue::DestinationId destination = engine.destination_of(hop);
    if (engine.queue.reroute(work.assignment, {&recipient, 1}, destination, engine.moment())) {
      return true;
    }
  }
  return false;
}

}  // namespace

reactor::task<TakeResult> take_work(Engine& engine, queue::DestinationId destination, Work& work) {
  auto assignment = engine.queue.take(destination);
  if (!assignment) co_return TakeResult::no_mail;
  work.assignment = std::move(*assignment);
  work.settings = engine.settings;
  work.router = engine.router;
  work.began = engine.reactor().now();
  auto message = co_await engine.around.spool.load(work.assignment.id);
  if (!message) {
    const bool is_gone =
        message.error().code == Errc::not_found || message.error().code == Errc::corrupt;
    log::Event event = engine.event(is_gone ? log::Level::warning : log::Level::error,
                                    is_gone ? "forgotten" : "unreadable", work.assignment.id);
    event.with("reason", describe(message.error().code));
    engine.around.log.write(std::move(event));
    if (is_gone) {
      engine.queue.forget(work.assignment);
      co_return TakeResult::skipped;
    }
    std::vector<queue::RecipientResult> results;
    for (const uint32_t recipient : work.assignment.recipients) {
      results.push_back({recipient, queue::Result::deferred});
    }
    engine.queue.settle(work.assignment, results, queue::Verdict::unknown, "", engine.moment());
    co_return TakeResult::skipped;
  }
  work.message = std::move(*message);
  if (reroute(engine, work)) {
    engine.pump();
    co_return TakeResult::skipped;
  }
  work.recipients = work.assignment.recipients;
  work.outcomes.assign(work.recipients.size(), std::nullopt);
  co_return TakeResult::ready;
}

// The traits come with the message; only 8-bit text needs a look at its header section, in case the
// next hop takes 7 bits only.
reactor::task<void> look_at_content(Work& work) {
  work.traits = work.message.traits;
  if (!work.traits.eight_bit_body || work.traits.eight_bit_header) co_return;
  spool::Content& content = *work.message.content;
  message::HeaderScan header;
  bool in_header = true;
  while (in_header) {
    const auto window = co_await content.next();
    if (!window || window->empty()) break;
    for (const ByteView piece : *window) {
      if (in_header) in_header = header.add(piece);
    }
  }
  work.header = header.finish();
  work.traits.downgradable = message::is_downgradable(work.header);
}

}  // namespace mailroot::deliver
