#include "tree_copy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "file_tools.h"
#include "mailroot/base/bytes.h"
#include "mailroot/base/crc32c.h"

namespace mailroot::ctl {

namespace {

namespace fs = std::filesystem;
using Done = std::expected<void, std::string>;

constexpr size_t kBufferBytes = 256 * 1024;

std::unexpected<std::string> trouble(const std::string& path) {
  return std::unexpected(fmt::format("{}: {}", path, std::strerror(errno)));
}

std::expected<uint32_t, std::string> checksum(int file, const std::string& path) {
  std::string buffer(kBufferBytes, '\0');
  uint32_t sum = 0;
  for (uint64_t at = 0;;) {
    const ssize_t count = ::pread(file, buffer.data(), buffer.size(), static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return trouble(path);
    if (count == 0) return sum;
    const auto size = static_cast<size_t>(count);
    sum = crc32c(as_bytes(std::string_view(buffer).substr(0, size)), sum);
    at += size;
  }
}

class Copier {
 public:
  Copier(std::string from, std::string to, const TreeCopyOptions& options)
      : from_(std::move(from)), to_(std::move(to)), options_(options) {}

  Done copy_directory(const std::string& path);
  TreeCopy take() { return std::move(out_); }

 private:
  std::vector<std::string> entries_of(const std::string& path);
  Done copy_entry(const std::string& path);
  Done copy_file(const std::string& path, const struct stat& source);
  Done copy_bytes(const std::string& path, int from, int to, CopiedFile& copied);
  Done copy_link(const std::string& path);
  Done remove_extras(const std::string& path, const std::vector<std::string>& wanted);
  bool is_unchanged(const std::string& path, const struct stat& source) const;
  std::string source(const std::string& path) const {
    return path.empty() ? from_ : from_ + "/" + path;
  }
  std::string copy(const std::string& path) const { return path.empty() ? to_ : to_ + "/" + path; }

  std::string from_, to_;
  const TreeCopyOptions& options_;
  TreeCopy out_;
};

std::vector<std::string> Copier::entries_of(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(source(path), error)) {
    const std::string name = entry.path().filename().string();
    const std::string below = path.empty() ? name : path + "/" + name;
    if (!options_.wanted || options_.wanted(below)) names.push_back(name);
  }
  const std::vector<std::string> first =
      options_.first ? options_.first(path) : std::vector<std::string>();
  std::ranges::sort(names, {}, [&first](const std::string& name) {
    return std::make_pair(std::ranges::find(first, name) - first.begin(), name);
  });
  return names;
}

bool Copier::is_unchanged(const std::string& path, const struct stat& source) const {
  for (const std::string& always : options_.always) {
    if (path.starts_with(always + "/")) return false;
  }
  struct stat there{};
  if (::lstat(copy(path).c_str(), &there) != 0) return false;
  return S_ISREG(there.st_mode) && there.st_size == source.st_size &&
         there.st_mtim.tv_sec == source.st_mtim.tv_sec &&
         there.st_mtim.tv_nsec == source.st_mtim.tv_nsec;
}

Done Copier::copy_bytes(const std::string& path, int from, int to, CopiedFile& copied) {
  std::string buffer(kBufferBytes, '\0');
  while (true) {
    const ssize_t count = ::read(from, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return trouble(source(path));
    if (count == 0) break;
    std::string_view rest = std::string_view(buffer).substr(0, static_cast<size_t>(count));
    copied.crc32c = crc32c(as_bytes(rest), copied.crc32c);
    copied.size_bytes += rest.size();
    while (!rest.empty()) {
      const ssize_t written = ::write(to, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return trouble(copy(path));
      rest.remove_prefix(static_cast<size_t>(written));
    }
  }
  if (::fsync(to) != 0) return trouble(copy(path));
  ::posix_fadvise(to, 0, 0, POSIX_FADV_DONTNEED);
  const auto again = checksum(to, copy(path));
  if (!again) return std::unexpected(again.error());
  if (*again != copied.crc32c) {
    return std::unexpected(copy(path) + ": what was read back is not what was written");
  }
  return {};
}

Done Copier::copy_file(const std::string& path, const struct stat& status) {
  CopiedFile copied{path, 0, 0};
  if (is_unchanged(path, status)) {
    const auto sum = checksum_of_file(copy(path));
    if (!sum) return std::unexpected(sum.error());
    copied.crc32c = *sum;
    copied.size_bytes = static_cast<uint64_t>(status.st_size);
    ++out_.unchanged;
    out_.files.push_back(std::move(copied));
    return {};
  }
  const Descriptor from(
      ::open(source(path).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  // It went away meanwhile, as mail does.
  if (!from.is_open() && errno == ENOENT) return {};
  if (!from.is_open()) return trouble(source(path));
  std::error_code ignored;
  fs::remove_all(copy(path), ignored);
  constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  const Descriptor to(::open(copy(path).c_str(), kFlags, 0600));
  if (!to.is_open()) return trouble(copy(path));
  if (auto done = copy_bytes(path, from.number(), to.number(), copied); !done) return done;
  // Who is not root keeps what is his.
  if (::fchown(to.number(), status.st_uid, status.st_gid) != 0 && ::geteuid() == 0) {
    return trouble(copy(path));
  }
  const timespec times[2] = {status.st_atim, status.st_mtim};
  if (::fchmod(to.number(), status.st_mode & 07777) != 0 || ::futimens(to.number(), times) != 0 ||
      ::fsync(to.number()) != 0) {
    return trouble(copy(path));
  }
  out_.bytes += copied.size_bytes;
  out_.files.push_back(std::move(copied));
  return {};
}

Done Copier::copy_link(const std::string& path) {
  std::error_code error;
  const fs::path target = fs::read_symlink(source(path), error);
  if (error) return {};  // it went away
  fs::remove_all(copy(path), error);
  fs::create_symlink(target, copy(path), error);
  if (error) return std::unexpected(copy(path) + ": " + error.message());
  return {};
}

Done Copier::copy_entry(const std::string& path) {
  struct stat status{};
  if (::lstat(source(path).c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return trouble(source(path));
  }
  if (S_ISDIR(status.st_mode)) return copy_directory(path);
  if (options_.progress && !options_.progress(path)) return std::unexpected("interrupted");
  if (S_ISREG(status.st_mode)) return copy_file(path, status);
  if (S_ISLNK(status.st_mode)) return copy_link(path);
  out_.left_out.push_back(path);
  return {};
}

Done Copier::remove_extras(const std::string& path, const std::vector<std::string>& wanted) {
  const std::set<std::string> names(wanted.begin(), wanted.end());
  std::vector<fs::path> extras;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(copy(path), error)) {
    if (!names.contains(entry.path().filename().string())) extras.push_back(entry.path());
  }
  for (const fs::path& extra : extras) {
    if (auto removed = remove_tree(extra.string()); !removed) return removed;
    ++out_.removed;
  }
  return {};
}

Done Copier::copy_directory(const std::string& path) {
  struct stat status{};
  if (::stat(source(path).c_str(), &status) != 0) return trouble(source(path));
  const std::string there = copy(path);
  if (::mkdir(there.c_str(), 0700) != 0 && errno != EEXIST) return trouble(there);
  const Descriptor directory(
      ::open(there.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!directory.is_open()) return trouble(there);
  const std::vector<std::string> entries = entries_of(path);
  if (auto done = remove_extras(path, entries); !done) return done;
  for (const std::string& name : entries) {
    if (auto done = copy_entry(path.empty() ? name : path + "/" + name); !done) return done;
  }
  if (::fchown(directory.number(), status.st_uid, status.st_gid) != 0 && ::geteuid() == 0) {
    return trouble(there);
  }
  if (::fchmod(directory.number(), status.st_mode & 07777) != 0 ||
      ::fsync(directory.number()) != 0) {
    return trouble(there);
  }
  return {};
}

}  // namespace

std::expected<TreeCopy, std::string> copy_tree(const std::string& from, const std::string& to,
                                               const TreeCopyOptions& options) {
  Copier copier(from, to, options);
  if (auto done = copier.copy_directory(""); !done) return std::unexpected(done.error());
  return copier.take();
}

std::expected<uint32_t, std::string> checksum_of_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.is_open()) return trouble(path);
  ::posix_fadvise(file.number(), 0, 0, POSIX_FADV_DONTNEED);
  return checksum(file.number(), path);
}

std::expected<void, std::string> remove_tree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return std::unexpected(path + ": " + error.message());
  return {};
}

std::expected<void, std::string> sync_parent(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  const Descriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open() || ::fsync(directory.number()) != 0) return trouble(parent);
  return {};
}

std::vector<std::string> first_of_home(const std::string& directory) {
  if (directory.empty()) return {"Journal", "Queue"};
  return {"tmp", "new", "cur"};
}

}  // namespace mailroot::ctl
