// ServerShard: one virtual server on one shard. It answers what receive asks, owns spool and
// dispatcher, and ends them in order.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "content_reading.h"
#include "login_desk.h"
#include "mailroot/config/binding_table.h"
#include "mailroot/config/snapshot.h"
#include "mailroot/deliver/dispatcher.h"
#include "mailroot/queue/slots.h"
#include "mailroot/receive/pickup.h"
#include "mailroot/receive/service.h"
#include "mailroot/route/router.h"
#include "mailroot/server/shard.h"
#include "mailroot/spool/home.h"
#include "mailroot/spool/keeper.h"
#include "mailroot/spool/spool.h"

namespace mailroot::server {

// What the shards of one virtual server share. Immutable, or safe from every thread.
struct ServerShared {
  std::string id;
  std::unique_ptr<spool::Home> home;
  receive::Admission admission;
  receive::LoginGuard login_guard;
  LoginDesk* login_desk = nullptr;  // of the process
  std::unique_ptr<queue::SlotTable> slots;
  // Makes every shard send what it keeps for a domain. Any thread.
  std::function<void(const std::string& domain)> send_kept;
};

// What a reload or a command changes; swapped as one value.
struct Policy {
  std::shared_ptr<const config::VirtualServer> settings;
  std::shared_ptr<const route::Router> router;
  std::shared_ptr<const config::BindingTable> table;
  std::shared_ptr<log::ProtocolLog> protocol_log;  // null: off
  tls::ServerTls tls;                              // no context: none
  std::shared_ptr<const tls::ClientContexts> next_hop_tls;
  bool paused = false;
};

class ServerShard final : public receive::Service {
 public:
  ServerShard(Shard& shard, std::shared_ptr<ServerShared> shared, Policy policy, uint16_t shards);
  ~ServerShard() override;

  // Begins to schedule what the Queue directory holds, and on the shard that owns the other
  // directories to read Pickup and to keep Drop and Badmail.
  void begin(bool owns_directories);
  void use(Policy policy);
  receive::ConnectionHome connection_home() { return {&scope_, &connections_}; }
  // Ends sessions and deliveries, places hot mail, closes the journal (decisions 22).
  reactor::task<void> stop();

  // Another shard gave up a slot, which is ours now.
  void slot_freed(const std::string& key);
  queue::Moment moment() const;

  deliver::Dispatcher& dispatcher() { return *dispatcher_; }
  const spool::Home& home() const { return *shared_->home; }
  const receive::Counters& receive_counters() const { return receive_counters_; }
  const deliver::Counters& deliver_counters() const { return deliver_counters_; }

  std::shared_ptr<const config::VirtualServer> settings() const override {
    return policy_.settings;
  }
  std::optional<std::string> refusal(const SocketAddress& local,
                                     const SocketAddress& peer) const override;
  std::optional<std::string> relay_refusal(const smtp::Mailbox& recipient, const IpAddress& client,
                                           bool authenticated) const override;
  tls::ServerTls tls() const override { return policy_.tls; }
  reactor::task<result<bool>> check_password(receive::LoginAttempt attempt) override;
  receive::LoginGuard& login_guard() override { return shared_->login_guard; }
  std::optional<std::string> access_refusal(const IpAddress& client) const override;
  bool is_relay_client(const IpAddress& client) const override {
    return policy_.router->is_relay_client(client);
  }
  dns::Resolver& resolver() override { return shard_.resolver(); }
  std::optional<std::string> send_kept(const std::string& domain) override;
  void send_kept_here(const std::string& domain);
  // A queued message's envelope and times; the server may end meanwhile.
  reactor::task<result<spool::LoadedMessage>> load(QueueId id);
  // The message that an operator reads at present: its file stays open until its end, until the
  // next message is read, or until this server ends.
  std::optional<ContentReading>& reading() { return reading_; }
  spool::Spool& spool() override { return *spool_; }
  SlabPool& slabs() override { return shard_.slabs(); }
  receive::Admission& admission() override { return shared_->admission; }
  receive::Counters& counters() override { return receive_counters_; }
  log::Sink& log() override { return shard_.log(); }
  std::shared_ptr<log::ProtocolLog> protocol_log() override { return policy_.protocol_log; }
  void accepted(const QueueId& id, const smtp::Envelope& envelope, const spool::MessageTimes& times,
                uint64_t size_bytes) override;

 private:
  reactor::task<void> scan();
  bool is_drop_full() const;

  Shard& shard_;
  std::shared_ptr<ServerShared> shared_;
  Policy policy_;
  bool stopping_ = false;
  reactor::CancelScope scope_;
  reactor::TaskGroup connections_;
  reactor::TaskGroup background_;
  receive::Counters receive_counters_;
  deliver::Counters deliver_counters_;
  std::unique_ptr<spool::Spool> spool_;
  std::unique_ptr<deliver::Dispatcher> dispatcher_;
  std::optional<ContentReading> reading_;
  receive::PickupReader pickup_;
  spool::Keeper keeper_;
};

}  // namespace mailroot::server
