#include "program.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "mailroot/server/cross.h"
#include "mailroot/spool/spool.h"

namespace mailroot::simtest {

using reactor::task;
using server::ServerShard;
using server::ServerShared;
using server::Shard;

namespace {

task<bool> add_here(Shard& shard, std::shared_ptr<ServerShared> shared, server::Policy policy,
                    uint16_t shards) {
  const std::string id = shared->id;
  const SocketAddress address = address_of(*policy.settings);
  auto made = std::make_unique<ServerShard>(shard, std::move(shared), std::move(policy), shards);
  made->begin(false);
  shard.add(id, std::move(made));
  auto socket = shard.reactor().backend().bind_socket(address, reactor::ListenOptions{});
  if (!socket) co_return false;
  co_return shard.listen_at({address.ip, address.port}, *socket, *shard.find(id));
}

task<bool> remove_here(Shard& shard, std::string id, config::BindingKey key) {
  if (shard.find(id) == nullptr) co_return true;
  co_await shard.retire({key}, receive::kRetireTime);
  std::unique_ptr<ServerShard> removed = shard.take(id);
  co_await removed->stop();
  co_return true;
}

task<bool> use_here(Shard& shard, std::string id, server::Policy policy) {
  if (ServerShard* found = shard.find(id)) found->use(std::move(policy));
  co_return true;
}

// A reload that meets an end finds nothing to change.
task<void> use_there(reactor::Reactor& control, Shard& shard, std::string id,
                     server::Policy policy) {
  Shard* there = &shard;
  auto work = [there, id, policy]() -> task<bool> { return use_here(*there, id, policy); };
  co_await server::on_shard<bool>(control, shard, std::move(work));
}

config::BindingKey key_of(const config::VirtualServer& settings) {
  const SocketAddress address = address_of(settings);
  return {address.ip, address.port};
}

}  // namespace

Program::Program(reactor::sim::World& world, const Scenario& scenario, log::Sink& sink)
    : world_(world), scenario_(scenario), sink_(sink), settings_(scenario.servers) {}

Program::~Program() { MAILROOT_ASSERT(state_ == State::down, "a program has ended before"); }

// The control reactor is one more of the same process.
void Program::make_reactors() {
  for (uint32_t i = 0; i < scenario_.shards; ++i) {
    server::ShardOptions options;
    options.index = static_cast<uint16_t>(i);
    options.slabs = {scenario_.slab_budget_bytes, scenario_.slab_budget_bytes * 3 / 4};
    options.fixed_answers = scenario_.names;
    options.log = &sink_;
    shards_.push_back(std::make_unique<Shard>(std::move(options)));
    shards_.back()->attach(
        std::make_unique<reactor::Reactor>(world_.make_backend(i), reactor::ReactorLimits{}));
  }
  control_ = std::make_unique<reactor::Reactor>(world_.make_backend(scenario_.shards),
                                                reactor::ReactorLimits{});
  work_ = std::make_unique<reactor::TaskGroup>();
  burial_ = std::make_unique<reactor::TaskGroup>();
  for (reactor::Reactor* reactor : reactors()) world_.attach(*reactor);
}

std::vector<reactor::Reactor*> Program::reactors() const {
  std::vector<reactor::Reactor*> all;
  for (const auto& shard : shards_) all.push_back(&shard->reactor());
  all.push_back(control_.get());
  return all;
}

void Program::start() {
  MAILROOT_ASSERT(state_ == State::down, "one generation at a time");
  state_ = State::starting;
  trouble_.clear();
  make_reactors();
  control_->post([this] { work_->spawn(begin()); });
}

server::Policy Program::policy_of(uint32_t index) const {
  server::Policy policy;
  policy.settings = settings_[index];
  policy.router = std::make_shared<const route::Router>(policy.settings);
  policy.table = std::make_shared<config::BindingTable>();
  return policy;
}

task<void> Program::begin() {
  shared_.resize(settings_.size());
  for (uint32_t index = 0; index < settings_.size(); ++index) {
    const bool begun = co_await begin_server(index);
    if (!begun) break;
  }
  if (trouble_.empty()) {
    state_ = State::up;
    co_return;
  }
  co_await take_down();
  state_ = State::ended;
}

task<bool> Program::begin_server(uint32_t index) {
  auto shared = std::make_shared<ServerShared>();
  shared->id = settings_[index]->id;
  shared->slots =
      queue::make_slot_table([this, id = shared->id](uint16_t shard, const std::string& key) {
        Shard* there = shards_[shard].get();
        return there->reactor().post([there, id, key] {
          if (ServerShard* found = there->find(id)) found->slot_freed(key);
        });
      });
  auto home = co_await spool::open_home(*control_, settings_[index]->home_directory, {});
  if (!home) {
    trouble_ = home.error().sentence;
    co_return false;
  }
  shared->home = std::move(*home);
  shared_[index] = shared;
  auto recovered = co_await spool::recover(*control_, *shared->home);
  if (!recovered) {
    trouble_ = recovered.error().sentence;
    co_return false;
  }
  for (const std::string& finding : recovered->findings) {
    sink_.write(log::Event(log::Level::warning, "recovery").with("finding", finding));
  }
  for (const auto& shard : shards_) {
    Shard* there = shard.get();
    const auto count = static_cast<uint16_t>(shards_.size());
    auto work = [there, shared, policy = policy_of(index), count]() -> task<bool> {
      return add_here(*there, shared, policy, count);
    };
    const bool added = co_await server::on_shard<bool>(*control_, *there, std::move(work));
    if (!added) trouble_ = "an address cannot be listened at";
  }
  co_return trouble_.empty();
}

task<void> Program::take_down() {
  for (uint32_t index = 0; index < shared_.size(); ++index) {
    if (shared_[index] == nullptr) continue;
    for (const auto& shard : shards_) {
      Shard* there = shard.get();
      const std::string id = settings_[index]->id;
      const config::BindingKey key = key_of(*settings_[index]);
      auto work = [there, id, key]() -> task<bool> { return remove_here(*there, id, key); };
      co_await server::on_shard<bool>(*control_, *there, std::move(work));
    }
    co_await spool::close_home(*control_, *shared_[index]->home);
    shared_[index].reset();
  }
}

task<void> Program::end() {
  co_await take_down();
  state_ = State::ended;
}

void Program::stop() {
  MAILROOT_ASSERT(state_ == State::up, "only what is up is stopped");
  state_ = State::stopping;
  control_->post([this] { work_->spawn(end()); });
}

void Program::clear() {
  MAILROOT_ASSERT(state_ == State::ended && work_->running() == 0, "everything has ended");
  for (reactor::Reactor* reactor : reactors()) world_.detach(*reactor);
  shared_.clear();
  work_.reset();
  burial_.reset();
  shards_.clear();
  control_.reset();
  state_ = State::down;
}

// The dead program's coroutines come to their end without reaching anything (reactor/sim).
task<void> Program::bury() {
  co_await work_->join();
  co_await take_down();
}

void Program::die(bool power_loss) {
  if (state_ == State::down) return;
  if (power_loss) {
    world_.crash();
  } else {
    world_.kill();
  }
  bool is_buried = false;
  control_->post([this, &is_buried] {
    burial_->spawn(bury());
    is_buried = true;
  });
  const auto dead = reactors();
  world_.unwind(dead, [&] { return is_buried && burial_->running() == 0; });
  state_ = State::ended;
  clear();
}

void Program::reload(uint32_t index, std::shared_ptr<const config::VirtualServer> settings) {
  settings_[index] = std::move(settings);
  if (state_ != State::up) return;
  control_->post([this, index] {
    if (state_ != State::up) return;
    for (const auto& shard : shards_) {
      work_->spawn(use_there(*control_, *shard, settings_[index]->id, policy_of(index)));
    }
  });
}

uint64_t Program::queued_messages() const {
  uint64_t messages = 0;
  for (const auto& shard : shards_) {
    for (const auto& settings : settings_) {
      if (ServerShard* found = shard->find(settings->id)) {
        messages += found->dispatcher().queue().counters().messages;
      }
    }
  }
  return messages;
}

uint64_t Program::slab_bytes() const {
  uint64_t bytes = 0;
  for (const auto& shard : shards_) bytes += shard->slabs().used_bytes();
  return bytes;
}

std::vector<std::string> Program::broken_limits() const {
  std::vector<std::string> broken;
  for (uint32_t i = 0; i < shared_.size(); ++i) {
    if (shared_[i] == nullptr || shared_[i]->slots == nullptr) continue;
    const uint64_t inbound = shared_[i]->admission.open();
    if (inbound > settings_[i]->connections_limit) {
      broken.push_back(fmt::format("4: {} connections to {}", inbound, settings_[i]->id));
    }
    uint64_t outbound = 0;
    std::map<std::string, uint32_t> per_destination;
    for (const auto& shard : shards_) {
      ServerShard* found = shard->find(settings_[i]->id);
      if (found == nullptr) continue;
      outbound += found->deliver_counters().connections_open.load();
      for (const auto& view : found->dispatcher().queue().destinations(0, 100).entries) {
        if (view.key != "drop") per_destination[view.key] += view.connections;
      }
    }
    for (const auto& [key, connections] : per_destination) {
      if (connections <= kPerDestinationMax) continue;
      broken.push_back(fmt::format("4: {} connections to {}", connections, key));
    }
    if (outbound > settings_[i]->delivery.outbound_connections) {
      broken.push_back(fmt::format("4: {} connections out of {}", outbound, settings_[i]->id));
    }
  }
  for (const auto& shard : shards_) {
    if (shard->slabs().used_bytes() > scenario_.slab_budget_bytes) {
      broken.push_back("4: more memory for bodies than the budget");
    }
  }
  return broken;
}

std::string Program::describe() const {
  std::string text;
  for (const auto& shard : shards_) {
    for (const auto& settings : settings_) {
      ServerShard* found = shard->find(settings->id);
      if (found == nullptr) continue;
      const auto& queue = found->dispatcher().queue();
      for (const auto& message : queue.list(0, 20).entries) {
        text += fmt::format("  {} at {}: {} state {} attempts {} to {}\n", to_string(message.id),
                            shard->index(), settings->id, static_cast<int>(message.state),
                            message.attempts, message.destination);
      }
    }
  }
  return text;
}

}  // namespace mailroot::simtest
