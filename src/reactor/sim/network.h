// The simulated network: stream sockets of two machines, the one under test and the outside.
// Bytes travel in segments, in order, with latency; at most socket_buffer_bytes of one direction
// are under way or unread. One thread.
//
//   send -> segments under way -> arrived -> receive
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "mailroot/reactor/sim.h"
#include "process.h"
#include "random.h"
#include "sim_backend.h"

namespace mailroot::reactor::sim {

// An operation that waits for something at a socket.
struct Armed {
  uint32_t backend = 0;
  OperationRef ref;
};

struct PendingSend {
  Armed armed;
  std::vector<std::byte> bytes;
  size_t done = 0;
  size_t segment_max = SIZE_MAX;
  size_t break_at = SIZE_MAX;  // the connection breaks after this many bytes
};

struct Socket {
  enum class State : uint8_t { bound, listening, connecting, connected, closed };
  State state = State::bound;
  bool is_outside = false;
  bool reuse_port = false;
  bool v6_only = true;
  SocketAddress local;
  SocketAddress peer;

  size_t backlog = 0;                           // of a listener
  std::deque<std::shared_ptr<Socket>> waiting;  // connected, not accepted yet
  std::optional<Armed> accept;

  std::weak_ptr<Socket> other;
  std::optional<Armed> receive;
  uint64_t last_wait = 0;    // number of the wait() that will report what was delivered last
  uint32_t units_given = 0;  // to it
  std::vector<Armed> polls;
  std::deque<PendingSend> sends;
  std::deque<std::byte> arrived;
  size_t under_way_bytes = 0;  // towards this socket
  Instant last_arrival{};      // here: segments never overtake
  bool end_arrived = false;
  bool shut = false;  // sends no more
  bool deaf = false;  // what is under way is lost
  int error = 0;      // positive errno, for good
};

class Network {
 public:
  Network(WorldState& world, uint64_t seed);

  static bool handles(Opcode opcode);
  void submit(SimBackend& backend, OperationRef ref);
  void cancel(SimBackend& backend, OperationRef ref);
  result<Descriptor> bind(Process& process, const SocketAddress& address,
                          const ListenOptions& options);
  result<void> listen(Process& process, Descriptor descriptor, int backlog);
  void close(const std::shared_ptr<Socket>& socket);
  // The process of this socket died.
  void abandon(const std::shared_ptr<Socket>& socket, bool power_loss);
  // Gives what has arrived to the armed receive.
  void deliver(const std::shared_ptr<Socket>& socket);

  std::set<IpAddress>& unanswered() { return unanswered_; }
  std::set<IpAddress>& unroutable() { return unroutable_; }
  void reset_all();
  size_t open_connections();

 private:
  using SocketPointer = std::shared_ptr<Socket>;

  bool is_of_machine(const IpAddress& address) const;
  IpAddress own_address(const Process& process, const IpAddress& peer) const;
  Duration latency();
  void complete(const Armed& armed, int32_t result);
  void connect(SimBackend& backend, OperationRef ref);
  void connect_arrives(const Armed& armed, Descriptor descriptor, const SocketPointer& client,
                       Instant give_up);
  void establish(const Armed& armed, Descriptor descriptor, const SocketPointer& client,
                 const SocketPointer& listener);
  void end_connect(const Armed& armed, Descriptor descriptor, int32_t result);
  SocketPointer find_listener(const SocketAddress& address);
  void start_send(SimBackend& backend, OperationRef ref, const SocketPointer& socket);
  void pump_accepts(const SocketPointer& listener);
  void pump_sends(const SocketPointer& socket);
  void send_segment(const SocketPointer& from, const SocketPointer& to,
                    std::vector<std::byte> bytes);
  void segment_arrives(const SocketPointer& to, std::vector<std::byte> bytes);
  void send_end(const SocketPointer& from);
  void break_later(const SocketPointer& socket, Duration delay);
  void break_now(const SocketPointer& socket, int error);
  Instant next_arrival(const SocketPointer& to);
  size_t space_towards(const Socket& to) const;
  uint32_t poll_events(const Socket& socket) const;
  void answer_polls(const SocketPointer& socket);

  WorldState& world_;
  Random random_;
  std::vector<std::weak_ptr<Socket>> bound_;
  std::vector<std::weak_ptr<Socket>> connections_;  // in order of making
  std::set<IpAddress> unanswered_;
  std::set<IpAddress> unroutable_;
  uint16_t next_port_ = kFirstEphemeralPort;
};

}  // namespace mailroot::reactor::sim
