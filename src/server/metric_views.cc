// Metrics, gathered from the shards: one message to each, whatever the number of virtual servers.
#include <array>

#include "limits.h"
#include "mailroot/server/cross.h"
#include "sums.h"
#include "supervisor_state.h"

namespace mailroot::server {

using reactor::task;

namespace {

struct ShardAnswer {
  Instant began{};
  std::vector<ServerMetrics> servers;  // as asked for
};

// On the shard's thread.
void take_figures(ServerShard& server, ServerMetrics& out) {
  const auto& in = server.receive_counters();
  const auto& delivery = server.deliver_counters();
  out.connections_open = in.connections_open;
  out.connections = in.connections;
  out.connections_refused = in.connections_refused;
  out.messages = in.messages;
  out.messages_refused = in.messages_refused;
  out.bytes = in.bytes;
  out.recipients = in.recipients;
  out.recipients_refused = in.recipients_refused;
  out.logins = in.logins;
  out.logins_failed = in.logins_failed;
  out.acceptance = in.acceptance;
  out.outbound_open = delivery.connections_open;
  out.outbound = delivery.connections;
  out.outbound_failed = delivery.connections_failed;
  out.attempts = delivery.attempts;
  out.delivered = delivery.delivered;
  out.deferred = delivery.deferred;
  out.bounced = delivery.bounced;
  out.dropped = delivery.dropped;
  out.dsns = delivery.dsns;
  out.badmail = delivery.badmail;
  out.attempt_duration = delivery.attempt_duration;
  out.age_at_delivery = delivery.age_at_delivery;
  out.queue = server.dispatcher().queue().counters();
  out.spool = server.spool().counters();
}

void add(ServerMetrics& sum, const ServerMetrics& part) {
  constexpr std::array kCounts{&ServerMetrics::connections_open,
                               &ServerMetrics::connections,
                               &ServerMetrics::connections_refused,
                               &ServerMetrics::messages,
                               &ServerMetrics::messages_refused,
                               &ServerMetrics::logins,
                               &ServerMetrics::logins_failed,
                               &ServerMetrics::bytes,
                               &ServerMetrics::recipients,
                               &ServerMetrics::recipients_refused,
                               &ServerMetrics::outbound_open,
                               &ServerMetrics::outbound,
                               &ServerMetrics::outbound_failed,
                               &ServerMetrics::attempts,
                               &ServerMetrics::delivered,
                               &ServerMetrics::deferred,
                               &ServerMetrics::bounced,
                               &ServerMetrics::dropped,
                               &ServerMetrics::dsns,
                               &ServerMetrics::badmail};
  for (const auto count : kCounts) sum.*count += part.*count;
  sum.acceptance.merge(part.acceptance);
  sum.attempt_duration.merge(part.attempt_duration);
  sum.age_at_delivery.merge(part.age_at_delivery);
  add_up(sum.queue, part.queue);
  add_up(sum.spool, part.spool);
}

using Ids = std::shared_ptr<const std::vector<std::string>>;

// A server may go while others get their turn: what it counted until then is not told.
task<ShardAnswer> answer_here(Shard& shard, Ids ids) {
  ShardAnswer answer;
  answer.began = shard.reactor().now();
  answer.servers.resize(ids->size());
  for (size_t i = 0; i < ids->size(); ++i) {
    ServerShard* server = shard.find((*ids)[i]);
    if (server != nullptr) take_figures(*server, answer.servers[i]);
    if (i % kMetricsSlice == kMetricsSlice - 1) {
      co_await shard.reactor().yield();
    }
  }
  co_return answer;
}

}  // namespace

task<Metrics> Supervisor::metrics() {
  State_& state = *state_;
  Metrics out;
  auto ids = std::make_shared<std::vector<std::string>>();
  for (const auto& [id, record] : state.records) {
    ids->push_back(id);
    out.servers.emplace_back();
    out.servers.back().id = id;
    out.servers.back().state = record.state;
  }
  for (size_t i = 0; i < state.shards.size(); ++i) {
    Shard* there = state.shards[i].get();
    const Instant asked = state.control.now();
    std::move_only_function<task<ShardAnswer>()> work = [there, ids]() -> task<ShardAnswer> {
      return answer_here(*there, ids);
    };
    const auto answer = co_await on_shard<ShardAnswer>(state.control, *there, std::move(work));
    for (size_t k = 0; k < out.servers.size(); ++k) add(out.servers[k], answer.servers[k]);
    out.shards.push_back({answer.began - asked});
  }
  out.reloads_applied = state.reloads_applied;
  out.reloads_refused = state.reloads_refused;
  out.last_reload = state.last_applied;
  if (!state.shards.empty()) out.io = state.shards.front()->io();
  co_return out;
}

}  // namespace mailroot::server
