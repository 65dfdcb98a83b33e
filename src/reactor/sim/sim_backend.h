// Backend of one shard in a simulated world.
#pragma once

#include <deque>
#include <vector>

#include "mailroot/reactor/backend.h"
#include "process.h"
#include "random.h"

namespace mailroot::reactor::sim {

struct WorldState;

// Names an operation in flight; stale after its last completion.
struct OperationRef {
  uint32_t slot = UINT32_MAX;
  uint32_t generation = 0;
};

class SimBackend final : public Backend {
 public:
  SimBackend(WorldState& world, std::shared_ptr<Process> process, uint32_t number,
             uint64_t seed_stream);
  ~SimBackend() override;

  void submit(Operation& operation) override;
  void cancel(Operation& operation) override;
  void wait(Instant until, std::vector<Completion>& ready) override;
  void wake() override { woken_ = true; }
  Instant now() const override;
  WallTime wall_now() const override;
  uint64_t random() override { return random_.next(); }
  MutableBytes buffer(int32_t index) override;
  void release_buffer(int32_t index) override;
  result<Descriptor> bind_socket(const SocketAddress& address,
                                 const ListenOptions& options) override;
  result<void> listen(Descriptor socket, int backlog) override;
  result<SocketAddress> local_address(Descriptor socket) override;
  result<SocketAddress> peer_address(Descriptor socket) override;
  void set_no_delay(Descriptor) override {}
  result<Descriptor> make_name_watch() override { return fail(Errc::unsupported); }
  result<int> watch_directory(Descriptor, Descriptor) override { return fail(Errc::unsupported); }
  void unwatch_directory(Descriptor, int) override {}
  result<void> read_name_events(Descriptor, std::vector<WatchedName>&) override {
    return fail(Errc::unsupported);
  }
  std::string_view name() const override { return "sim"; }

  // Keeps its world alive until it is gone.
  void own(std::shared_ptr<void> world) { owned_world_ = std::move(world); }

  // For the drivers of disk and network.
  WorldState& world() { return world_; }
  Process& process() { return *process_; }
  uint32_t number() const { return number_; }
  Operation* find(OperationRef ref);  // null when it is over
  bool is_cancelled(OperationRef ref);
  void complete(OperationRef ref, int32_t result);  // its last completion
  void complete_more(OperationRef ref, int32_t result, int32_t buffer);
  // A free unit of the receive pool, or -1; release_buffer() then calls the starved socket.
  int32_t take_buffer(const std::shared_ptr<Socket>& starved);
  // Its receive has had its share of this wait(); more comes with the next, so that whoever does
  // not read can call it off in between.
  void deliver_later(const std::shared_ptr<Socket>& socket) { throttled_.push_back(socket); }
  uint64_t wait_number() const { return wait_number_; }
  std::vector<OperationRef> in_flight() const;
  // The process died: everything in flight ends with -ECANCELED.
  void die();

 private:
  struct Slot {
    Operation* operation = nullptr;
    uint32_t generation = 0;
    bool cancelled = false;
  };
  void carry_time_on(Instant until);

  std::shared_ptr<void> owned_world_;  // first: dies last
  WorldState& world_;
  std::shared_ptr<Process> process_;
  uint32_t number_;
  Random random_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::vector<Completion> ready_;
  std::vector<std::byte> units_;
  std::vector<int32_t> free_units_;
  std::vector<bool> leased_;
  std::deque<std::weak_ptr<Socket>> starved_;
  std::vector<std::weak_ptr<Socket>> throttled_;
  uint64_t wait_number_ = 1;
  bool woken_ = false;
  Instant time_after_death_{};
};

}  // namespace mailroot::reactor::sim
