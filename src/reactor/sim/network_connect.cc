// Binding, listening and making connections.
#include <algorithm>
#include <cerrno>

#include "network.h"
#include "world_state.h"

namespace mailroot::reactor::sim {

namespace {

constexpr std::chrono::seconds kSynRetry{1};

// Where connections of the outside come from when nothing else is asked for.
IpAddress outside_address(IpFamily family) {
  return family == IpFamily::v4 ? IpAddress::v4(0xCB007101)  // 203.0.113.1
                                : *IpAddress::parse("2001:db8:ffff::1");
}

}  // namespace

bool Network::is_of_machine(const IpAddress& address) const {
  return address.is_loopback() ||
         std::ranges::find(world_.options.addresses, address) != world_.options.addresses.end();
}

// The address a connection to `peer` comes from when nothing else is asked for.
IpAddress Network::own_address(const Process& process, const IpAddress& peer) const {
  if (process.is_outside) return outside_address(peer.family());
  if (peer.is_loopback()) return peer;
  for (const IpAddress& ours : world_.options.addresses) {
    if (ours.family() == peer.family()) return ours;
  }
  return IpAddress::any(peer.family());
}

result<Descriptor> Network::bind(Process& process, const SocketAddress& address,
                                 const ListenOptions& options) {
  const bool ours = is_of_machine(address.ip);
  if (!address.ip.is_any() && ours == process.is_outside) {
    return fail(Errc::address_missing, EADDRNOTAVAIL);
  }
  std::erase_if(bound_, [](const auto& weak) {
    const SocketPointer socket = weak.lock();
    return socket == nullptr || socket->state == Socket::State::closed;
  });
  SocketAddress wanted = address;
  if (wanted.port == 0) wanted.port = next_port_++;
  for (const std::weak_ptr<Socket>& weak : bound_) {
    const SocketPointer there = weak.lock();
    const bool same = there->local == wanted && there->is_outside == process.is_outside;
    if (same && !(there->reuse_port && options.reuse_port)) {
      return fail(Errc::address_in_use, EADDRINUSE);
    }
  }
  const auto socket = std::make_shared<Socket>();
  socket->is_outside = process.is_outside;
  socket->reuse_port = options.reuse_port;
  socket->v6_only = options.v6_only;
  socket->local = wanted;
  const Descriptor descriptor = process.add({kNoInode, 0, -1, socket});
  if (descriptor < 0) return fail(Errc::too_many_files, EMFILE);
  bound_.push_back(socket);
  return descriptor;
}

result<void> Network::listen(Process& process, Descriptor descriptor, int backlog) {
  const Handle* handle = process.find(descriptor);
  if (handle == nullptr || handle->socket == nullptr) return fail(Errc::invalid, EBADF);
  handle->socket->state = Socket::State::listening;
  handle->socket->backlog = static_cast<size_t>(std::max(backlog, 1));
  return {};
}

// The specific address wins over the wildcard; among equals, as SO_REUSEPORT does, any.
Network::SocketPointer Network::find_listener(const SocketAddress& address) {
  const bool outside = !is_of_machine(address.ip);
  std::vector<SocketPointer> exact;
  std::vector<SocketPointer> wildcard;
  for (const std::weak_ptr<Socket>& weak : bound_) {
    const SocketPointer socket = weak.lock();
    if (socket == nullptr || socket->state != Socket::State::listening) continue;
    if (socket->is_outside != outside || socket->local.port != address.port) continue;
    const IpAddress& local = socket->local.ip;
    const bool covers = local.family() == address.ip.family() ||
                        (local.family() == IpFamily::v6 && !socket->v6_only);
    if (local == address.ip) {
      exact.push_back(socket);
    } else if (local.is_any() && covers) {
      wildcard.push_back(socket);
    }
  }
  const std::vector<SocketPointer>& group = exact.empty() ? wildcard : exact;
  return group.empty() ? nullptr : group[random_.below(group.size())];
}

void Network::connect(SimBackend& backend, OperationRef ref) {
  Process& process = backend.process();
  const Operation& operation = *backend.find(ref);
  const auto client = std::make_shared<Socket>();
  client->is_outside = process.is_outside;
  client->state = Socket::State::connecting;
  client->peer = *operation.address;
  if (operation.local_address != nullptr) {
    client->local = *operation.local_address;
    const IpAddress& ip = client->local.ip;
    if (!ip.is_any() && is_of_machine(ip) == process.is_outside) {
      return backend.complete(ref, -EADDRNOTAVAIL);
    }
  }
  if (operation.local_address == nullptr || client->local.ip.is_any()) {
    client->local.ip = own_address(process, client->peer.ip);
  }
  if (client->local.port == 0) client->local.port = next_port_++;
  if (next_port_ > kLastEphemeralPort) next_port_ = kFirstEphemeralPort;
  const Descriptor descriptor = process.add({kNoInode, 0, -1, client});
  if (descriptor < 0) return backend.complete(ref, descriptor);

  const Faults& faults = world_.faults;
  const IpAddress& to = client->peer.ip;
  const Armed armed{backend.number(), ref};
  const Instant give_up = world_.scheduler.now() + kConnectPatience;
  int error = 0;
  if (random_.chance(faults.refused)) error = ECONNREFUSED;
  if (random_.chance(faults.unroutable) || unroutable_.contains(to)) error = EHOSTUNREACH;
  if (random_.chance(faults.unanswered) || unanswered_.contains(to)) error = ETIMEDOUT;
  const Instant when = error == ETIMEDOUT ? give_up : world_.scheduler.now() + latency();
  world_.scheduler.at(when, [=, this] {
    if (error != 0) return end_connect(armed, descriptor, -error);
    connect_arrives(armed, descriptor, client, give_up);
  });
}

void Network::connect_arrives(const Armed& armed, Descriptor descriptor,
                              const SocketPointer& client, Instant give_up) {
  SimBackend* backend = world_.find_backend(armed.backend);
  if (backend == nullptr || backend->find(armed.ref) == nullptr) {
    return end_connect(armed, descriptor, -ECANCELED);
  }
  const SocketPointer listener = find_listener(client->peer);
  if (listener == nullptr) return end_connect(armed, descriptor, -ECONNREFUSED);
  if (listener->waiting.size() < listener->backlog) {
    return establish(armed, descriptor, client, listener);
  }
  // A full backlog drops the SYN; the client tries again.
  const Instant retry = world_.scheduler.now() + kSynRetry;
  if (retry > give_up) return end_connect(armed, descriptor, -ETIMEDOUT);
  world_.scheduler.at(retry, [=, this] { connect_arrives(armed, descriptor, client, give_up); });
}

void Network::establish(const Armed& armed, Descriptor descriptor, const SocketPointer& client,
                        const SocketPointer& listener) {
  const auto server = std::make_shared<Socket>();
  server->is_outside = listener->is_outside;
  server->state = client->state = Socket::State::connected;
  server->local = client->peer;
  server->peer = client->local;
  server->other = client;
  client->other = server;
  connections_.push_back(client);
  connections_.push_back(server);
  listener->waiting.push_back(server);
  pump_accepts(listener);
  answer_polls(listener);
  world_.scheduler.after(latency(), [=, this] { end_connect(armed, descriptor, descriptor); });
}

// Reports the connection, or frees its descriptor: also when the operation was called off while
// the handshake went on.
void Network::end_connect(const Armed& armed, Descriptor descriptor, int32_t result) {
  SimBackend* backend = world_.find_backend(armed.backend);
  if (backend == nullptr || !backend->process().is_alive) return;
  if (result < 0 || backend->find(armed.ref) == nullptr) {
    Handle* handle = backend->process().find(descriptor);
    MAILROOT_ASSERT(handle != nullptr, "a connecting socket holds its descriptor");
    const SocketPointer socket = std::exchange(*handle, Handle{}).socket;
    close(socket);
  }
  backend->complete(armed.ref, result);
}

void Network::pump_accepts(const SocketPointer& listener) {
  while (listener->accept.has_value() && !listener->waiting.empty()) {
    const Armed armed = *listener->accept;
    SimBackend* backend = world_.find_backend(armed.backend);
    MAILROOT_ASSERT(backend != nullptr, "an armed accept has its backend");
    const Descriptor descriptor =
        backend->process().add({kNoInode, 0, -1, listener->waiting.front()});
    if (descriptor < 0) {
      listener->accept.reset();
      return complete(armed, descriptor);
    }
    listener->waiting.pop_front();
    backend->complete_more(armed.ref, descriptor, -1);
  }
}

}  // namespace mailroot::reactor::sim
