// A set of new files in one directory: written and synced in a hidden directory beside their place,
// then renamed in, so that none is ever half there.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "file_tools.h"

namespace mailroot::ctl {

class NewFiles {
 public:
  NewFiles() = default;
  ~NewFiles();  // removes what was not committed
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;

  // Makes `directory` when it is missing.
  std::expected<void, std::string> open(const std::string& directory);
  // Names that are taken already.
  std::vector<std::string> taken(const std::vector<std::string>& names) const;
  std::expected<void, std::string> add(const std::string& name, std::string_view text);
  void drop(const std::string& name);  // takes one back
  // Where the files lie until they are committed.
  const std::string& staging_path() const { return staging_path_; }
  // All in their places, durable. Without `replace` no file is replaced. After an error the
  // sentence says how many are in place; each of them is whole.
  std::expected<void, std::string> commit(bool replace);

 private:
  std::expected<void, std::string> sync_all();

  std::string directory_path_, staging_path_;
  std::string staging_name_;
  Descriptor directory_, staging_;
  std::vector<std::string> names_;
  bool made_directory_ = false;
};

}  // namespace mailroot::ctl
