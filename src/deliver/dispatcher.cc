#include <algorithm>
#include <utility>

#include "connection.h"
#include "engine.h"
#include "mailroot/deliver/limits.h"

namespace mailroot::deliver {
namespace {

queue::QueueOptions queue_options(const config::VirtualServer& settings) {
  const config::Delivery& delivery = settings.delivery;
  queue::QueueOptions options;
  options.schedule.quick_retries_count = delivery.quick_retries_count;
  options.schedule.quick_retries_interval = delivery.quick_retries_interval;
  options.schedule.retry_intervals = delivery.retry_intervals;
  options.schedule.delay_notification = delivery.delay_notification;
  options.schedule.expiration = delivery.expiration;
  options.schedule.local_delay_notification = delivery.local_delay_notification;
  options.schedule.local_expiration = delivery.local_expiration;
  options.connections_max = std::max(1U, delivery.outbound_connections);
  options.per_destination_max = std::max(1U, delivery.outbound_per_domain);
  return options;
}

bool is_routed_alike(const config::Domain& a, const config::Domain& b) {
  return a.name == b.name && a.type == b.type && a.smart_host == b.smart_host && a.helo == b.helo &&
         a.queue_for == b.queue_for && a.login == b.login;
}

// Does the same recipient go elsewhere?
bool has_other_routes(const config::VirtualServer& before, const config::VirtualServer& after) {
  const config::Delivery& old = before.delivery;
  const config::Delivery& now = after.delivery;
  return old.smart_host != now.smart_host || old.outbound_port != now.outbound_port ||
         old.attempt_direct_delivery_first != now.attempt_direct_delivery_first ||
         old.login != now.login || before.default_domain != after.default_domain ||
         !std::ranges::equal(before.domains, after.domains, is_routed_alike);
}

}  // namespace

Engine::Engine(const Surroundings& surroundings,
               std::shared_ptr<const config::VirtualServer> server,
               std::shared_ptr<const route::Router> server_router)
    : around(surroundings),
      settings(std::move(server)),
      router(std::move(server_router)),
      queue(queue_options(*settings), around.slots, around.shard, around.reactor.random(),
            queue::Moment{around.reactor.now(), around.reactor.wall_now()}),
      dead_hosts(kDeadHostRest),
      broken_tls(kBrokenTlsRest) {}

queue::DestinationId Engine::destination_of(const route::NextHop& hop) {
  std::string key = hop.key();
  const bool is_local = hop.kind == route::HopKind::drop;
  const queue::DestinationId id = queue.destination(
      key, is_local ? queue::DestinationKind::local : queue::DestinationKind::remote);
  if (id >= destinations.size()) destinations.resize(id + 1);
  if (!destinations[id] || destinations[id]->key != key) {
    destinations[id] = std::make_unique<DestinationInfo>();
    destinations[id]->key = std::move(key);
    destinations[id]->hop = hop;
  }
  if (hop.on_request) queue.keep_until_asked(id);
  return id;
}

queue::DestinationId Engine::destination_of(const smtp::Mailbox& recipient) {
  return destination_of(router->next_hop(recipient));
}

void Engine::admit(const QueueId& id, const smtp::Envelope& envelope, std::string_view status,
                   const spool::MessageTimes& times, uint64_t size_bytes) {
  std::vector<queue::DestinationId> to;
  to.reserve(envelope.recipients.size());
  for (const smtp::Recipient& recipient : envelope.recipients) {
    to.push_back(destination_of(recipient.address));
  }
  queue::Admission admission;
  admission.id = id;
  admission.size_bytes = size_bytes;
  admission.arrived = times.arrived;
  admission.expiry_basis = times.expiry_basis;
  admission.next_attempt = times.next_attempt;
  admission.attempts = times.attempts;
  admission.delay_notified = times.delay_notified;
  admission.status = status;
  admission.destinations = to;
  if (!queue.admit(admission, moment())) return;
  pump();
}

void Engine::start_notices() {
  while (notices_running < kNoticesAtOnce) {
    auto notice = queue.next_notice();
    if (!notice) return;
    ++notices_running;
    tasks.spawn(take_notice(std::move(*notice)));
  }
}

void Engine::pump() {
  if (stopping) return;
  if (is_pumping) {
    pump_again = true;
    return;
  }
  is_pumping = true;
  do {
    pump_again = false;
    const queue::Moment now = moment();
    queue.advance(now);
    while (const auto grant = queue.next_connection(now)) {
      const bool is_local = destinations[grant->destination]->hop.kind == route::HopKind::drop;
      tasks.spawn(is_local ? run_local_courier(*grant) : run_courier(*grant));
    }
    while (const auto destination = queue.next_wake())
      destinations[*destination]->mail.notify_one();
    start_notices();
  } while (pump_again);
  is_pumping = false;
  const Instant wake = queue.wake_at();
  if (wake == timer_at) return;
  if (timer_at != kNever) reactor().cancel_timer(timer);
  timer_at = wake;
  if (wake != kNever) reactor().add_timer(timer, wake);
}

// Waiting mail need not wait for what has changed.
reactor::task<void> Engine::retry_everything() {
  uint32_t cursor = 0;
  do {
    cursor = queue.retry_all(cursor, moment());
    pump();
    co_await reactor().yield();
  } while (cursor != 0 && !stopping);
}

// A courier finds where it belongs now.
void Engine::release_what_is_kept_no_more() {
  for (const auto& destination : destinations) {
    if (!destination || !destination->hop.on_request) continue;
    const smtp::Mailbox anybody{.local_part = "postmaster", .domain = destination->hop.domain};
    if (router->next_hop(anybody).key() == destination->key) continue;
    queue.release_destination(destination->key, moment());
  }
}

log::Event Engine::event(log::Level level, std::string_view name, const QueueId& id) const {
  log::Event event(level, name);
  event.with("server", settings->id).with("queue_id", to_string(id));
  return event;
}

Dispatcher::Dispatcher(const Surroundings& surroundings,
                       std::shared_ptr<const config::VirtualServer> settings,
                       std::shared_ptr<const route::Router> router)
    : impl_(std::make_unique<Impl>(surroundings, std::move(settings), std::move(router))) {}

Dispatcher::~Dispatcher() {
  if (impl_->timer_at != kNever) impl_->reactor().cancel_timer(impl_->timer);
}

void Dispatcher::use(std::shared_ptr<const config::VirtualServer> settings,
                     std::shared_ptr<const route::Router> router) {
  const bool routes_differ = has_other_routes(*impl_->settings, *settings);
  impl_->queue.set_options(queue_options(*settings));
  impl_->settings = std::move(settings);
  impl_->router = std::move(router);
  impl_->routes_changed |= routes_differ;
  if (routes_differ) impl_->release_what_is_kept_no_more();
  if (routes_differ && !impl_->stopping) impl_->tasks.spawn(impl_->retry_everything());
  impl_->pump();
}

void Dispatcher::use_tls(std::shared_ptr<const tls::ClientContexts> contexts) {
  impl_->tls = std::move(contexts);
}

void Dispatcher::use_protocol_log(std::shared_ptr<log::ProtocolLog> protocol_log) {
  impl_->protocol_log = std::move(protocol_log);
}

void Dispatcher::admit(const QueueId& id, const smtp::Envelope& envelope, std::string_view status,
                       const spool::MessageTimes& times, uint64_t size_bytes) {
  impl_->admit(id, envelope, status, times, size_bytes);
}

void Dispatcher::send_kept(std::string_view domain, bool with_subdomains) {
  const std::string below = "." + std::string(domain);
  for (const auto& destination : impl_->destinations) {
    if (!destination || !destination->hop.on_request) continue;
    const std::string& name = destination->hop.domain;
    if (name != domain && !(with_subdomains && name.ends_with(below))) continue;
    impl_->queue.release_destination(destination->key, impl_->moment());
  }
  impl_->pump();
}

void Dispatcher::pump() { impl_->pump(); }

queue::Queue& Dispatcher::queue() { return impl_->queue; }

// Couriers between messages say QUIT; those that only wait for the last reply may hear it; the
// others are cut off.
reactor::task<void> Dispatcher::stop() {
  Engine& engine = *impl_;
  engine.stopping = true;
  engine.retries.cancel();
  for (const auto& [number, courier] : engine.couriers) {
    const Connection* connection = courier->connection;
    const bool may_finish =
        connection != nullptr && (connection->awaits_final_reply() || connection->is_idle());
    if (!may_finish) courier->scope.cancel();
  }
  for (const auto& destination : engine.destinations) {
    if (destination) destination->mail.notify_all();
  }
  const Instant until = engine.reactor().now() + kStopGrace;
  while (!engine.couriers.empty() && engine.reactor().now() < until) {
    co_await engine.courier_gone.wait(engine.reactor(), reactor::Wait{until, nullptr});
  }
  engine.scope.cancel();
  co_await engine.tasks.join();
}

}  // namespace mailroot::deliver
