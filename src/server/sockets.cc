#include "sockets.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>

#include "limits.h"
#include "mailroot/config/machine_state.h"
#include "mailroot/reactor/streams.h"
#include "mailroot/receive/listener.h"

namespace mailroot::server {

namespace {

uint64_t inode_of(reactor::Descriptor socket) {
  struct stat status{};
  return fstat(socket, &status) == 0 ? status.st_ino : 0;
}

std::string sentence(const config::ListeningSocket& other) {
  const auto program = config::program_with_socket(other.inode);
  return "port " + std::to_string(other.address.port) + " at " + other.address.ip.to_string() +
         " is in use by " + program.value_or("another program");
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

bool listens(reactor::Descriptor socket) {
  int yes = 0;
  socklen_t size = sizeof yes;
  return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) == 0 && yes != 0;
}

reactor::task<void> turn_away(reactor::Reactor& reactor, reactor::Descriptor socket) {
  std::string reply = "421 4.3.2 Service not available, closing transmission channel\r\n";
  const Instant end = reactor.now() + receive::kRetireTime;
  reactor::AcceptStream waiting(reactor, socket);
  while (true) {
    auto connection = co_await waiting.next({end, nullptr});
    if (!connection) break;
    const iovec piece{reply.data(), reply.size()};
    co_await reactor.send(*connection, {&piece, 1}, {end, nullptr});
    co_await reactor.close_now(*connection);
  }
  co_await waiting.stop();
  co_await reactor.close_now(socket);
}

}  // namespace

void SocketMaker::inherit(std::vector<KeptSocket> kept) {
  for (KeptSocket& one : kept) {
    const auto address = control_.backend().local_address(one.socket);
    if (!address || !listens(one.socket)) {
      control_.close(one.socket);
      continue;
    }
    ours_.insert(inode_of(one.socket));
    inherited_.emplace(*address, std::move(one));
  }
}

reactor::task<std::set<std::string>> SocketMaker::close_unwanted() {
  std::set<std::string> names;
  reactor::TaskGroup group;
  for (auto& [address, kept] : inherited_) {
    names.insert(kept.name);
    ours_.erase(inode_of(kept.socket));
    group.spawn(turn_away(control_, kept.socket));
  }
  inherited_.clear();
  co_await group.join();
  co_return names;
}

void SocketMaker::look() {
  foreign_ = config::listening_sockets();
  std::erase_if(foreign_, [this](const auto& socket) { return ours_.contains(socket.inode); });
}

std::string SocketMaker::why_taken(const config::BindingKey& key) const {
  const auto other = config::listener_in_the_way(key, foreign_);
  return other ? sentence(*other) : std::string();
}

std::string SocketMaker::why_lost(const config::BindingKey& key) const {
  const auto other = config::listener_in_the_way(key, foreign_);
  const auto own = inodes_.find(key);
  if (!other || own == inodes_.end()) return {};
  // The other reads the same numbers, so exactly one of us gives way.
  const bool is_older =
      std::ranges::all_of(own->second, [&](const uint64_t inode) { return other->inode < inode; });
  return is_older ? sentence(*other) : std::string();
}

// More than there are shards now: some shards serve two, for each has its own queue of clients.
void SocketMaker::add_inherited(const SocketAddress& address, PreparedSockets& out) {
  const auto [first, last] = inherited_.equal_range(address);
  size_t next = 0;
  for (auto at = first; at != last; ++at) {
    out.per_shard[next++ % out.per_shard.size()].push_back(at->second.socket);
  }
  inherited_.erase(first, last);
}

result<void> SocketMaker::bind_all(const SocketAddress& address, uint32_t shards,
                                   PreparedSockets& out) {
  auto& backend = control_.backend();
  const auto inherited = static_cast<uint32_t>(inherited_.count(address));
  add_inherited(address, out);
  for (uint32_t shard = inherited; shard < shards; ++shard) {
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
  if (std::string taken = why_taken(key); !taken.empty()) return std::unexpected(std::move(taken));
  PreparedSockets prepared;
  prepared.per_shard.resize(shards);
  for (const SocketAddress& address : addresses) {
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
    for (const reactor::Descriptor socket : sockets) {
      inodes_[key].push_back(inode_of(socket));
      ours_.insert(inodes_[key].back());
    }
  }
  return prepared;
}

void SocketMaker::discard(const config::BindingKey& key, const PreparedSockets& sockets) {
  for (const auto& of_shard : sockets.per_shard) {
    for (const reactor::Descriptor socket : of_shard) control_.close(socket);
  }
  forget(key);
}

void SocketMaker::forget(const config::BindingKey& key) {
  for (const uint64_t inode : inodes_[key]) ours_.erase(inode);
  inodes_.erase(key);
}

}  // namespace mailroot::server
