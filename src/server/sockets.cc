#include "sockets.h"

#include <sys/stat.h>

#include <algorithm>

#include "mailroot/config/proc_net.h"

namespace mailroot::server {

namespace {

uint64_t inode_of(reactor::Descriptor socket) {
  struct stat status{};
  return fstat(socket, &status) == 0 ? status.st_ino : 0;
}

std::string why(const Error& error, const SocketAddress& address) {
  switch (error.code) {
    case Errc::address_in_use:
      return "port " + std::to_string(address.port) + " at " + address.ip.to_string() +
             " is in use by another program";
    case Errc::address_missing:
      return "address " + address.ip.to_string() + " is not on this machine";
    case Errc::permission:
      return "no permission to listen at port " + std::to_string(address.port) +
             ": ports below 1024 need CAP_NET_BIND_SERVICE (the packaged service has it)";
    default:
      return "cannot listen at " + address.to_string() + ": " + std::string(describe(error.code));
  }
}

// Would a listener at `other` share or steal the clients of `address`?
bool collides(const config::ListeningSocket& other, const SocketAddress& address) {
  if (other.address.port != address.port || other.family != address.ip.family()) return false;
  return other.address.ip == address.ip;
}

}  // namespace

bool SocketMaker::is_ours(uint64_t inode) const {
  return std::any_of(inodes_.begin(), inodes_.end(),
                     [inode](const auto& entry) { return entry.second.contains(inode); });
}

result<void> SocketMaker::bind_all(const SocketAddress& address, uint32_t shards,
                                   PreparedSockets& out) {
  auto& backend = control_.backend();
  for (uint32_t shard = 0; shard < shards; ++shard) {
    const auto socket = backend.bind_socket(address, reactor::ListenOptions{});
    if (!socket) return std::unexpected(socket.error());
    out.per_shard[shard].push_back(*socket);
  }
  return {};
}

std::expected<PreparedSockets, std::string> SocketMaker::prepare(const config::BindingKey& key,
                                                                 uint32_t shards) {
  std::vector<SocketAddress> addresses;
  if (key.address) {
    addresses.push_back({*key.address, key.port});
  } else {
    addresses.push_back({IpAddress::any(IpFamily::v4), key.port});
    addresses.push_back({IpAddress::any(IpFamily::v6), key.port});
  }
  // SO_REUSEPORT would silently share the port with another process of the same user, a second
  // mailrootd for one: the kernel cannot be asked, its tables can (decisions 6).
  const auto listening = config::listening_sockets();
  PreparedSockets prepared;
  prepared.per_shard.resize(shards);
  for (const SocketAddress& address : addresses) {
    for (const config::ListeningSocket& other : listening) {
      if (!collides(other, address) || is_ours(other.inode)) continue;
      discard(key, prepared);
      return std::unexpected(why(Error{Errc::address_in_use}, address));
    }
    const auto bound = bind_all(address, shards, prepared);
    // A machine without IPv6 has no [::] to claim; its wildcard is 0.0.0.0 alone.
    const bool no_ipv6_here =
        !bound && key.is_wildcard() && address.ip.family() == IpFamily::v6 &&
        (bound.error().code == Errc::unsupported || bound.error().code == Errc::address_missing);
    if (bound || no_ipv6_here) continue;
    discard(key, prepared);
    return std::unexpected(why(bound.error(), address));
  }
  for (const auto& sockets : prepared.per_shard) {
    for (const reactor::Descriptor socket : sockets) inodes_[key].insert(inode_of(socket));
  }
  return prepared;
}

void SocketMaker::discard(const config::BindingKey& key, const PreparedSockets& sockets) {
  for (const auto& of_shard : sockets.per_shard) {
    for (const reactor::Descriptor socket : of_shard) control_.close(socket);
  }
  inodes_.erase(key);
}

}  // namespace mailroot::server
