// BindingTable: the only place that knows which virtual server listens where (decisions 1-6), and
// the plan that leads from one table to the next. Pure values; made on the control thread, read by
// every shard. Table and plan know servers by id.
//
//   plan = plan_reload(table, snapshot, conditions)
//   prepare: bind plan's opens; those that fail go into conditions.cannot_open -> plan again
//   commit:  listen, hand sockets over, drain and close; table = plan.next
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/address.h"
#include "mailroot/config/snapshot.h"

namespace mailroot::config {

// Canonical (address, port). Nothing = all unassigned: the wildcard sockets 0.0.0.0 and [::].
struct BindingKey {
  std::optional<IpAddress> address;
  uint16_t port = 0;
  bool is_wildcard() const { return !address.has_value(); }
  std::string to_string() const;  // "all-unassigned:25", "192.0.2.1:25", "[::1]:25"
  friend auto operator<=>(const BindingKey&, const BindingKey&) = default;
};
BindingKey key_of(const Binding& binding);

enum class Standing : uint8_t {
  listening,  // runs (started or paused): holds its sockets
  failed,     // should run and cannot; tried again at each reload
  stopped,    // by an administrator, or autostart is off; stays so until told to start
};

class BindingTable {
 public:
  struct Server {
    Standing standing = Standing::stopped;
    // What it claims: of a listening server what it listens on, of the others what they would.
    std::vector<Binding> bindings;
    std::string digest;          // VirtualServer::content_digest it runs with
    std::string home_directory;  // it runs in
    std::string reason;          // failed: why; listening: why its new bindings were not taken
  };
  struct Owner {
    std::string_view server;  // id; valid as long as the table
    bool listening = false;
  };

  // Whose client is somebody who connects to this local address? Specific claims come before the
  // wildcard's, listening ones before those of stopped servers. Wildcard listeners ask this for
  // every connection: another owner means 421 (decisions 4). Nothing: nobody claims it.
  std::optional<Owner> owner_of(const IpAddress& local_address, uint16_t port) const;
  // Who holds the socket of this key, own or adopted; empty when nobody listens there.
  std::string_view holder_of(const BindingKey& key) const;

  const std::map<std::string, Server>& servers() const { return servers_; }
  // Every listening socket and its holder; a holder that does not claim the key has adopted it.
  const std::map<BindingKey, std::string>& sockets() const { return sockets_; }

 private:
  friend class ReloadPlanner;
  void index_claims();

  std::map<std::string, Server> servers_;
  std::map<BindingKey, std::string> sockets_;
  std::map<BindingKey, std::string> claims_;  // -> id of the owner
};

// What the caller knows or wants beyond the two tables.
struct PlanConditions {
  std::set<std::string> start;  // told to start
  std::set<std::string> stop;   // told to stop
  // id -> reason. A server that does not run stays so; one that runs keeps its old bindings.
  std::map<std::string, std::string> cannot_start;
  // id -> reason. As before, and one that runs is stopped (its home is lost).
  std::map<std::string, std::string> must_stop;
  std::map<BindingKey, std::string> cannot_open;  // -> reason (busy port, address missing)
};

enum class ServerAction : uint8_t {
  start,         // not running, will
  keep,          // running, nothing changed (it may still adopt or hand over sockets)
  retune,        // running, new settings or bindings
  stop,          // running, removed, told to stop, or it must (then with the reason)
  cannot_start,  // not running, should, reason says why not
  stay_stopped,  // not running and not asked to
  forget,        // not running, removed from the configuration
};
std::string_view to_string(ServerAction action);

struct ServerPlan {
  struct Adoption {
    BindingKey key;
    std::string from;  // the server that holds the socket now
  };
  std::string server;
  ServerAction action = ServerAction::stay_stopped;
  // cannot_start: why. keep and retune: why it keeps its old bindings although the file asks for
  // others (flagged); the other settings are the new ones.
  std::string reason;
  bool home_changed = false;          // runs, and the file names another home directory
  std::vector<BindingKey> keep;       // untouched
  std::vector<BindingKey> open;       // bind now, listen at commit
  std::vector<Adoption> adopt;        // take the listening socket of another server, as it is
  std::vector<BindingKey> hand_over;  // sockets that leave by another server's `adopt`
  std::vector<BindingKey> close;      // no heir: drain the accept queue with 421, close
};

struct ReloadPlan {
  std::vector<ServerPlan> servers;  // in id order, those of both tables
  BindingTable next;                // after commit
  bool changes_nothing() const;
  const ServerPlan* find(std::string_view server) const;
};

// A cold start is a reload of an empty table. Deterministic, and total: every input has a plan in
// which no address is held twice and no unchanged binding is opened or closed.
ReloadPlan plan_reload(const BindingTable& running, const ConfigSnapshot& snapshot,
                       const PlanConditions& conditions);

}  // namespace mailroot::config
