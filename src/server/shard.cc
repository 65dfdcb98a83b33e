#include "mailroot/server/shard.h"

#include <pthread.h>
#include <sched.h>

#include "mailroot/base/assert.h"
#include "server_shard.h"

namespace mailroot::server {

using reactor::task;

namespace {

// A shard that cannot be pinned (a container's policy) still works, only less evenly.
void pin_to(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

}  // namespace

Shard::Shard(ShardOptions options) : options_(std::move(options)) {}

Shard::~Shard() { MAILROOT_ASSERT(!thread_.joinable(), "a shard is stopped before it dies"); }

std::expected<void, std::string> Shard::start() {
  std::promise<std::string> started;
  auto outcome = started.get_future();
  thread_ = std::thread([this, &started] { run(started); });
  std::string failure = outcome.get();
  if (failure.empty()) return {};
  thread_.join();
  return std::unexpected(std::move(failure));
}

// `started` is the starter's and gone once it has its value.
void Shard::run(std::promise<std::string>& started) {
  pin_to(options_.cpu);
  pthread_setname_np(pthread_self(), ("shard-" + std::to_string(options_.index)).c_str());
  std::string why;
  auto backend = reactor::make_backend(options_.io, {}, why);
  if (!backend) {
    started.set_value("cannot start the I/O backend: " + why);
    return;
  }
  io_ = (*backend)->name();
  if (!why.empty()) io_ += " (" + why + ")";
  set_up(std::make_unique<reactor::Reactor>(std::move(*backend), reactor::ReactorLimits{}));
  auto resolver = dns::make_unbound_resolver(*reactor_, options_.resolver, options_.fixed_answers);
  // Without resolv.conf the fixed answers still serve; every other name fails as it would.
  resolver_ =
      resolver ? std::move(*resolver) : dns::make_fixed_resolver(*reactor_, options_.fixed_answers);
  started.set_value({});
  reactor_->run();
  may_end_.wait(false);
  tasks_.reset();
  slabs_.reset();
  reactor_.reset();
}

void Shard::set_up(std::unique_ptr<reactor::Reactor> reactor) {
  reactor_ = std::move(reactor);
  slabs_ = std::make_unique<SlabPool>(options_.slabs);
  tasks_ = std::make_unique<reactor::TaskGroup>();
}

void Shard::attach(std::unique_ptr<reactor::Reactor> reactor) {
  set_up(std::move(reactor));
  resolver_ = dns::make_fixed_resolver(*reactor_, options_.fixed_answers);
}

void Shard::stop() {
  if (!thread_.joinable()) return;
  auto* reactor = reactor_.get();
  // The resolver calls off what it has in flight, and run() waits for that.
  const auto end = [this, reactor] {
    resolver_.reset();
    reactor->stop();
  };
  while (!reactor->post(end)) std::this_thread::yield();
  may_end_ = true;  // post() wakes the reactor last, and that must still be there
  may_end_.notify_one();
  thread_.join();
}

ServerShard* Shard::find(const std::string& id) {
  const auto found = servers_.find(id);
  return found == servers_.end() ? nullptr : found->second.get();
}

void Shard::add(const std::string& id, std::unique_ptr<ServerShard> server) {
  const bool added = servers_.emplace(id, std::move(server)).second;
  MAILROOT_ASSERT(added, "a virtual server stands on a shard once");
}

std::unique_ptr<ServerShard> Shard::take(const std::string& id) {
  auto node = servers_.extract(id);
  MAILROOT_ASSERT(!node.empty(), "only a server that is here can be taken away");
  return std::move(node.mapped());
}

bool Shard::listen_at(const config::BindingKey& key, reactor::Descriptor socket,
                      ServerShard& server) {
  auto& backend = reactor_->backend();
  const auto address = backend.local_address(socket);
  if (!address || !backend.listen(socket, reactor::ListenOptions{}.backlog)) {
    reactor_->close(socket);
    return false;
  }
  auto listener = std::make_unique<receive::Listener>(*reactor_, socket, *address, server,
                                                      server.connection_home());
  listeners_[key].push_back(listener.get());
  tasks_->spawn(host(std::move(listener)));
  return true;
}

task<void> Shard::host(std::unique_ptr<receive::Listener> listener) {
  hosted_.insert(listener.get());
  co_await listener->run();
  hosted_.erase(listener.get());
  listener_ended_.notify_all();
}

void Shard::adopt(const config::BindingKey& key, ServerShard& server) {
  for (receive::Listener* listener : listeners_[key]) {
    listener->adopt(server, server.connection_home());
  }
}

task<bool> Shard::retire(std::vector<config::BindingKey> keys,
                         std::chrono::milliseconds answering) {
  std::vector<receive::Listener*> retired;
  for (const config::BindingKey& key : keys) {
    const std::vector<receive::Listener*>& here = listeners_[key];
    retired.insert(retired.end(), here.begin(), here.end());
    listeners_.erase(key);
  }
  for (receive::Listener* listener : retired) listener->retire(answering);
  for (receive::Listener* listener : retired) {
    while (hosted_.contains(listener)) {
      co_await listener_ended_.wait(*reactor_, {});
    }
  }
  co_return true;
}

}  // namespace mailroot::server
