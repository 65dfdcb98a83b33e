// Shard: one core's thread with its reactor and everything it owns. Other threads reach it only
// through reactor().post() and on_shard() (cross.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "mailroot/base/log.h"
#include "mailroot/base/slab_pool.h"
#include "mailroot/config/binding_table.h"
#include "mailroot/dns/resolver.h"
#include "mailroot/oauth/token_source.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/receive/listener.h"

namespace mailroot::server {

class ServerShard;

struct ShardOptions {
  uint16_t index = 0;
  int cpu = -1;  // to be pinned to; -1: wherever
  reactor::BackendChoice io = reactor::BackendChoice::automatic;
  SlabPoolLimits slabs;
  dns::ResolverOptions resolver;
  std::vector<dns::FixedAnswer> fixed_answers;
  log::Sink* log = nullptr;
  oauth::TokenSource* tokens = nullptr;  // of all shards; outlives them
};

class Shard {
 public:
  explicit Shard(ShardOptions options);
  ~Shard();  // asserts that stop() was called

  // Starts the thread and returns when its reactor turns, or the sentence why it cannot.
  std::expected<void, std::string> start();
  // Joins the thread; every server on it must have been removed.
  void stop();
  // Instead of start() and stop(): without a thread, on a reactor that the caller turns (the
  // simulator). Names then come from the fixed answers alone.
  void attach(std::unique_ptr<reactor::Reactor> reactor);

  uint16_t index() const { return options_.index; }
  reactor::Reactor& reactor() { return *reactor_; }
  // The backend, with the reason where it is not the one that was wanted first.
  const std::string& io() const { return io_; }

  // What follows is for the shard's own thread.
  SlabPool& slabs() { return *slabs_; }
  dns::Resolver& resolver() { return *resolver_; }
  log::Sink& log() { return *options_.log; }
  reactor::TaskGroup& tasks() { return *tasks_; }
  oauth::TokenSource* tokens() { return options_.tokens; }

  ServerShard* find(const std::string& id);
  void add(const std::string& id, std::unique_ptr<ServerShard> server);
  std::unique_ptr<ServerShard> take(const std::string& id);

  // Listening sockets outlive the servers they serve: they can be adopted (decisions 5).
  bool listen_at(const config::BindingKey& key, reactor::Descriptor socket, ServerShard& server);
  void adopt(const config::BindingKey& key, ServerShard& server);
  // Completed when the key's sockets are closed and nothing of them refers to their server.
  // Who waits there is answered with 421 for so long (receive/listener.h).
  reactor::task<bool> retire(std::vector<config::BindingKey> keys,
                             std::chrono::milliseconds answering);

 private:
  void run(std::promise<std::string>& started);
  void set_up(std::unique_ptr<reactor::Reactor> reactor);
  reactor::task<void> host(std::unique_ptr<receive::Listener> listener);

  ShardOptions options_;
  std::thread thread_;
  std::atomic<bool> may_end_ = false;  // the stopper has let go of the reactor
  std::string io_;
  std::unique_ptr<reactor::Reactor> reactor_;
  std::unique_ptr<SlabPool> slabs_;
  std::unique_ptr<dns::Resolver> resolver_;
  std::unique_ptr<reactor::TaskGroup> tasks_;
  std::map<std::string, std::unique_ptr<ServerShard>> servers_;
  std::map<config::BindingKey, std::vector<receive::Listener*>> listeners_;
  std::set<receive::Listener*> hosted_;  // whose run() has not returned
  reactor::Event listener_ended_;
};

}  // namespace mailroot::server
