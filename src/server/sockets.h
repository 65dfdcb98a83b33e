// Listening sockets before they listen: bound for every shard, or the sentence why not.
#pragma once

#include <expected>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "mailroot/config/binding_table.h"
#include "mailroot/reactor/reactor.h"

namespace mailroot::server {

struct PreparedSockets {
  // One list per shard: one socket, or two for the wildcard (0.0.0.0 and [::], decisions 4).
  std::vector<std::vector<reactor::Descriptor>> per_shard;
};

// Knows which listening sockets of this machine are ours.
class SocketMaker {
 public:
  explicit SocketMaker(reactor::Reactor& control) : control_(control) {}

  // Binds `key` for `shards` shards without listening (decisions 5). A socket that is bound but
  // does not listen takes no connections, so this can be undone without loss.
  std::expected<PreparedSockets, std::string> prepare(const config::BindingKey& key,
                                                      uint32_t shards);
  void discard(const config::BindingKey& key, const PreparedSockets& sockets);
  // The key's sockets were closed by their shards.
  void forget(const config::BindingKey& key) { inodes_.erase(key); }

 private:
  result<void> bind_all(const SocketAddress& address, uint32_t shards, PreparedSockets& out);
  bool is_ours(uint64_t inode) const;

  reactor::Reactor& control_;
  std::map<config::BindingKey, std::set<uint64_t>> inodes_;
};

}  // namespace mailroot::server
