#include "file_tools.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "mailroot/base/log.h"

namespace mailroot::ctl {

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

std::string system_trouble(std::string_view name) {
  return fmt::format("{}: {}", log::escape(name), std::strerror(errno));
}

std::expected<Descriptor, std::string> open_directory(int at, const std::string& name,
                                                      bool follow_links) {
  const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow_links ? 0 : O_NOFOLLOW);
  Descriptor directory(::openat(at, name.c_str(), flags));
  if (!directory.is_open()) return std::unexpected(system_trouble(name));
  return directory;
}

std::expected<Descriptor, std::string> open_regular(int at, const std::string& name,
                                                    struct stat& status) {
  // Looked at first: opening a device can have effects of its own.
  if (::fstatat(at, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return std::unexpected(system_trouble(name));
  }
  if (S_ISLNK(status.st_mode)) return std::unexpected(log::escape(name) + ": is a symbolic link");
  if (!S_ISREG(status.st_mode)) return std::unexpected(log::escape(name) + ": is no regular file");
  Descriptor file(
      ::openat(at, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.is_open() || ::fstat(file.number(), &status) != 0) {
    return std::unexpected(system_trouble(name));
  }
  if (!S_ISREG(status.st_mode)) return std::unexpected(log::escape(name) + ": is no regular file");
  return file;
}

std::expected<std::string, std::string> read_some(const Descriptor& file, const std::string& name,
                                                  uint64_t offset, uint64_t most) {
  std::string out(most, '\0');
  size_t filled = 0;
  while (filled < most) {
    const ssize_t count = ::pread(file.number(), out.data() + filled, most - filled,
                                  static_cast<off_t>(offset + filled));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(system_trouble(name));
    if (count == 0) break;
    filled += static_cast<size_t>(count);
  }
  out.resize(filled);
  return out;
}

std::expected<void, std::string> write_all(const Descriptor& file, const std::string& name,
                                           std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(file.number(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(system_trouble(name));
    text.remove_prefix(static_cast<size_t>(count));
  }
  return {};
}

std::expected<void, std::string> sync(const Descriptor& file, const std::string& name) {
  if (::fsync(file.number()) != 0) return std::unexpected(system_trouble(name));
  return {};
}

bool exists(int at, const std::string& name) {
  struct stat status{};
  return ::fstatat(at, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

}  // namespace mailroot::ctl
