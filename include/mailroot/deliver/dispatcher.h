// Dispatcher: delivers what the queue of one virtual server holds, on one shard. It owns the queue
// and the couriers (one coroutine per outbound connection), and does the I/O the queue asks for.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/histogram.h"
#include "mailroot/base/log.h"
#include "mailroot/base/protocol_log.h"
#include "mailroot/base/queue_id.h"
#include "mailroot/base/slab_pool.h"
#include "mailroot/config/snapshot.h"
#include "mailroot/deliver/operator.h"
#include "mailroot/dns/resolver.h"
#include "mailroot/oauth/token_source.h"
#include "mailroot/queue/queue.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/route/router.h"
#include "mailroot/smtp/envelope.h"
#include "mailroot/spool/spool.h"
#include "mailroot/tls/context.h"

namespace mailroot::deliver {

// Since start, written by the owning shard, read by control without a lock (relaxed).
struct Counters {
  std::atomic<uint64_t> connections{0}, connections_failed{0}, connections_open{0};
  std::atomic<uint64_t> attempts{0};
  std::atomic<uint64_t> delivered{0}, deferred{0}, bounced{0};  // recipients
  std::atomic<uint64_t> dropped{0};                             // recipients taken by Drop
  std::atomic<uint64_t> dsns{0}, badmail{0};
  std::atomic<uint64_t> bytes{0};
  // Of each recipient; for the shard's own thread only.
  Histogram attempt_duration{kLatencyBounds};
  Histogram age_at_delivery{kAgeBounds};
};

enum class ConnectionStage : uint8_t {
  connecting,   // names, hosts, or the next message from the disk
  transaction,  // greeting, envelope or content
  final_reply,  // all was sent
  idle,
};

// What outlives the dispatcher.
struct Surroundings {
  reactor::Reactor& reactor;
  spool::Spool& spool;
  dns::Resolver& resolver;
  queue::SlotTable& slots;
  log::Sink& log;
  Counters& counters;
  uint16_t shard = 0;
  oauth::TokenSource* tokens = nullptr;  // null: no logins with tokens
};

// A courier, from the grant of its connection to the end of it.
struct ConnectionView {
  uint64_t number = 0;  // unique in its dispatcher since the start, from 1
  std::string destination;
  std::string peer;                      // name and address; empty while one is being looked for
  std::optional<SocketAddress> address;  // likewise
  Instant since{};
  ConnectionStage stage = ConnectionStage::connecting;
  uint64_t messages = 0;  // transactions begun
  uint64_t bytes = 0;     // sent
};

enum class CloseResult : uint8_t {
  closed,       // or about to be; what was being sent is tried again
  not_found,    // (any more)
  final_reply,  // the peer has a whole message and is about to answer: left alone (RFC 1047)
};

// `status`: a letter for each recipient.
using KeepCopy = std::function<reactor::task<result<void>>(const spool::LoadedMessage& message,
                                                           std::string status)>;

class Dispatcher {
 public:
  Dispatcher(const Surroundings& surroundings,
             std::shared_ptr<const config::VirtualServer> settings,
             std::shared_ptr<const route::Router> router);
  ~Dispatcher();

  // Newer settings; attempts that began keep what they began with.
  void use(std::shared_ptr<const config::VirtualServer> settings,
           std::shared_ptr<const route::Router> router);
  // Where later connections log what is said; null: nowhere.
  // For new connections.
  void use_tls(std::shared_ptr<const tls::ClientContexts> contexts);
  void use_protocol_log(std::shared_ptr<log::ProtocolLog> protocol_log);
  // A durable message: new, or found by the scan (then with its letters). Never waits; its first
  // attempt starts in this loop turn when its destination is free.
  void admit(const QueueId& id, const smtp::Envelope& envelope, std::string_view status,
             const spool::MessageTimes& times, uint64_t size_bytes);
  // ETRN: sends what was kept for this domain, and for those below it when told.
  void send_kept(std::string_view domain, bool with_subdomains);
  // An operator's wish, durable when it returns `done`; reports of `bounce` may follow later, when
  // the disk refuses them now. The dispatcher may end meanwhile.
  reactor::task<OperatorResult> operate(QueueId id, OperatorAction action);
  // Removes a message as `discard` does, after `keep` has made a durable copy of it: no attempt is
  // under way from before the copy on. Its error leaves the message as it was (unreadable).
  reactor::task<OperatorResult> move_out(QueueId id, KeepCopy keep);
  // At most `max` outbound connections with numbers above `after`, ascending.
  std::vector<ConnectionView> connections(uint64_t after, size_t max) const;
  CloseResult close_connection(uint64_t number);
  // After anything that may have made work: a slot, an operator's command.
  void pump();

  // Ends couriers at a safe point: transactions in their final reply may finish within a bounded
  // time, others are given up and stay queued. Joined when it returns; nothing starts afterwards.
  reactor::task<void> stop();

  queue::Queue& queue();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailroot::deliver
