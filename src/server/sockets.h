// Listening sockets before they listen: bound for every shard, or the sentence why not.
#pragma once

#include <expected>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "mailroot/config/binding_table.h"
#include "mailroot/config/proc_net.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/server/socket_store.h"

namespace mailroot::server {

struct PreparedSockets {
  // One list per shard: one socket, or two for the wildcard (0.0.0.0 and [::], decisions 4).
  std::vector<std::vector<reactor::Descriptor>> per_shard;
};

// Knows which listening sockets of this machine are ours. SO_REUSEPORT would silently share a port
// with another process of the same user, a second mailrootd for one: the kernel cannot be asked,
// its tables can (decisions 6).
class SocketMaker {
 public:
  explicit SocketMaker(reactor::Reactor& control) : control_(control) {}

  // Takes over listening sockets of the process before this one: prepare() uses them before it
  // makes new ones, so that who waits at them is served.
  void inherit(std::vector<KeptSocket> kept);
  // Closes those that no binding wanted; who waits there is answered with 421. Their names.
  reactor::task<std::set<std::string>> close_unwanted();

  // Looks who else listens on this machine; what follows goes by it.
  void look();
  // The sentence why another program is in the way, by the last look; "" when none is.
  std::string why_taken(const config::BindingKey& key) const;
  // The same for a key we listen at, when the other came first: two that began at one moment could
  // not see each other, and one of them has to give way.
  std::string why_lost(const config::BindingKey& key) const;
  // Binds `key` for `shards` shards without listening (decisions 5). A socket that is bound but
  // does not listen takes no connections, so this can be undone without loss.
  std::expected<PreparedSockets, std::string> prepare(const config::BindingKey& key,
                                                      uint32_t shards);
  void discard(const config::BindingKey& key, const PreparedSockets& sockets);
  // The key's sockets were closed by their shards.
  void forget(const config::BindingKey& key);

 private:
  result<void> bind_all(const SocketAddress& address, uint32_t shards, PreparedSockets& out);
  void add_inherited(const SocketAddress& address, PreparedSockets& out);

  reactor::Reactor& control_;
  std::map<config::BindingKey, std::vector<uint64_t>> inodes_;
  std::set<uint64_t> ours_;  // all of them
  std::vector<config::ListeningSocket> foreign_;
  std::multimap<SocketAddress, KeptSocket> inherited_;
};

}  // namespace mailroot::server
