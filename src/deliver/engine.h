// What the parts of one dispatcher share. One per (virtual server, shard), on that shard's thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "dead_hosts.h"
#include "mailroot/deliver/dispatcher.h"
#include "mailroot/route/next_hop.h"
#include "mailroot/smtp/delivery_outcome.h"
#include "mailroot/tls/context.h"

namespace mailroot::deliver {

class Connection;

// Settlements of one message take turns: each stores the state of all its recipients.
class Turns {
 public:
  bool try_take(const QueueId& id) { return taken_.insert(id).second; }
  void give(const QueueId& id) {
    taken_.erase(id);
    if (given_.has_waiters()) given_.notify_all();
  }
  reactor::Event& given() { return given_; }

 private:
  std::unordered_set<QueueId> taken_;
  reactor::Event given_;
};

// What the queue's destinations are, by DestinationId.
struct DestinationInfo {
  std::string key;
  route::NextHop hop;
  reactor::Event mail;  // for idle couriers
};

// A courier as stop() and an operator see it.
struct CourierHandle {
  CourierHandle(reactor::CancelScope& parent, queue::DestinationId to, Instant now)
      : scope(&parent), destination(to), since(now) {}
  reactor::CancelScope scope;
  queue::DestinationId destination;
  Instant since;
  Connection* connection = nullptr;  // null while it looks for one
};

struct Engine {
  Engine(const Surroundings& surroundings, std::shared_ptr<const config::VirtualServer> server,
         std::shared_ptr<const route::Router> server_router);

  queue::Moment moment() const { return {around.reactor.now(), around.reactor.wall_now()}; }
  reactor::Reactor& reactor() const { return around.reactor; }
  queue::DestinationId destination_of(const smtp::Mailbox& recipient);
  queue::DestinationId destination_of(const route::NextHop& hop);
  void admit(const QueueId& id, const smtp::Envelope& envelope, std::string_view status,
             const spool::MessageTimes& times, uint64_t size_bytes);
  void pump();
  void start_notices();
  reactor::task<void> retry_everything();
  void release_what_is_kept_no_more();
  log::Event event(log::Level level, std::string_view name, const QueueId& id) const;

  // In their own files.
  reactor::task<void> run_courier(queue::ConnectionGrant grant);        // courier.cc
  reactor::task<void> run_local_courier(queue::ConnectionGrant grant);  // local_courier.cc
  reactor::task<void> take_notice(queue::Notice notice);                // notices.cc

  struct PumpTimer final : reactor::Timer {
    explicit PumpTimer(Engine& owner) : engine(owner) {}
    void on_timer() override {
      engine.timer_at = kNever;
      engine.pump();
    }
    Engine& engine;
  };

  Surroundings around;
  std::shared_ptr<const config::VirtualServer> settings;
  std::shared_ptr<const route::Router> router;
  std::shared_ptr<log::ProtocolLog> protocol_log;  // null: off
  std::shared_ptr<const tls::ClientContexts> tls;  // null: none
  queue::Queue queue;
  std::vector<std::unique_ptr<DestinationInfo>> destinations;
  Turns turns;
  DeadHosts dead_hosts;
  DeadHosts broken_tls;
  reactor::CancelScope scope{nullptr};
  reactor::CancelScope retries{nullptr};  // settlements that could not be stored yet
  reactor::TaskGroup tasks;
  std::map<uint64_t, CourierHandle*> couriers;  // by number
  uint64_t newest_courier = 0;
  reactor::Event courier_gone;
  PumpTimer timer{*this};
  Instant timer_at = kNever;
  uint32_t notices_running = 0;
  bool routes_changed = false;  // since the start: queued mail may belong elsewhere now
  bool is_pumping = false;
  bool pump_again = false;
  bool stopping = false;
};

struct Dispatcher::Impl : Engine {
  using Engine::Engine;
};

}  // namespace mailroot::deliver
