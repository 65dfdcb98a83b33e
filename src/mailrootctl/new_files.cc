#include "new_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

namespace mailroot::ctl {

namespace {

// More files than this are synced together with their file system.
constexpr size_t kSyncedSinglyMax = 64;

}  // namespace

NewFiles::~NewFiles() {
  if (!staging_.is_open()) return;
  for (const auto& name : names_) ::unlinkat(staging_.number(), name.c_str(), 0);
  ::unlinkat(directory_.number(), staging_name_.c_str(), AT_REMOVEDIR);
  // Only ever succeeds when it is empty.
  if (made_directory_) ::rmdir(directory_path_.c_str());
}

std::expected<void, std::string> NewFiles::open(const std::string& directory) {
  directory_path_ = directory;
  made_directory_ = ::mkdir(directory.c_str(), 0755) == 0;
  auto opened = open_directory(AT_FDCWD, directory, true);
  if (!opened) return std::unexpected(opened.error());
  directory_ = std::move(*opened);
  staging_path_ = directory + "/.import-XXXXXX";
  if (::mkdtemp(staging_path_.data()) == nullptr) {
    return std::unexpected(system_trouble(directory));
  }
  staging_name_ = staging_path_.substr(directory.size() + 1);
  auto staging = open_directory(directory_.number(), staging_name_, false);
  if (!staging) return std::unexpected(staging.error());
  staging_ = std::move(*staging);
  return {};
}

std::vector<std::string> NewFiles::taken(const std::vector<std::string>& names) const {
  std::vector<std::string> out;
  for (const auto& name : names) {
    if (exists(directory_.number(), name)) out.push_back(name);
  }
  return out;
}

std::expected<void, std::string> NewFiles::add(const std::string& name, std::string_view text) {
  const Descriptor file(::openat(staging_.number(), name.c_str(),
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file.is_open()) return std::unexpected(system_trouble(name));
  names_.push_back(name);
  return write_all(file, name, text);
}

void NewFiles::drop(const std::string& name) {
  ::unlinkat(staging_.number(), name.c_str(), 0);
  std::erase(names_, name);
}

std::expected<void, std::string> NewFiles::sync_all() {
  if (names_.size() > kSyncedSinglyMax) {
    if (::syncfs(staging_.number()) != 0) return std::unexpected(system_trouble(directory_path_));
    return {};
  }
  for (const auto& name : names_) {
    const Descriptor file(::openat(staging_.number(), name.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open()) return std::unexpected(system_trouble(name));
    if (auto synced = sync(file, name); !synced) return synced;
  }
  return {};
}

std::expected<void, std::string> NewFiles::commit(bool replace) {
  if (auto synced = sync_all(); !synced) return synced;
  size_t in_place = 0;
  for (const auto& name : names_) {
    if (::renameat2(staging_.number(), name.c_str(), directory_.number(), name.c_str(),
                    replace ? 0 : RENAME_NOREPLACE) != 0) {
      return std::unexpected(fmt::format("{} ({} of {} files are in place)", system_trouble(name),
                                         in_place, names_.size()));
    }
    ++in_place;
  }
  return sync(directory_, directory_path_);
}

}  // namespace mailroot::ctl
