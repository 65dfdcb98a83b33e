// A directory tree copied so that the copy can be trusted: owner, mode and times kept, every file
// and directory synced, read again and compared. The source may be in use.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mailroot::ctl {

struct CopiedFile {
  std::string path;  // below the top
  uint64_t size_bytes = 0;
  uint32_t crc32c = 0;
};

struct TreeCopy {
  std::vector<CopiedFile> files;
  uint64_t bytes = 0;
  uint64_t unchanged = 0;             // were there already, with the same size and time
  uint64_t removed = 0;               // were there and are no longer in the source
  std::vector<std::string> left_out;  // neither file, directory nor link
};

struct TreeCopyOptions {
  // Directories and files by their name, in the order to be taken; the rest follow by name. What a
  // program moves between them goes forward in this order only, or it may be missed.
  std::function<std::vector<std::string>(const std::string& directory)> first;
  // What is taken at all; everything when empty.
  std::function<bool(const std::string& path)> wanted;
  // Whole directories (paths below the top) that are written anew, whatever is there.
  std::vector<std::string> always;
  // Called for each file; false ends the copying.
  std::function<bool(const std::string& path)> progress;
};

// `to` is made if it is not there; what is there is brought up to date. Errors are sentences; what
// was copied until then stays.
std::expected<TreeCopy, std::string> copy_tree(const std::string& from, const std::string& to,
                                               const TreeCopyOptions& options);

// Checksum of a file (CRC-32C), read from the disk where the system lets us.
std::expected<uint32_t, std::string> checksum_of_file(const std::string& path);

// Removes a tree; what is not there is removed already.
std::expected<void, std::string> remove_tree(const std::string& path);

// Syncs the directory that holds `path`.
std::expected<void, std::string> sync_parent(const std::string& path);

// The order that a home directory needs: Journal before Queue, there tmp, new, cur.
std::vector<std::string> first_of_home(const std::string& directory);

}  // namespace mailroot::ctl
