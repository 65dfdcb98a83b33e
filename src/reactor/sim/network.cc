#include "network.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "limits.h"
#include "world_state.h"

namespace mailroot::reactor::sim {

namespace {

constexpr uint64_t kNetworkStream = 2;
constexpr size_t kTinySegmentMax = 3;

bool is_armed_with(const std::optional<Armed>& armed, const SimBackend& backend, OperationRef ref) {
  return armed.has_value() && armed->backend == backend.number() && armed->ref.slot == ref.slot;
}

}  // namespace

Network::Network(WorldState& world, uint64_t seed) : world_(world), random_(seed, kNetworkStream) {}

bool Network::handles(Opcode opcode) { return opcode < Opcode::close; }

Duration Network::latency() {
  const Faults& faults = world_.faults;
  return random_.between(faults.network_latency_min, faults.network_latency_max);
}

void Network::complete(const Armed& armed, int32_t result) {
  SimBackend* backend = world_.find_backend(armed.backend);
  if (backend != nullptr) backend->complete(armed.ref, result);
}

void Network::submit(SimBackend& backend, OperationRef ref) {
  Operation& operation = *backend.find(ref);
  if (operation.opcode == Opcode::connect) return connect(backend, ref);
  const Handle* handle = backend.process().find(operation.descriptor);
  if (handle == nullptr) return backend.complete(ref, -EBADF);
  const SocketPointer socket = handle->socket;
  const Armed armed{backend.number(), ref};
  if (operation.opcode == Opcode::poll && socket == nullptr) {
    return backend.complete(ref, static_cast<int32_t>(operation.flags & (POLLIN | POLLOUT)));
  }
  if (socket == nullptr) return backend.complete(ref, -ENOTSOCK);
  switch (operation.opcode) {
    case Opcode::accept:
      if (socket->state != Socket::State::listening) return backend.complete(ref, -EINVAL);
      MAILROOT_ASSERT(!socket->accept.has_value(), "one accept at a time");
      socket->accept = armed;
      return pump_accepts(socket);
    case Opcode::receive:
      if (socket->state != Socket::State::connected) return backend.complete(ref, -ENOTCONN);
      MAILROOT_ASSERT(!socket->receive.has_value(), "one receive at a time");
      socket->receive = armed;
      return deliver(socket);
    case Opcode::send:
      return start_send(backend, ref, socket);
    case Opcode::poll:
      socket->polls.push_back(armed);
      return answer_polls(socket);
    default:
      if (socket->state != Socket::State::connected) return backend.complete(ref, -ENOTCONN);
      if (!socket->shut) send_end(socket);
      return backend.complete(ref, 0);
  }
}

void Network::cancel(SimBackend& backend, OperationRef ref) {
  const Operation& operation = *backend.find(ref);
  if (operation.opcode != Opcode::connect) {
    const Handle* handle = backend.process().find(operation.descriptor);
    if (handle == nullptr || handle->socket == nullptr) return;
    Socket& socket = *handle->socket;
    if (is_armed_with(socket.accept, backend, ref)) socket.accept.reset();
    if (is_armed_with(socket.receive, backend, ref)) socket.receive.reset();
    std::erase_if(socket.polls,
                  [&](const Armed& armed) { return is_armed_with(armed, backend, ref); });
    std::erase_if(socket.sends,
                  [&](const PendingSend& send) { return is_armed_with(send.armed, backend, ref); });
  }
  backend.complete(ref, -ECANCELED);
}

void Network::start_send(SimBackend& backend, OperationRef ref, const SocketPointer& socket) {
  const Operation& operation = *backend.find(ref);
  if (socket->error != 0 || socket->shut) return backend.complete(ref, -EPIPE);
  if (socket->state != Socket::State::connected) return backend.complete(ref, -ENOTCONN);
  PendingSend send;
  send.armed = {backend.number(), ref};
  for (const iovec& buffer : operation.buffers) {
    const auto* data = static_cast<const std::byte*>(buffer.iov_base);
    send.bytes.insert(send.bytes.end(), data, data + buffer.iov_len);
  }
  const Faults& faults = world_.faults;
  if (random_.chance(faults.tiny_segments)) {
    send.segment_max = kTinySegmentMax;
  } else if (random_.chance(faults.cut_segments)) {
    send.segment_max = random_.between(1, send.bytes.size() + 1);
  }
  if (random_.chance(faults.reset)) send.break_at = random_.below(send.bytes.size() + 1);
  socket->sends.push_back(std::move(send));
  pump_sends(socket);
}

size_t Network::space_towards(const Socket& to) const {
  const size_t used = to.arrived.size() + to.under_way_bytes;
  const size_t capacity = world_.options.socket_buffer_bytes;
  return used >= capacity ? 0 : capacity - used;
}

void Network::pump_sends(const SocketPointer& socket) {
  while (!socket->sends.empty()) {
    const SocketPointer to = socket->other.lock();
    if (to == nullptr) return break_now(socket, ECONNRESET);  // the peer is long gone
    PendingSend& send = socket->sends.front();
    const size_t until = std::min(send.bytes.size(), send.break_at);
    while (send.done < until) {
      size_t part = std::min(until - send.done, space_towards(*to));
      if (part == 0) return;  // goes on when the peer has read
      part = std::min<size_t>(part, random_.between(1, send.segment_max));
      const auto first = send.bytes.begin() + static_cast<ptrdiff_t>(send.done);
      send_segment(socket, to, {first, first + static_cast<ptrdiff_t>(part)});
      send.done += part;
    }
    if (send.break_at <= send.bytes.size()) {
      break_later(to, latency());
      return break_now(socket, ECONNRESET);
    }
    const Armed armed = send.armed;
    const auto count = static_cast<int32_t>(send.bytes.size());
    socket->sends.pop_front();
    complete(armed, count);
  }
}

// Segments of one direction never overtake each other.
Instant Network::next_arrival(const SocketPointer& to) {
  Duration delay = latency();
  if (random_.chance(world_.faults.stall)) {
    delay += random_.between(Duration{}, world_.faults.stall_max);
  }
  to->last_arrival = std::max(to->last_arrival, world_.scheduler.now() + delay);
  return to->last_arrival;
}

void Network::send_segment(const SocketPointer&, const SocketPointer& to,
                           std::vector<std::byte> bytes) {
  to->under_way_bytes += bytes.size();
  world_.scheduler.at(next_arrival(to), [this, to, bytes = std::move(bytes)]() mutable {
    segment_arrives(to, std::move(bytes));
  });
}

void Network::segment_arrives(const SocketPointer& to, std::vector<std::byte> bytes) {
  to->under_way_bytes -= bytes.size();
  if (to->deaf || to->error != 0) return;
  if (to->state == Socket::State::closed) {
    const SocketPointer from = to->other.lock();
    if (from != nullptr) break_later(from, latency());
    return;
  }
  to->arrived.insert(to->arrived.end(), bytes.begin(), bytes.end());
  deliver(to);
  answer_polls(to);
}

void Network::send_end(const SocketPointer& from) {
  from->shut = true;
  const SocketPointer to = from->other.lock();
  if (to == nullptr) return;
  world_.scheduler.at(next_arrival(to), [this, to] {
    if (to->deaf) return;
    to->end_arrived = true;
    deliver(to);
    answer_polls(to);
  });
}

void Network::deliver(const SocketPointer& socket) {
  bool took = false;
  while (socket->receive.has_value() && !socket->arrived.empty()) {
    SimBackend* backend = world_.find_backend(socket->receive->backend);
    MAILROOT_ASSERT(backend != nullptr, "an armed receive has its backend");
    if (socket->last_wait != backend->wait_number()) socket->units_given = 0;
    socket->last_wait = backend->wait_number();
    if (socket->units_given >= kUnitsPerWait) {
      backend->deliver_later(socket);
      break;
    }
    const int32_t unit = backend->take_buffer(socket);
    if (unit < 0) break;
    ++socket->units_given;
    const MutableBytes into = backend->buffer(unit);
    const size_t count = std::min(into.size(), socket->arrived.size());
    const auto end = socket->arrived.begin() + static_cast<ptrdiff_t>(count);
    std::copy(socket->arrived.begin(), end, into.begin());
    socket->arrived.erase(socket->arrived.begin(), end);
    backend->complete_more(socket->receive->ref, static_cast<int32_t>(count), unit);
    took = true;
  }
  if (socket->receive.has_value() && socket->arrived.empty() &&
      (socket->error != 0 || socket->end_arrived)) {
    const Armed armed = *socket->receive;
    socket->receive.reset();
    complete(armed, -socket->error);
  }
  const SocketPointer from = socket->other.lock();
  if (took && from != nullptr) {
    pump_sends(from);
    answer_polls(from);
  }
}

void Network::break_later(const SocketPointer& socket, Duration delay) {
  world_.scheduler.after(delay, [this, socket] { break_now(socket, ECONNRESET); });
}

void Network::break_now(const SocketPointer& socket, int error) {
  if (socket->error != 0 || socket->state != Socket::State::connected) return;
  socket->error = error;
  const std::deque<PendingSend> sends = std::exchange(socket->sends, {});
  for (const PendingSend& send : sends) complete(send.armed, -error);
  deliver(socket);
  answer_polls(socket);
}

void Network::close(const SocketPointer& socket) {
  MAILROOT_ASSERT(!socket->accept.has_value() && !socket->receive.has_value() &&
                      socket->sends.empty() && socket->polls.empty(),
                  "a socket is closed after its operations ended: a kernel keeps it open else");
  const bool unread = !socket->arrived.empty();
  const SocketPointer to = socket->other.lock();
  if (to != nullptr && socket->error == 0) {
    if (unread) {
      break_later(to, latency());
    } else if (!socket->shut) {
      send_end(socket);
    }
  }
  for (const SocketPointer& never_accepted : socket->waiting) {
    never_accepted->state = Socket::State::closed;
    const SocketPointer client = never_accepted->other.lock();
    if (client != nullptr) break_later(client, latency());
  }
  socket->waiting.clear();
  socket->arrived.clear();
  socket->state = Socket::State::closed;
}

void Network::abandon(const SocketPointer& socket, bool power_loss) {
  socket->accept.reset();
  socket->receive.reset();
  socket->sends.clear();
  socket->polls.clear();
  if (!power_loss) return close(socket);
  socket->state = Socket::State::closed;
  std::vector<SocketPointer> peers = {socket->other.lock()};
  for (const SocketPointer& waiting : socket->waiting) {
    waiting->state = Socket::State::closed;
    peers.push_back(waiting->other.lock());
  }
  socket->waiting.clear();
  for (const SocketPointer& peer : peers) {
    if (peer == nullptr) continue;
    // What was sent just before may arrive or not; then the rebooted machine answers with a reset.
    peer->deaf = random_.chance(0.5);
    break_later(peer, latency() + random_.between(Duration{}, std::chrono::seconds(2)));
  }
}

uint32_t Network::poll_events(const Socket& socket) const {
  uint32_t events = 0;
  if (!socket.waiting.empty() || !socket.arrived.empty() || socket.end_arrived) events |= POLLIN;
  if (socket.error != 0) events |= POLLIN | POLLOUT | POLLERR | POLLHUP;
  if (socket.state != Socket::State::connected) return events;
  const SocketPointer to = socket.other.lock();
  if (to == nullptr || space_towards(*to) > 0) events |= POLLOUT;
  if (socket.end_arrived && socket.shut) events |= POLLHUP;
  return events;
}

void Network::answer_polls(const SocketPointer& socket) {
  const uint32_t events = poll_events(*socket);
  const std::vector<Armed> polls = std::exchange(socket->polls, {});
  for (const Armed& armed : polls) {
    SimBackend* backend = world_.find_backend(armed.backend);
    if (backend == nullptr) continue;
    const uint32_t wanted = backend->find(armed.ref)->flags | POLLERR | POLLHUP;
    if ((events & wanted) == 0) {
      socket->polls.push_back(armed);
    } else {
      backend->complete(armed.ref, static_cast<int32_t>(events & wanted));
    }
  }
}

void Network::reset_all() {
  for (const std::weak_ptr<Socket>& weak : connections_) {
    const SocketPointer socket = weak.lock();
    if (socket != nullptr) break_now(socket, ECONNRESET);
  }
}

size_t Network::open_connections() {
  std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
  return static_cast<size_t>(std::ranges::count_if(connections_, [](const auto& weak) {
    return weak.lock()->state == Socket::State::connected;
  }));
}

}  // namespace mailroot::reactor::sim
