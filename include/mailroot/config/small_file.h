// Files that the configuration names: certificates, keys, users, passwords. Blocking; for the
// control thread and for tools.
#pragma once

#include <cstddef>
#include <expected>
#include <string>

namespace mailroot::config {

// The whole of a regular file, or a sentence without a full stop why not: "cannot be read:
// Permission denied; it must be readable by user mailroot". The path is the caller's to say.
std::expected<std::string, std::string> read_small_file(const std::string& path, size_t most_bytes);

// Changes when the file does, or what its name leads to; "absent" when there is none.
std::string file_stamp(const std::string& path);

}  // namespace mailroot::config
