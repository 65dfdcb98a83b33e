// Descriptors that close themselves, and whole reads and writes, for the commands that move files.
// Errors are errno texts with the name of the file.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace mailroot::ctl {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

// "NAME: No such file or directory", of errno.
std::string system_trouble(std::string_view name);

// `at`: AT_FDCWD or a directory.
std::expected<Descriptor, std::string> open_directory(int at, const std::string& name,
                                                      bool follow_links);
// Never follows a link, never waits; only a regular file. `status` is of the open file.
std::expected<Descriptor, std::string> open_regular(int at, const std::string& name,
                                                    struct stat& status);
// At most `most` bytes from `offset`; fewer only at the end of the file.
std::expected<std::string, std::string> read_some(const Descriptor& file, const std::string& name,
                                                  uint64_t offset, uint64_t most);
std::expected<void, std::string> write_all(const Descriptor& file, const std::string& name,
                                           std::string_view text);
std::expected<void, std::string> sync(const Descriptor& file, const std::string& name);
bool exists(int at, const std::string& name);

}  // namespace mailroot::ctl
