#include "mailroot/config/secret_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "mailroot/config/limits.h"
#include "mailroot/sasl/scram.h"

namespace mailroot::config {

namespace {

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

std::string system_words(std::string_view what) {
  const int code = errno;
  return fmt::format("{}: {}", what, std::strerror(code));
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Of the file that is replaced; a new one is its directory's owner's, so that what root writes
// can be read by the service.
void keep_owner(const std::string& path, const std::string& directory, int file) {
  struct stat old{};
  if (::stat(path.c_str(), &old) == 0) {
    if (::fchmod(file, old.st_mode & 0770) != 0) return;
  } else if (::stat(directory.c_str(), &old) != 0) {
    return;
  }
  if (::geteuid() == 0 && ::fchown(file, old.st_uid, old.st_gid) != 0) return;
}

}  // namespace

std::expected<sasl::Secret, std::string> read_secret_file(const std::string& path) {
  // Without waiting for a writer, were it a pipe.
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) return std::unexpected(system_words("cannot be read"));
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return std::unexpected(system_words("cannot be read"));
  if (!S_ISREG(status.st_mode)) return std::unexpected("is no regular file");
  std::string text(kSecretBytesMax + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const std::string why = system_words("cannot be read");
      sasl::wipe(text);
      return std::unexpected(why);
    }
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  // Copied to its size: the buffer is wiped.
  sasl::Secret secret(text.substr(0, size));
  sasl::wipe(text);
  if (size > kSecretBytesMax) {
    return std::unexpected(fmt::format("is larger than {} bytes", kSecretBytesMax));
  }
  if (secret.empty()) return std::unexpected("is empty");
  return secret;
}

std::expected<sasl::Secret, std::string> read_secret_line(const std::string& path) {
  auto secret = read_secret_file(path);
  if (!secret) return secret;
  std::string_view text = secret->reveal();
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.empty()) return std::unexpected("is empty");
  if (!sasl::check_name(text)) {
    return std::unexpected("holds more than one line, or control characters");
  }
  return sasl::Secret(std::string(text));
}

std::string secret_file_warning(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return {};
  const unsigned mode = status.st_mode & 0777U;
  if ((mode & S_IROTH) != 0) return fmt::format("can be read by everybody (mode {:04o})", mode);
  if ((mode & S_IWOTH) != 0) return fmt::format("can be written by everybody (mode {:04o})", mode);
  return {};
}

std::string replace_secret_file(const std::string& path, std::string_view text) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  std::string temporary = path + ".XXXXXX";
  const File file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (file.get() < 0) return system_words("cannot be written");
  keep_owner(path, directory, file.get());
  const bool written = write_all(file.get(), text) && ::fsync(file.get()) == 0 &&
                       ::rename(temporary.c_str(), path.c_str()) == 0;
  if (!written) {
    const std::string why = system_words("cannot be written");
    ::unlink(temporary.c_str());
    return why;
  }
  const File parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.get() < 0 || ::fsync(parent.get()) != 0) {
    return system_words("may be lost at a power failure");
  }
  return {};
}

}  // namespace mailroot::config
