// Home directories on the disk: which of them are one, and which cannot be one at all.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "mailroot/base/remote_file_system.h"
#include "mailroot/config/machine_state.h"

namespace mailroot::config {

namespace {

namespace fs = std::filesystem;

// "/a/b/c", "/a/b", "/a", "/".
std::vector<std::string> path_and_parents(const std::string& path) {
  std::vector<std::string> out;
  for (fs::path at = path;; at = at.parent_path()) {
    out.push_back(at.string());
    if (at == at.parent_path()) return out;
  }
}

std::string resolved(const std::string& path) {
  std::error_code error;
  std::string out = fs::weakly_canonical(path, error).string();
  if (error || out.empty()) out = fs::path(path).lexically_normal().string();
  while (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out;
}

// Names a directory whatever path leads to it; one that does not exist yet by its nearest parent
// that does, and the names from there on. Then the same for its parents, up to the root.
std::vector<std::string> identities(const std::string& path) {
  const auto chain = path_and_parents(resolved(path));
  std::vector<std::string> out(chain.size());
  std::string base;
  for (size_t i = chain.size(); i-- > 0;) {
    struct stat status{};
    if (::stat(chain[i].c_str(), &status) == 0) {
      base = fmt::format("{}:{}", status.st_dev, status.st_ino);
    } else {
      base += "/" + fs::path(chain[i]).filename().string();
    }
    out[i] = base;
  }
  return out;
}

// Homes taken so far, to ask for clashes in the time of one path.
class TakenHomes {
 public:
  // The server with which `path` clashes; nothing when it is free.
  const VirtualServer* find(const std::vector<std::string>& chain) const {
    for (const auto& identity : chain) {
      if (const auto found = homes_.find(identity); found != homes_.end()) return found->second;
    }
    const auto inside = parents_.find(chain.front());
    return inside == parents_.end() ? nullptr : inside->second;
  }
  void add(const std::vector<std::string>& chain, const VirtualServer& server) {
    homes_.emplace(chain.front(), &server);
    for (const auto& identity : chain) parents_.emplace(identity, &server);
  }

 private:
  std::map<std::string, const VirtualServer*> homes_;
  std::map<std::string, const VirtualServer*> parents_;
};

bool has_access_list(const std::string& path) {
  return ::getxattr(path.c_str(), "system.posix_acl_access", nullptr, 0) > 0;
}

// By the mode bits, for somebody who is not us. An access list may say more: then nothing is known.
bool may(const std::string& path, const struct stat& status, const User& user, mode_t wanted) {
  if (user.uid == 0 || has_access_list(path)) return true;
  if (user.uid == geteuid()) {
    const int how = ((wanted & 2) != 0 ? W_OK : 0) | ((wanted & 1) != 0 ? X_OK : 0);
    return ::faccessat(AT_FDCWD, path.c_str(), how, AT_EACCESS) == 0;
  }
  mode_t granted = status.st_mode & 7;
  if (status.st_gid == user.gid) granted = (status.st_mode >> 3) & 7;
  if (status.st_uid == user.uid) granted = (status.st_mode >> 6) & 7;
  return (granted & wanted) == wanted;
}

std::string why_bad_file_system(const std::string& path, const std::string& existing) {
  struct statfs status{};
  if (::statfs(existing.c_str(), &status) != 0) return {};
  const auto remote = remote_file_system(static_cast<uint64_t>(status.f_type) & 0xFFFFFFFF);
  if (!remote.empty()) {
    return fmt::format("{} is on a {} file system; a home directory must be on a local one", path,
                       remote);
  }
  if ((status.f_flags & ST_RDONLY) != 0) return path + " is on a read-only file system";
  return {};
}

}  // namespace

std::string why_no_home(const std::string& path, const User& user) {
  std::error_code error;
  if (fs::is_symlink(path, error)) {
    return fmt::format("{} is a symbolic link; name the directory it leads to, {}", path,
                       resolved(path));
  }
  const auto chain = path_and_parents(path);
  std::string existing;
  struct stat status{};
  for (size_t i = chain.size(); i-- > 0;) {
    struct stat next{};
    if (::stat(chain[i].c_str(), &next) != 0) {
      if (errno == ENOENT) break;
      if (errno == ENOTDIR) return existing + " is not a directory";
      if (errno == EACCES) return {};  // not for us to see
      return fmt::format("{}: {}", chain[i], std::strerror(errno));
    }
    if (!S_ISDIR(next.st_mode)) return chain[i] + " is not a directory";
    const bool can_enter = may(chain[i], next, user, 1);
    if (!can_enter) return fmt::format("user {} may not enter {}", user.uid, chain[i]);
    existing = chain[i];
    status = next;
  }
  if (auto why = why_bad_file_system(path, existing); !why.empty()) return why;
  if (existing == path) {
    if ((status.st_mode & S_IWOTH) != 0) {
      return path + " may be written by everybody; take that right away (chmod o-w)";
    }
    if (!may(path, status, user, 3))
      return fmt::format("user {} may not write in {}", user.uid, path);
  } else if (!may(existing, status, user, 3)) {
    return fmt::format("it does not exist, and user {} may not make it in {}", user.uid, existing);
  }
  return {};
}

std::map<std::string, std::string> shared_homes(const ConfigSnapshot& snapshot,
                                                const std::set<std::string>& first) {
  std::map<std::string, std::string> out;
  TakenHomes taken;
  for (const bool is_turn_of_first : {true, false}) {
    for (const auto& server : snapshot.servers) {
      if (first.contains(server->id) != is_turn_of_first) continue;
      const auto chain = identities(server->home_directory);
      const VirtualServer* const other = taken.find(chain);
      if (other == nullptr) {
        taken.add(chain, *server);
        continue;
      }
      out[server->id] =
          fmt::format("home directory {} of virtual server {} ({}) and {} of {} ({}) are not apart",
                      server->home_directory, server->id, server->place.file, other->home_directory,
                      other->id, other->place.file);
    }
  }
  return out;
}

std::string server_with_home(const ConfigSnapshot& snapshot, const std::string& path,
                             const std::string& except) {
  TakenHomes taken;
  for (const auto& server : snapshot.servers) {
    if (server->id != except) taken.add(identities(server->home_directory), *server);
  }
  const VirtualServer* const other = taken.find(identities(path));
  return other == nullptr ? std::string() : other->id;
}

}  // namespace mailroot::config
