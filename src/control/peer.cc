#include "peer.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "mailroot/server/groups.h"

namespace mailroot::control {

namespace {

constexpr size_t kPeerGroupsMax = 1024;

std::vector<gid_t> groups_of_peer(int socket, gid_t primary) {
  std::vector<gid_t> groups(kPeerGroupsMax);
  auto length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) != 0) length = 0;
  groups.resize(length / sizeof(gid_t));
  groups.push_back(primary);
  return groups;
}

bool is_member(const std::vector<gid_t>& groups, const char* name) {
  const auto group = server::find_group(name);
  return group && std::find(groups.begin(), groups.end(), *group) != groups.end();
}

}  // namespace

Right right_of_peer(reactor::Descriptor socket) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return Right::none;
  if (peer.uid == 0 || peer.uid == geteuid()) return Right::change;
  const auto groups = groups_of_peer(socket, peer.gid);
  if (is_member(groups, "mailroot-admin")) return Right::change;
  if (is_member(groups, "mailroot-view")) return Right::view;
  return Right::none;
}

}  // namespace mailroot::control
