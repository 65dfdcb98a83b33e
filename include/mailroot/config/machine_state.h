// What of this machine decides whether a virtual server can start: its addresses, who listens
// where, what the daemon may write. Only looked at, never disturbed: no port is opened, no
// directory made. Blocks; tools and `--check`.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mailroot/config/binding_table.h"
#include "mailroot/config/load.h"
#include "mailroot/config/proc_net.h"

namespace mailroot::config {

// Whose rights count when a file is looked at.
struct User {
  uint32_t uid = 0;
  uint32_t gid = 0;
};

// The mailrootd that answers at a control socket; nothing when none does.
struct RunningDaemon {
  int pid = 0;
  User user;
};
std::optional<RunningDaemon> find_daemon(const std::string& control_socket);

// Of the interfaces that are up, in their order, without duplicates.
std::vector<IpAddress> interface_addresses();
// Is it one to listen at? All of 127.0.0.0/8 is.
bool is_local(const IpAddress& address, const std::vector<IpAddress>& of_interfaces);

// "nginx (process 812)": who holds the socket, as far as we may see: root sees all.
std::optional<std::string> program_with_socket(uint64_t inode);

struct MachineState {
  std::vector<IpAddress> addresses;
  bool takes_foreign_addresses = false;  // net.ipv4.ip_nonlocal_bind
  std::vector<ListeningSocket> foreign;  // listeners that are not the running daemon's
  User user;                             // the daemon runs as, or will
};
// `control_socket`: of the service, to tell the sockets of the running daemon from others.
MachineState look_at_machine(const std::string& control_socket);

// A sentence that says why nobody can listen there now, or "".
std::string why_not_listen(const BindingKey& key, const MachineState& state);
// The listener that stands in the way, of several the one with the lowest inode; nothing when none
// does.
std::optional<ListeningSocket> listener_in_the_way(const BindingKey& key,
                                                   const std::vector<ListeningSocket>& foreign);

// Why this directory (absolute) cannot be a home directory, or "": what is there and not a
// directory, a network file system, a read-only one, no right to write or to make it.
std::string why_no_home(const std::string& path, const User& user);

// Home directories that are the same or inside each other, by name, through links and mounts:
// id -> reason, of those that cannot have theirs. `first` (ids, those that run there) come before
// the others, which come in name order.
std::map<std::string, std::string> shared_homes(const ConfigSnapshot& snapshot,
                                                const std::set<std::string>& first);
// The id of the server of `snapshot` whose home is `path` or inside it or around it; "" for none.
// `except` is not asked.
std::string server_with_home(const ConfigSnapshot& snapshot, const std::string& path,
                             const std::string& except);

}  // namespace mailroot::config
