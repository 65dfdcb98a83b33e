// The program under test, one generation after the other: shards with everything they own, on the
// simulator's backends. What server/Supervisor does with threads is done here without.
//
//   down --start()--> starting --> up --stop()--> stopping --> ended
//                        '--> ended (could not start)             | clear()
//   any --die()--> down                                           v
//                                                                down
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mailroot/reactor/sim.h"
#include "mailroot/server/shard.h"
#include "scenario.h"
#include "server_shard.h"

namespace mailroot::simtest {

class Program {
 public:
  enum class State : uint8_t { down, starting, up, stopping, ended };

  Program(reactor::sim::World& world, const Scenario& scenario, log::Sink& sink);
  ~Program();

  State state() const { return state_; }
  const std::string& trouble() const { return trouble_; }  // why it could not start
  void start();
  void stop();
  void clear();  // ended -> down
  // Power loss or kill -9. Afterwards it is down.
  void die(bool power_loss);
  void reload(uint32_t server, std::shared_ptr<const config::VirtualServer> settings);

  // While up.
  uint64_t queued_messages() const;
  uint64_t slab_bytes() const;
  std::vector<std::string> broken_limits() const;
  std::string describe() const;

 private:
  reactor::task<void> begin();
  reactor::task<bool> begin_server(uint32_t index);
  reactor::task<void> end();
  reactor::task<void> bury();
  reactor::task<void> take_down();
  server::Policy policy_of(uint32_t index) const;
  void make_reactors();
  std::vector<reactor::Reactor*> reactors() const;

  reactor::sim::World& world_;
  const Scenario& scenario_;
  log::Sink& sink_;
  State state_ = State::down;
  std::string trouble_;
  std::vector<std::shared_ptr<const config::VirtualServer>> settings_;  // survive, as files would
  std::unique_ptr<reactor::Reactor> control_;
  std::unique_ptr<reactor::TaskGroup> work_;
  std::unique_ptr<reactor::TaskGroup> burial_;
  std::vector<std::unique_ptr<server::Shard>> shards_;
  std::vector<std::shared_ptr<server::ServerShared>> shared_;
};

}  // namespace mailroot::simtest
