#include <algorithm>
#include <utility>

#include "courier.h"
#include "mailroot/deliver/limits.h"
#include "mailroot/smtp/reply_advice.h"

namespace mailroot::deliver {

using smtp::DeliveryOutcome;
using smtp::Disposition;
using smtp::OutcomeScope;

namespace {

bool is_of_connection(const DeliveryOutcome& outcome) {
  return outcome.scope == OutcomeScope::connection;
}

// Another host may answer otherwise.
bool is_open(const DeliveryOutcome& outcome) {
  return outcome.disposition == Disposition::deferred ||
         (outcome.disposition == Disposition::failed && is_of_connection(outcome));
}

bool is_over(const std::optional<DeliveryOutcome>& outcome) {
  return outcome && outcome->disposition != Disposition::not_tried && !is_open(*outcome);
}

}  // namespace

Attempt::Attempt(Courier& courier, Work& work)
    : courier_(courier),
      work_(work),
      envelope_(work.message.envelope),
      knows_hosts_(courier.connection != nullptr),
      hosts_asked_(courier.connection != nullptr ? 1 : 0) {
  envelope_.reverse_path = work.router->masquerade(envelope_.reverse_path);
}

reactor::task<void> Attempt::run() {
  courier_.engine.around.counters.attempts.fetch_add(1, std::memory_order_relaxed);
  co_await look_at_content(work_);
  payload_ = Payload{work_.message.content.get(), work_.header};
  for (uint32_t round = 0; round < kTransactionsPerAttempt; ++round) {
    if (open_recipients().empty() || courier_.engine.stopping) break;
    bool goes_on = true;
    if (courier_.connection == nullptr) {
      goes_on = co_await connect();
    } else {
      goes_on = co_await transact();
    }
    if (!goes_on) break;
  }
  end();
}

reactor::task<bool> Attempt::find_hosts() {
  Engine& engine = courier_.engine;
  const TargetSearch search{.reactor = &engine.reactor(),
                            .resolver = &engine.around.resolver,
                            .dead = &engine.dead_hosts,
                            .settings = work_.settings.get()};
  const reactor::Wait wait{engine.reactor().now() + kResolveTimeout, &courier_.handle.scope};
  route::NextHop hop = engine.destinations[courier_.destination]->hop;
  courier_.targets = co_await find_targets(search, std::move(hop), wait);
  courier_.next_target = 0;
  knows_hosts_ = true;
  if (!courier_.targets.failure) co_return true;
  if (courier_.handle.scope.is_cancelled()) co_return false;
  work_.set_all_open(*courier_.targets.failure);
  if (courier_.targets.failure->disposition == Disposition::deferred) set_verdict(false);
  co_return false;
}

bool Attempt::has_other_host() const {
  const std::vector<Target>& list = courier_.targets.list;
  if (courier_.next_target >= list.size() || hosts_asked_ >= kHostsPerAttempt) return false;
  return !domain_has_answered_ || list[courier_.next_target].list == 0;
}

reactor::task<bool> Attempt::connect() {
  if (!knows_hosts_) {
    const bool found = co_await find_hosts();
    if (!found) co_return false;
  }
  if (!has_other_host()) co_return false;
  ++hosts_asked_;
  const std::optional<DeliveryOutcome> failure = co_await open_next(courier_, work_);
  if (!failure) co_return true;
  if (failure->disposition == Disposition::not_tried) co_return false;  // being stopped
  set_verdict(false);
  some_host_was_transient_ |= failure->disposition == Disposition::deferred;
  work_.set_all_open(*failure);
  co_return true;
}

void Attempt::set_verdict(bool worked) {
  if (worked) {
    work_.verdict = queue::Verdict::worked;
  } else if (work_.verdict == queue::Verdict::unknown) {
    work_.verdict = queue::Verdict::failed;
  }
}

std::vector<uint32_t> Attempt::open_recipients() const {
  std::vector<uint32_t> open;
  for (size_t i = 0; i < work_.recipients.size(); ++i) {
    if (!is_over(work_.outcomes[i])) open.push_back(work_.recipients[i]);
  }
  return open;
}

// True if another host should be asked for what is open.
bool Attempt::record(const std::vector<DeliveryOutcome>& outcomes) {
  bool wants_other_host = false;
  for (DeliveryOutcome outcome : outcomes) {
    // At a smart host a login is our administrator's matter: the mail waits for him.
    if (outcome.disposition == Disposition::failed && smtp::is_about_login(outcome) &&
        courier_.connection->target().list > 0) {
      outcome.disposition = Disposition::deferred;
    }
    work_.outcome_of(outcome.recipient) = outcome;
    if (!is_open(outcome)) continue;
    wants_other_host = true;
    some_host_was_transient_ |= outcome.disposition == Disposition::deferred;
    // Another host now would make the duplicate certain (RFC 1047).
    if (outcome.reply_code != 0 || !courier_.connection->has_sent_all()) continue;
    is_uncertain_ = true;
    work_.outcome_of(outcome.recipient)->text += "; it may have taken the message";
  }
  return wants_other_host;
}

// A token may end before its time: revoked, or by a clock that is not ours. Once an attempt.
bool Attempt::refuses_old_token() {
  const Connection& connection = *courier_.connection;
  const bool is_refused = connection.close_reason() == smtp::CloseReason::login_failed &&
                          connection.login().token_of.has_value() && connection.was_login_refused();
  if (!is_refused) return false;
  courier_.engine.around.tokens->refuse(*connection.login().token_of,
                                        connection.login().authentication->login.secret);
  return !std::exchange(has_new_token_, true);
}

// Connects anew to the same host.
reactor::task<void> Attempt::try_again_here() {
  co_await drop_connection(courier_);
  --courier_.next_target;
  --hosts_asked_;
}

reactor::task<bool> Attempt::transact() {
  Connection& connection = *courier_.connection;
  smtp::Transaction transaction;
  transaction.envelope = &envelope_;
  transaction.recipients = open_recipients();
  transaction.size_bytes = work_.message.content->size_bytes();
  transaction.content = work_.traits;
  const size_t asked = transaction.recipients.size();
  const std::vector<DeliveryOutcome> outcomes =
      co_await connection.deliver(std::move(transaction), payload_);
  if (connection.was_cancelled()) co_return false;
  if (connection.was_stale()) {
    // Closed while it was idle: nothing was learned. Connect anew, beginning with the best host.
    co_await drop_connection(courier_);
    knows_hosts_ = false;
    hosts_asked_ = 0;
    co_return true;
  }
  if (connection.wants_clear_text()) {
    // Nothing was said about the message: the same host, in clear text.
    courier_.engine.broken_tls.add(connection.target().address, courier_.engine.reactor().now());
    co_await drop_connection(courier_);
    --courier_.next_target;
    co_return true;
  }
  if (refuses_old_token()) {
    co_await try_again_here();
    co_return true;
  }
  const bool wants_other_host = record(outcomes);
  const bool has_worked =
      connection.has_greeted() && std::ranges::none_of(outcomes, is_of_connection);
  set_verdict(has_worked);
  if (connection.has_greeted()) {
    // Whoever is asked directly first has been reached: what he says counts, a deferral too.
    const route::NextHop& hop = courier_.engine.destinations[courier_.destination]->hop;
    domain_has_answered_ |=
        hop.kind == route::HopKind::direct_first && connection.target().list == 0;
  } else if (connection.close_reason() != smtp::CloseReason::login_failed) {
    courier_.engine.dead_hosts.add(connection.target().address, courier_.engine.reactor().now());
  }
  if (is_uncertain_ || (wants_other_host && !has_other_host())) co_return false;
  if (wants_other_host) {
    courier_.is_second_choice = has_worked;
    co_await drop_connection(courier_);
    co_return true;
  }
  const size_t left = open_recipients().size();
  if (left == 0 || left == asked) co_return false;
  co_await settle_delivered_part(courier_.engine, work_);
  if (!connection.is_usable()) {
    co_await drop_connection(courier_);
    knows_hosts_ = false;
    hosts_asked_ = 0;
  }
  co_return true;
}

// A refused greeting is final only if every host of the next hop said so for good.
void Attempt::end() {
  const bool all_asked = knows_hosts_ && !has_other_host() && !courier_.targets.some_are_dead &&
                         !some_host_was_transient_ && hosts_asked_ < kHostsPerAttempt;
  for (auto& outcome : work_.outcomes) {
    if (!outcome) continue;
    const bool is_refusal =
        outcome->disposition == Disposition::failed && is_of_connection(*outcome);
    if (is_refusal && !all_asked) outcome->disposition = Disposition::deferred;
    if (outcome->disposition == Disposition::deferred && work_.trouble.empty()) {
      work_.trouble = smtp::summary_with_advice(*outcome);
    }
  }
}

}  // namespace mailroot::deliver
