// The end of an attempt: outcomes and the reports they cause become durable together, then the
// queue and the log learn of them.
#include <algorithm>
#include <utility>

#include "mailroot/deliver/limits.h"
#include "mailroot/smtp/reply_advice.h"
#include "reports.h"
#include "work.h"

namespace mailroot::deliver {
namespace {

std::vector<queue::RecipientResult> results_of(Work& work) {
  std::vector<queue::RecipientResult> results;
  for (const uint32_t recipient : work.assignment.recipients) {
    const queue::Result result = result_of(work.outcome_of(recipient));
    if (result != queue::Result::not_tried) results.push_back({recipient, result});
  }
  return results;
}

spool::Settlement settlement_of(const QueueId& id, const spool::MessageTimes& times,
                                queue::StoredState state) {
  spool::Settlement settlement;
  settlement.id = id;
  settlement.status = std::move(state.status);
  settlement.times = times;
  settlement.times.next_attempt = state.next_attempt;
  settlement.times.attempts = state.attempts;
  settlement.times.delay_notified = state.delay_notified;
  settlement.done = state.done;
  return settlement;
}

std::string newest_deferral(const Work& work) {
  for (const auto& outcome : work.outcomes) {
    if (result_of(outcome) == queue::Result::deferred) return smtp::summary_with_advice(*outcome);
  }
  return "";
}

// One step: reports, Badmail, the journal. False: not durable, try again.
reactor::task<bool> store(Engine& engine, Work& work,
                          const std::vector<queue::RecipientResult>& results, bool& in_badmail) {
  const std::optional<std::string> reason = badmail_reason(work);
  if (reason && !in_badmail) {
    const result<void> put = co_await engine.around.spool.to_badmail(work.assignment.id, *reason);
    if (!put) co_return false;
    in_badmail = true;
    engine.around.counters.badmail.fetch_add(1, std::memory_order_relaxed);
  }
  auto reports = co_await reports_of(engine, work);
  if (!reports) co_return false;
  std::vector<spool::Spool::Caused> caused;
  for (Report& report : *reports) caused.push_back(std::move(report.caused));
  const bool causes_nothing = caused.empty();
  spool::Settlement settlement =
      settlement_of(work.assignment.id, work.message.times,
                    engine.queue.preview(work.assignment, results, engine.moment()));
  settlement.last_reply = newest_deferral(work);
  const spool::CommitResult stored =
      co_await engine.around.spool.settle(std::move(settlement), std::move(caused));
  // Without reports the spool itself keeps the outcome until the disk works again.
  if (stored != spool::CommitResult::durable) co_return causes_nothing;
  admit_reports(engine, work.assignment.id, *reports);
  co_return true;
}

void log_outcome(Engine& engine, const Work& work, uint32_t recipient,
                 const smtp::DeliveryOutcome& outcome) {
  const bool is_delivered = outcome.disposition == smtp::Disposition::delivered;
  const bool is_deferred = outcome.disposition == smtp::Disposition::deferred;
  const log::Level level = is_delivered ? log::Level::info : log::Level::warning;
  if (!engine.around.log.enabled(level)) return;
  log::Event event =
      engine.event(level, is_delivered ? "delivered" : (is_deferred ? "deferred" : "bounced"),
                   work.assignment.id);
  const smtp::Envelope& envelope = work.message.envelope;
  event.with("from", smtp::to_path(envelope.reverse_path));
  event.with("to", smtp::to_path(envelope.recipients[recipient].address));
  if (work.into_drop) event.with("peer", "Drop");
  if (!outcome.remote_host.empty()) event.with("peer", outcome.remote_host);
  event.with("size", static_cast<int64_t>(work.assignment.size_bytes));
  if (outcome.reply_code != 0) event.with("code", int64_t{outcome.reply_code});
  event.with("enhanced", outcome.enhanced_code).with("reply", outcome.text);
  if (const auto advice = smtp::advice_for(outcome); !advice.empty()) event.with("advice", advice);
  event.with("attempt", int64_t{work.assignment.attempts} + 1);
  const auto age = engine.reactor().wall_now() - work.message.times.arrived;
  const auto took = engine.reactor().now() - work.began;
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  event.with("age_ms", static_cast<int64_t>(duration_cast<milliseconds>(age).count()));
  event.with("took_ms", static_cast<int64_t>(duration_cast<milliseconds>(took).count()));
  if (work.has_expired) event.with("expired", "yes");
  engine.around.log.write(std::move(event));
}

void announce(Engine& engine, const Work& work) {
  Counters& counters = engine.around.counters;
  for (size_t i = 0; i < work.recipients.size(); ++i) {
    const auto& outcome = work.outcomes[i];
    const queue::Result result = result_of(outcome);
    if (result == queue::Result::not_tried) continue;
    log_outcome(engine, work, work.recipients[i], *outcome);
    std::atomic<uint64_t>* counter = &counters.deferred;
    if (result == queue::Result::delivered) counter = &counters.delivered;
    if (result == queue::Result::bounced) counter = &counters.bounced;
    counter->fetch_add(1, std::memory_order_relaxed);
    counters.attempt_duration.add(engine.reactor().now() - work.began);
    if (result == queue::Result::delivered) {
      counters.age_at_delivery.add(engine.reactor().wall_now() - work.message.times.arrived);
    }
    if (result == queue::Result::delivered && work.into_drop) {
      counters.dropped.fetch_add(1, std::memory_order_relaxed);
    }
  }
  counters.bytes.fetch_add(work.assignment.size_bytes, std::memory_order_relaxed);
}

}  // namespace

reactor::task<void> take_turn(Engine& engine, QueueId id) {
  while (!engine.turns.try_take(id)) {
    co_await engine.turns.given().wait(engine.reactor(), reactor::Wait{});
  }
}

reactor::task<void> settle_work(Engine& engine, Work work) {
  const QueueId id = work.assignment.id;
  const std::vector<queue::RecipientResult> results = results_of(work);
  if (results.empty()) {
    engine.queue.settle(work.assignment, {}, work.verdict, work.trouble, engine.moment());
    co_return;
  }
  co_await take_turn(engine, id);
  bool in_badmail = false;
  bool stored = co_await store(engine, work, results, in_badmail);
  while (!stored && !engine.stopping) {
    log::Event event = engine.event(log::Level::error, "unsettled", id);
    event.with("reason", "the outcome could not be stored; trying again");
    engine.around.log.write(std::move(event));
    const Instant until = engine.reactor().now() + kSettleRetry;
    co_await engine.reactor().sleep_until(until, reactor::Wait{kNever, &engine.retries});
    if (!engine.stopping) stored = co_await store(engine, work, results, in_badmail);
  }
  engine.turns.give(id);
  if (!stored) {
    engine.queue.settle(work.assignment, {}, queue::Verdict::unknown, "", engine.moment());
    co_return;
  }
  engine.queue.settle(work.assignment, results, work.verdict, work.trouble, engine.moment());
  announce(engine, work);
  engine.pump();
}

reactor::task<void> settle_delivered_part(Engine& engine, Work& work) {
  std::vector<queue::RecipientResult> results;
  for (const uint32_t recipient : work.assignment.recipients) {
    if (result_of(work.outcome_of(recipient)) != queue::Result::delivered) continue;
    results.push_back({recipient, queue::Result::delivered});
  }
  if (results.empty() || results.size() == work.assignment.recipients.size()) co_return;
  // A success that is asked for is recorded with its report, or a crash in between would lose that.
  if (has_success_to_report(work)) co_return;
  co_await take_turn(engine, work.assignment.id);
  spool::Settlement settlement =
      settlement_of(work.assignment.id, work.message.times,
                    engine.queue.preview_part(work.assignment, results, engine.moment()));
  std::vector<spool::Spool::Caused> nothing;
  // Not durable means: kept by the spool until the disk works again.
  co_await engine.around.spool.settle(std::move(settlement), std::move(nothing));
  engine.turns.give(work.assignment.id);
  engine.queue.settle_part(work.assignment, results);
}

reactor::task<bool> settle_delay(Engine& engine, const queue::Notice& notice,
                                 spool::LoadedMessage& message, std::vector<Report> reports) {
  const QueueId id = notice.assignment.id;
  co_await take_turn(engine, id);
  queue::StoredState state = engine.queue.preview_delay(notice, engine.moment());
  if (state.status.empty()) {
    engine.turns.give(id);
    co_return true;  // delivered meanwhile
  }
  std::vector<spool::Spool::Caused> caused;
  for (Report& report : reports) caused.push_back(std::move(report.caused));
  spool::Settlement settlement = settlement_of(id, message.times, std::move(state));
  const spool::CommitResult stored =
      co_await engine.around.spool.settle(std::move(settlement), std::move(caused));
  engine.turns.give(id);
  if (stored != spool::CommitResult::durable) co_return false;
  admit_reports(engine, id, reports);
  co_return true;
}

}  // namespace mailroot::deliver
