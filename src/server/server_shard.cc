#include "server_shard.h"

#include "dovecot.h"

namespace mailroot::server {

using reactor::task;

namespace {

spool::SpoolOptions spool_options(const config::VirtualServer& settings) {
  spool::SpoolOptions options;
  options.materialise_after = settings.materialise_after;
  options.free_min_bytes = settings.free_min_bytes;
  return options;
}

spool::KeeperRules keeper_rules(const config::VirtualServer& settings) {
  return {settings.badmail_keep, settings.badmail_size_limit_bytes};
}

}  // namespace

ServerShard::ServerShard(Shard& shard, std::shared_ptr<ServerShared> shared, Policy policy,
                         uint16_t shards)
    : shard_(shard),
      shared_(std::move(shared)),
      policy_(std::move(policy)),
      scope_(nullptr),
      pickup_(shard.reactor(), *this, *shared_->home),
      keeper_(
          shard.reactor(), *shared_->home, [this] { return keeper_rules(*policy_.settings); },
          shared_->id, shard.log()) {
  spool_ = spool::make_spool(shard.reactor(), shard.slabs(), *shared_->home, shard.index(), shards,
                             spool_options(*policy_.settings), shard.log());
  const deliver::Surroundings surroundings{shard.reactor(), *spool_,       shard.resolver(),
                                           *shared_->slots, shard.log(),   deliver_counters_,
                                           shard.index(),   shard.tokens()};
  dispatcher_ =
      std::make_unique<deliver::Dispatcher>(surroundings, policy_.settings, policy_.router);
  dispatcher_->use_protocol_log(policy_.protocol_log);
  dispatcher_->use_tls(policy_.next_hop_tls);
}

ServerShard::~ServerShard() = default;

void ServerShard::begin(bool owns_directories) {
  background_.spawn(scan());
  // With the connections: what it takes still goes to the dispatcher, which stops after them.
  if (!owns_directories) return;
  connections_.spawn(pickup_.run(scope_));
  background_.spawn(keeper_.run(scope_));
}

void ServerShard::use(Policy policy) {
  policy_ = std::move(policy);
  dispatcher_->use_protocol_log(policy_.protocol_log);
  dispatcher_->use_tls(policy_.next_hop_tls);
  spool_->use(spool_options(*policy_.settings));
  dispatcher_->use(policy_.settings, policy_.router);
}

task<void> ServerShard::scan() {
  co_await spool_->scan([this](const spool::LoadedMessage& found) {
    if (stopping_) return;
    dispatcher_->admit(found.id, found.envelope, found.status, found.times, found.size_bytes);
  });
}

// In the background, whose end the end of the server waits for.
task<result<spool::LoadedMessage>> ServerShard::load(QueueId id) {
  struct Answer {
    reactor::Event given;
    std::optional<result<spool::LoadedMessage>> message;
  };
  reactor::Reactor& reactor = shard_.reactor();
  if (stopping_) co_return std::unexpected(Error{Errc::cancelled, 0});
  const auto answer = std::make_shared<Answer>();
  const auto work = [](spool::Spool& spool, QueueId wanted,
                       std::shared_ptr<Answer> to) -> task<void> {
    to->message = co_await spool.load(wanted);
    to->given.notify_all();
  };
  background_.spawn(work(*spool_, id, answer));
  while (!answer->message) {
    co_await answer->given.wait(reactor, {});
  }
  co_return std::move(*answer->message);
}

task<void> ServerShard::stop() {
  stopping_ = true;
  scope_.cancel();
  co_await connections_.join();
  co_await dispatcher_->stop();
  co_await background_.join();
  co_await spool_->close();
}

queue::Moment ServerShard::moment() const {
  return {shard_.reactor().now(), shard_.reactor().wall_now()};
}

void ServerShard::slot_freed(const std::string& key) {
  dispatcher_->queue().slot_freed(key);
  dispatcher_->pump();
}

std::optional<std::string> ServerShard::refusal(const SocketAddress& local,
                                                const SocketAddress& peer) const {
  if (stopping_) return "421 4.3.2 Service shutting down";
  if (policy_.paused) return "421 4.3.2 Service is paused, try again later";
  // The wildcard's socket also gets clients of an address that a stopped or paused server claims;
  // they must not meet another server's policy (decisions 4).
  const auto owner = policy_.table->owner_of(local.ip, local.port);
  if (owner && owner->server != shared_->id) {
    return "421 4.3.2 Service not available at this address";
  }
  if (!policy_.router->may_connect(peer.ip)) return "554 5.7.1 Access denied";
  return std::nullopt;
}

std::optional<std::string> ServerShard::access_refusal(const IpAddress& client) const {
  if (policy_.router->may_connect(client)) return std::nullopt;
  return "550 5.7.1 Access denied";
}

std::optional<std::string> ServerShard::relay_refusal(const smtp::Mailbox& recipient,
                                                      const IpAddress& client,
                                                      bool authenticated) const {
  const bool counts = authenticated && policy_.settings->access.relay_authenticated;
  auto decision = policy_.router->decide(recipient, client, counts);
  if (!decision.accepted()) return std::move(decision.reply);
  if (decision.is_local() && policy_.settings->drop_enabled && is_drop_full()) {
    return "452 4.2.2 The Drop directory is full, try again later";
  }
  return std::nullopt;
}

task<result<bool>> ServerShard::check_password(receive::LoginAttempt attempt) {
  const config::Authentication& settings = attempt.settings->access.authentication;
  if (receive::is_for_dovecot(settings, attempt.user)) {
    return ask_dovecot(shard_.reactor(), settings.dovecot, std::move(attempt));
  }
  return shared_->login_desk->check(shard_.reactor(), settings.users, std::move(attempt.user),
                                    std::move(attempt.password));
}

bool ServerShard::is_drop_full() const {
  const uint64_t quota = config::drop_quota(*policy_.settings);
  spool::HomeUsage& usage = *shared_->home->usage;
  if (quota == 0 || usage.drop_bytes() < quota) return false;
  usage.drop_was_full = true;
  return true;
}

// "@example.com" also means what is below it (RFC 1985 5.3).
std::optional<std::string> ServerShard::send_kept(const std::string& domain) {
  const bool with_subdomains = domain.starts_with('@');
  const std::string name = domain.substr(with_subdomains ? 1 : 0);
  const route::Router& router = *policy_.router;
  const bool is_kept = router.is_kept_until_asked(name) ||
                       (with_subdomains && router.is_kept_until_asked("any." + name));
  if (!is_kept) return "459 4.7.1 Node " + name + " not allowed";
  shared_->send_kept(domain);
  return std::nullopt;
}

void ServerShard::send_kept_here(const std::string& domain) {
  const bool with_subdomains = domain.starts_with('@');
  dispatcher_->send_kept(std::string_view(domain).substr(with_subdomains ? 1 : 0), with_subdomains);
}

void ServerShard::accepted(const QueueId& id, const smtp::Envelope& envelope,
                           const spool::MessageTimes& times, uint64_t size_bytes) {
  dispatcher_->admit(id, envelope, {}, times, size_bytes);
}

}  // namespace mailroot::server
