#include "courier.h"

#include <algorithm>
#include <utility>

#include "mailroot/deliver/limits.h"

namespace mailroot::deliver {

using smtp::DeliveryOutcome;
using smtp::Disposition;

Courier::Courier(Engine& dispatcher, const queue::ConnectionGrant& grant)
    : engine(dispatcher),
      destination(grant.destination),
      handle(dispatcher.scope, grant.destination, dispatcher.reactor().now()),
      number(++dispatcher.newest_courier) {
  engine.couriers.emplace(number, &handle);
}

Courier::~Courier() {
  engine.couriers.erase(number);
  if (engine.courier_gone.has_waiters()) engine.courier_gone.notify_all();
}

namespace {

void log_connection(const Courier& courier, const Connection& connection,
                    const result<void>& opened) {
  const Engine& engine = courier.engine;
  const smtp::CloseReason reason = connection.close_reason();
  const bool is_fine = opened.has_value() &&
                       (reason == smtp::CloseReason::none || reason == smtp::CloseReason::done);
  const log::Level level = is_fine ? log::Level::info : log::Level::warning;
  if (!engine.around.log.enabled(level)) return;
  log::Event event(level, "connection");
  event.with("server", engine.settings->id).with("direction", "out");
  event.with("peer", connection.target().to_string());
  event.with("messages", static_cast<int64_t>(connection.transactions()));
  event.with("bytes", static_cast<int64_t>(connection.bytes_sent()));
  if (const tls::Engine* tls = connection.tls(); tls != nullptr && !tls->version().empty()) {
    event.with("tls", tls->version()).with("cipher", tls->cipher());
    event.with("verified", tls->is_verified() ? "yes" : "no");
  }
  if (!opened) {
    const std::string& detail = connection.close_detail();
    event.with("reason", detail.empty() ? std::string(describe(opened.error().code)) : detail);
  } else if (!is_fine) {
    event.with("reason", smtp::to_string(reason)).with("detail", connection.close_detail());
  }
  engine.around.log.write(std::move(event));
}

void log_no_login(const Courier& courier, const Target& target, const DeliveryOutcome& why) {
  if (why.disposition == Disposition::not_tried) return;
  log::Event event(log::Level::warning, "connection");
  event.with("server", courier.engine.settings->id).with("direction", "out");
  event.with("peer", target.to_string()).with("reason", "no login").with("detail", why.text);
  courier.engine.around.log.write(std::move(event));
}

// This server itself: nothing of its rank or below may be tried.
DeliveryOutcome leave_out_own(Courier& courier, const Target& target) {
  const size_t own = courier.next_target - 1;
  drop_from_own(courier.targets.list, own);
  courier.next_target = std::min(own, courier.targets.list.size());
  DeliveryOutcome loop = loop_outcome(target);
  if (own > 0) loop.disposition = Disposition::deferred;  // better hosts exist, and failed today
  return loop;
}

// An unused connection is kept for a moment. False: no mail came, or the peer closed it.
reactor::task<bool> wait_for_mail(Courier& courier) {
  Engine& engine = courier.engine;
  if (!courier.connection->is_usable()) co_return false;
  reactor::Event& mail = engine.destinations[courier.destination]->mail;
  const reactor::Wait wait{engine.reactor().now() + kIdleKeep, &courier.handle.scope};
  const result<void> woken = co_await mail.wait(engine.reactor(), wait);
  co_return woken.has_value() && courier.connection->is_usable();
}

bool may_go_on(Courier& courier) {
  Engine& engine = courier.engine;
  if (engine.stopping || courier.is_second_choice) return false;
  if (!courier.connection || !courier.connection->is_usable()) return false;
  const Duration age = engine.reactor().now() - courier.connection->opened_at();
  return age < kConnectionLifetime &&
         !engine.queue.should_yield(courier.destination, courier.messages);
}

}  // namespace

reactor::task<void> drop_connection(Courier& courier) {
  if (!courier.connection) co_return;
  co_await courier.connection->quit();
  log_connection(courier, *courier.connection, {});
  courier.handle.connection = nullptr;
  courier.connection.reset();
  courier.engine.around.counters.connections_open.fetch_sub(1, std::memory_order_relaxed);
}

namespace {

// RFC 7672 2.1.2: a host whose records cannot be looked up is not spoken to, for an attacker could
// have seen to that.
DeliveryOutcome no_tlsa_outcome(const Target& target, const dns::ResolveFailure& failure) {
  DeliveryOutcome outcome =
      make_outcome(Disposition::deferred, smtp::Stage::start_tls, "4.7.5",
                   "TLSA records of " + target.host + " cannot be looked up: " + failure.text);
  if (failure.failure == dns::Failure::cancelled) outcome.disposition = Disposition::not_tried;
  return outcome;
}

}  // namespace

reactor::task<std::optional<DeliveryOutcome>> open_next(Courier& courier, const Work& work) {
  Engine& engine = courier.engine;
  const Target target = courier.targets.list[courier.next_target++];
  const route::NextHop hop = engine.destinations[courier.destination]->hop;
  std::vector<dns::TlsaRecord> records;
  if (wants_dane(*work.settings, hop, target)) {
    const reactor::Wait wait{engine.reactor().now() + kResolveTimeout, &courier.handle.scope};
    auto found = co_await engine.around.resolver.tlsa(target.host, target.address.port, wait);
    if (!found) co_return no_tlsa_outcome(target, found.error());
    records = std::move(*found);
  }
  const bool hello_only = hop.hello_only;
  const config::Login* const login = login_for(*work.settings, hop, target);
  const bool is_broken = engine.broken_tls.contains(target.address, engine.reactor().now());
  OutboundTls tls = tls_for(*work.settings, hop, target, is_broken, engine.tls.get(), records);
  const reactor::Wait patience{engine.reactor().now() + kTokenTimeout, &courier.handle.scope};
  auto pass = co_await find_login(engine, login, target, patience);
  if (!pass) {
    log_no_login(courier, target, pass.error());
    co_return std::move(pass.error());
  }
  auto connection = std::make_unique<Connection>(engine.reactor(), work.settings, target,
                                                 std::move(tls), hello_only, std::move(*pass),
                                                 engine.protocol_log, courier.handle.scope);
  engine.around.counters.connections.fetch_add(1, std::memory_order_relaxed);
  const result<void> opened = co_await connection->open();
  if (opened) {
    engine.around.counters.connections_open.fetch_add(1, std::memory_order_relaxed);
    courier.connection = std::move(connection);
    courier.handle.connection = courier.connection.get();
    co_return std::nullopt;
  }
  if (connection->was_cancelled()) {
    DeliveryOutcome stopped = connect_outcome(target, opened.error());
    stopped.disposition = Disposition::not_tried;
    co_return stopped;
  }
  engine.around.counters.connections_failed.fetch_add(1, std::memory_order_relaxed);
  log_connection(courier, *connection, opened);
  if (opened.error().code == Errc::exists) co_return leave_out_own(courier, target);
  engine.dead_hosts.add(target.address, engine.reactor().now());
  if (opened.error().code == Errc::invalid) {
    co_return make_outcome(Disposition::deferred, smtp::Stage::start_tls, "4.7.5",
                           connection->close_detail() + " at " + target.to_string());
  }
  co_return connect_outcome(target, opened.error());
}

reactor::task<void> Engine::run_courier(queue::ConnectionGrant grant) {
  Courier courier(*this, grant);
  while (!stopping) {
    Work work;
    const TakeResult taken = co_await take_work(*this, grant.destination, work);
    if (taken == TakeResult::skipped) continue;
    if (taken == TakeResult::no_mail) {
      if (!courier.connection) break;
      const bool has_mail = co_await wait_for_mail(courier);
      if (!has_mail) break;
      continue;
    }
    Attempt attempt(courier, work);
    co_await attempt.run();
    ++courier.messages;
    const bool failed = work.verdict == queue::Verdict::failed;
    // The peer does not have to wait for our journal: the next message can go out meanwhile.
    courier.settlements.spawn(settle_work(*this, std::move(work)));
    if (failed || courier.settlements.running() >= kSettlementsPerCourier) {
      co_await courier.settlements.join();
    }
    if (failed || !may_go_on(courier)) break;
  }
  co_await drop_connection(courier);
  co_await courier.settlements.join();
  queue.connection_closed(grant.destination);
  pump();
}

}  // namespace mailroot::deliver
