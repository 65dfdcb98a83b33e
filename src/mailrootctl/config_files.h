// Changing a directory of configuration files so that each is always whole: the old one or the new
// one. Errors are sentences.
#pragma once

#include <sys/stat.h>

#include <expected>
#include <string>
#include <string_view>

#include "file_tools.h"

namespace mailroot::ctl {

// While it lives, no other mailrootctl changes files of this directory, and no signal but KILL ends
// this process: a change is short, and ends whole.
class ConfigDirectory {
 public:
  static std::expected<ConfigDirectory, std::string> open(const std::string& path);
  ~ConfigDirectory();
  ConfigDirectory(ConfigDirectory&& other) noexcept;
  ConfigDirectory& operator=(ConfigDirectory&&) = delete;

  // A new file, with owner and mode of `like`, a file of the same kind, if that exists. A file that
  // is there is never overwritten.
  std::expected<void, std::string> create(const std::string& name, std::string_view text,
                                          const std::string& like);
  // The same for what only its owner and this group may read.
  std::expected<void, std::string> create_secret(const std::string& name, std::string_view text,
                                                 gid_t group);
  // A new text for a file that still has `old_text`. Owner and mode stay.
  std::expected<void, std::string> replace(const std::string& name, std::string_view old_text,
                                           std::string_view text);
  // Gives the file another name that is free: `wanted`, else with a number. The name it has got.
  std::expected<std::string, std::string> put_aside(const std::string& name,
                                                    const std::string& wanted);

 private:
  ConfigDirectory() = default;
  std::expected<void, std::string> create_like(const std::string& name, std::string_view text,
                                               const struct stat& like);
  std::expected<Descriptor, std::string> write_temporary(std::string_view text,
                                                         const struct stat& like,
                                                         std::string& name);

  std::string path_;
  Descriptor directory_;
  bool holds_signals_ = false;
};

// The whole of a configuration file, links followed; at most config's limit.
std::expected<std::string, std::string> read_config_file(const std::string& path);

}  // namespace mailroot::ctl
