#include "mailroot/config/small_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mailroot::config {

namespace {

std::string why_unreadable(int error) {
  std::string out = fmt::format("cannot be read: {}", std::strerror(error));
  if (error == EACCES) {
    out += fmt::format("; the service runs as user {} and must be allowed to", ::geteuid());
  }
  return out;
}

// A descriptor that closes itself.
struct OpenFile {
  explicit OpenFile(const std::string& path)
      : descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  ~OpenFile() {
    if (descriptor >= 0) ::close(descriptor);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int descriptor;
};

}  // namespace

std::expected<std::string, std::string> read_small_file(const std::string& path,
                                                        size_t most_bytes) {
  const OpenFile file(path);
  if (file.descriptor < 0) return std::unexpected(why_unreadable(errno));
  struct stat status{};
  if (::fstat(file.descriptor, &status) != 0) return std::unexpected(why_unreadable(errno));
  if (!S_ISREG(status.st_mode)) return std::unexpected("is not a regular file");
  std::string text;
  char block[16 * 1024];
  while (true) {
    const ssize_t count = ::read(file.descriptor, block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(why_unreadable(errno));
    if (count == 0) return text;
    text.append(block, static_cast<size_t>(count));
    if (text.size() > most_bytes) {
      return std::unexpected(fmt::format("is larger than {} bytes", most_bytes));
    }
  }
}

std::string file_stamp(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return "absent";
  return fmt::format("{}.{}.{}.{}.{}.{}", status.st_dev, status.st_ino, status.st_size,
                     status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_nsec);
}

}  // namespace mailroot::config
