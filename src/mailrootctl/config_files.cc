#include "config_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "mailroot/config/limits.h"

namespace mailroot::ctl {

namespace {

constexpr int kNamesMax = 1000;  // of files put aside under one name

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP}) sigaddset(&set, signal);
  return set;
}

}  // namespace

std::expected<ConfigDirectory, std::string> ConfigDirectory::open(const std::string& path) {
  ConfigDirectory out;
  out.path_ = path;
  auto directory = open_directory(AT_FDCWD, path, true);
  if (!directory) return std::unexpected(directory.error());
  out.directory_ = std::move(*directory);
  // Another one is done in a moment.
  if (::flock(out.directory_.number(), LOCK_EX) != 0) return std::unexpected(system_trouble(path));
  const sigset_t set = ending_signals();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  out.holds_signals_ = true;
  return out;
}

ConfigDirectory::ConfigDirectory(ConfigDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      directory_(std::move(other.directory_)),
      holds_signals_(std::exchange(other.holds_signals_, false)) {}

ConfigDirectory::~ConfigDirectory() {
  if (!holds_signals_) return;
  const sigset_t set = ending_signals();
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

// Hidden, so that no include pattern takes it for a virtual server.
std::expected<Descriptor, std::string> ConfigDirectory::write_temporary(std::string_view text,
                                                                        const struct stat& like,
                                                                        std::string& name) {
  name = fmt::format(".mailrootctl-{}", ::getpid());
  ::unlinkat(directory_.number(), name.c_str(), 0);
  Descriptor file(::openat(directory_.number(), name.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.is_open()) return std::unexpected(system_trouble(path_));
  std::expected<void, std::string> done;
  // Who may not give the file away keeps it: the mode then decides who reads it.
  const bool given = ::fchown(file.number(), like.st_uid, like.st_gid) == 0 ||
                     ::fchown(file.number(), static_cast<uid_t>(-1), like.st_gid) == 0;
  const mode_t mode = like.st_mode & (given ? 0777 : 0755);
  if (::fchmod(file.number(), mode) != 0) done = std::unexpected(system_trouble(path_));
  if (done) done = write_all(file, path_, text);
  if (done) done = sync(file, path_);
  if (done) return file;
  ::unlinkat(directory_.number(), name.c_str(), 0);
  return std::unexpected(done.error());
}

std::expected<void, std::string> ConfigDirectory::create(const std::string& name,
                                                         std::string_view text,
                                                         const std::string& like) {
  struct stat status{};
  if (::stat(like.c_str(), &status) != 0) {
    status.st_uid = ::geteuid();
    status.st_gid = ::getegid();
    status.st_mode = 0644;
  }
  return create_like(name, text, status);
}

std::expected<void, std::string> ConfigDirectory::create_secret(const std::string& name,
                                                                std::string_view text,
                                                                gid_t group) {
  struct stat status{};
  status.st_uid = ::geteuid();
  status.st_gid = group;
  status.st_mode = 0640;
  return create_like(name, text, status);
}

std::expected<void, std::string> ConfigDirectory::create_like(const std::string& name,
                                                              std::string_view text,
                                                              const struct stat& like) {
  std::string temporary;
  const auto file = write_temporary(text, like, temporary);
  if (!file) return std::unexpected(file.error());
  if (::renameat2(directory_.number(), temporary.c_str(), directory_.number(), name.c_str(),
                  RENAME_NOREPLACE) != 0) {
    const std::string why = errno == EEXIST ? path_ + "/" + name + " is there already"
                                            : system_trouble(path_ + "/" + name);
    ::unlinkat(directory_.number(), temporary.c_str(), 0);
    return std::unexpected(why);
  }
  return sync(directory_, path_);
}

std::expected<void, std::string> ConfigDirectory::replace(const std::string& name,
                                                          std::string_view old_text,
                                                          std::string_view text) {
  const std::string path = path_ + "/" + name;
  struct stat status{};
  if (::fstatat(directory_.number(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return std::unexpected(system_trouble(path));
  }
  if (!S_ISREG(status.st_mode) || status.st_nlink != 1) {
    return std::unexpected(path + " has several names (hard links); change it by hand");
  }
  const auto now = read_config_file(path);
  if (!now) return std::unexpected(now.error());
  if (*now != old_text) return std::unexpected(path + " was changed meanwhile; try again");
  std::string temporary;
  const auto file = write_temporary(text, status, temporary);
  if (!file) return std::unexpected(file.error());
  if (::renameat(directory_.number(), temporary.c_str(), directory_.number(), name.c_str()) != 0) {
    const std::string why = system_trouble(path);
    ::unlinkat(directory_.number(), temporary.c_str(), 0);
    return std::unexpected(why);
  }
  return sync(directory_, path_);
}

std::expected<std::string, std::string> ConfigDirectory::put_aside(const std::string& name,
                                                                   const std::string& wanted) {
  for (int number = 0; number < kNamesMax; ++number) {
    const std::string fresh = number == 0 ? wanted : fmt::format("{}.{}", wanted, number);
    if (::renameat2(directory_.number(), name.c_str(), directory_.number(), fresh.c_str(),
                    RENAME_NOREPLACE) == 0) {
      auto synced = sync(directory_, path_);
      if (!synced) return std::unexpected(synced.error());
      return fresh;
    }
    if (errno != EEXIST) break;
  }
  return std::unexpected(system_trouble(path_ + "/" + name));
}

std::expected<std::string, std::string> read_config_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file.is_open()) return std::unexpected(system_trouble(path));
  auto text = read_some(file, path, 0, config::kFileSizeMax + 1);
  if (text && text->size() > config::kFileSizeMax) {
    return std::unexpected(path + " is too large");
  }
  return text;
}

}  // namespace mailroot::ctl
