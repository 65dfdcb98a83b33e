#include "mailroot/config/machine_state.h"

#include <dirent.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "mailroot/config/limits.h"

namespace mailroot::config {

namespace {

constexpr const char* kServiceUser = "mailroot";
constexpr size_t kPasswordBufferBytes = 16 * 1024;

std::string first_line(const std::string& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

// The inode of "socket:[123]", what a descriptor in /proc points at.
std::optional<uint64_t> socket_inode(const std::string& link) {
  constexpr std::string_view kStart = "socket:[";
  if (!link.starts_with(kStart) || !link.ends_with(']')) return std::nullopt;
  uint64_t inode = 0;
  for (const char c : link.substr(kStart.size(), link.size() - kStart.size() - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    inode = inode * 10 + static_cast<uint64_t>(c - '0');
  }
  return inode;
}

// Calls `see` with each socket of a process until it says true. Those we may not look at are none.
template <class See>
bool any_socket(int pid, See see) {
  std::error_code error;
  const auto descriptors =
      std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", error);
  if (error) return false;
  for (const auto& descriptor : descriptors) {
    const auto target = std::filesystem::read_symlink(descriptor.path(), error);
    const auto inode = error ? std::nullopt : socket_inode(target.string());
    if (inode && see(*inode)) return true;
  }
  return false;
}

std::vector<int> process_ids() {
  std::vector<int> out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename().string();
    const bool is_number = name.find_first_not_of("0123456789") == std::string::npos;
    if (is_number && name.size() < 10) out.push_back(std::stoi(name));
  }
  std::sort(out.begin(), out.end());
  return out;
}

User user_of_daemon(const std::optional<RunningDaemon>& running) {
  if (running) return running->user;
  if (geteuid() != 0) return {geteuid(), getegid()};
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(kPasswordBufferBytes);
  const int failed = getpwnam_r(kServiceUser, &entry, buffer.data(), buffer.size(), &found);
  if (failed != 0 || found == nullptr) return {0, 0};
  return {found->pw_uid, found->pw_gid};
}

// Is the address free although a socket of [::] listens on the port? Only the kernel knows whether
// that one takes IPv4 too. Nothing is listened at, so nobody notices.
bool can_bind(const SocketAddress& address) {
  const int family = address.ip.family() == IpFamily::v4 ? AF_INET : AF_INET6;
  const int probe = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return true;
  const int on = 1;
  setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage storage{};
  auto* const generic = reinterpret_cast<sockaddr*>(&storage);
  const uint32_t length = address.to_sockaddr(generic);
  const bool taken = ::bind(probe, generic, length) != 0 && errno == EADDRINUSE;
  ::close(probe);
  return !taken;
}

bool collides(const ListeningSocket& other, const BindingKey& key) {
  if (other.address.port != key.port) return false;
  const bool other_is_any = other.address.ip.is_any();
  if (key.is_wildcard() && other.family == IpFamily::v4) return true;
  if (!key.is_wildcard() && other.address.ip == *key.address) return true;
  const IpFamily wanted = key.is_wildcard() ? IpFamily::v6 : key.address->family();
  if (other.family == wanted) return key.is_wildcard() || other_is_any;
  // [::] against an IPv4 address.
  return other_is_any && other.family == IpFamily::v6 && !can_bind({*key.address, key.port});
}

}  // namespace

std::optional<RunningDaemon> find_daemon(const std::string& control_socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (control_socket.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, control_socket.data(), control_socket.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return std::nullopt;
  const timeval patience{kAskDaemonSeconds, 0};
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  ucred peer{};
  socklen_t length = sizeof peer;
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
  const bool answers = ::connect(socket, generic, sizeof address) == 0 &&
                       getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
  ::close(socket);
  if (!answers) return std::nullopt;
  return RunningDaemon{peer.pid, {peer.uid, peer.gid}};
}

std::vector<IpAddress> interface_addresses() {
  std::vector<IpAddress> out;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return out;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const IpAddress address = SocketAddress::from_sockaddr(entry->ifa_addr).ip;
    // Link-local addresses of IPv6 need their interface named; nobody can listen at them here.
    const auto& bytes = address.bytes();
    const bool link_local = family == AF_INET6 && bytes[0] == 0xFE && (bytes[1] & 0xC0) == 0x80;
    if (link_local || std::find(out.begin(), out.end(), address) != out.end()) continue;
    out.push_back(address);
  }
  return out;
}

bool is_local(const IpAddress& address, const std::vector<IpAddress>& of_interfaces) {
  if (address.family() == IpFamily::v4 && address.is_loopback()) return true;
  return std::find(of_interfaces.begin(), of_interfaces.end(), address) != of_interfaces.end();
}

std::optional<std::string> program_with_socket(uint64_t inode) {
  for (const int pid : process_ids()) {
    if (!any_socket(pid, [inode](uint64_t other) { return other == inode; })) continue;
    const std::string name = first_line("/proc/" + std::to_string(pid) + "/comm");
    return fmt::format("{} (process {})", log::escape(name), pid);
  }
  return std::nullopt;
}

MachineState look_at_machine(const std::string& control_socket) {
  MachineState state;
  state.addresses = interface_addresses();
  state.takes_foreign_addresses = first_line("/proc/sys/net/ipv4/ip_nonlocal_bind") == "1";
  const auto running = find_daemon(control_socket);
  state.user = user_of_daemon(running);
  std::set<uint64_t> own;
  if (running) {
    any_socket(running->pid, [&own](uint64_t inode) {
      own.insert(inode);
      return false;
    });
  }
  for (const ListeningSocket& socket : listening_sockets()) {
    if (!own.contains(socket.inode)) state.foreign.push_back(socket);
  }
  // Another user's process: its sockets cannot be told from foreign ones, so none are called so.
  if (running && own.empty()) state.foreign.clear();
  return state;
}

std::optional<ListeningSocket> listener_in_the_way(const BindingKey& key,
                                                   const std::vector<ListeningSocket>& foreign) {
  std::optional<ListeningSocket> first;
  for (const ListeningSocket& other : foreign) {
    if (collides(other, key) && (!first || other.inode < first->inode)) first = other;
  }
  return first;
}

std::string why_not_listen(const BindingKey& key, const MachineState& state) {
  const bool missing =
      key.address && !state.takes_foreign_addresses && !is_local(*key.address, state.addresses);
  if (missing) return fmt::format("address {} is not on this machine", key.address->to_string());
  const auto other = listener_in_the_way(key, state.foreign);
  if (!other) return {};
  const auto program = program_with_socket(other->inode);
  return fmt::format("port {} at {} is in use by {}", key.port, other->address.ip.to_string(),
                     program.value_or("another program"));
}

}  // namespace mailroot::config
