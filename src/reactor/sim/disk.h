// The simulated file system: inodes, names, and what of both a crash leaves. Everything here
// happens at once; latency and faults are the business of disk_driver.h. Results are >= 0 or
// negative errno values. One thread.
//
//   names:  current --(log of changes)--> durable      a sync moves changes from the log
//   bytes:  FileContent, in each inode
//
// Two kinds of file system, chosen by Faults::ordered_names:
//   ordered    as ext4: changes of names become durable in their order; syncing anything that
//              changed commits everything before it
//   unordered  as POSIX allows: syncing a directory makes the changes in it durable, and what they
//              need; syncing a file does not make its name durable; a crash keeps any subset
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "file_content.h"
#include "mailroot/base/time.h"
#include "mailroot/reactor/operation.h"
#include "random.h"

namespace mailroot::reactor::sim {

using InodeId = uint64_t;
inline constexpr InodeId kNoInode = 0;
inline constexpr InodeId kRootInode = 2;

enum class InodeKind : uint8_t { file, directory, symbolic_link };

struct Inode {
  InodeKind kind = InodeKind::file;
  uint32_t mode = 0;
  uint32_t user = 0;
  uint32_t group = 0;
  uint64_t links = 0;    // names in the current tree
  uint32_t handles = 0;  // descriptors
  int lock_owner = -1;   // handle number of the exclusive lock
  WallTime modified{};
  FileContent content;                                        // of a file
  std::string target;                                         // of a symbolic link
  std::map<std::string, InodeId, std::less<>> names;          // of a directory
  std::map<std::string, InodeId, std::less<>> durable_names;  // of a directory, on the medium
};

struct DiskOptions {
  bool ordered_names = true;
  uint64_t capacity_bytes = kGiB;
  uint64_t inodes_max = 100'000;
  uint32_t direct_align_bytes = 4096;
  uint64_t magic = 0xEF53;  // as statfs(2) reports ext4
};

class Disk {
 public:
  explicit Disk(const DiskOptions& options);

  // Names. `base` is the directory that relative paths start from.
  int64_t find(InodeId base, std::string_view path, bool follow_last) const;  // inode
  // Creates what is missing when `create` is set; `exclusive` as O_EXCL. Inode, or an errno.
  int64_t open(InodeId base, std::string_view path, bool create, bool exclusive, uint32_t mode,
               WallTime now);
  int32_t make_directory(InodeId base, std::string_view path, uint32_t mode, WallTime now);
  int32_t make_symbolic_link(InodeId base, std::string_view path, std::string_view target);
  int32_t link(InodeId base, std::string_view from, std::string_view to);
  int32_t rename(InodeId from_base, std::string_view from, InodeId to_base, std::string_view to,
                 bool no_replace, WallTime now);
  int32_t unlink(InodeId base, std::string_view path, bool directory, WallTime now);
  void status_of(InodeId id, FileStatus& out) const;
  void list(InodeId directory, std::vector<DirectoryEntry>& out) const;

  Inode& at(InodeId id);
  bool is_directory(InodeId id) { return at(id).kind == InodeKind::directory; }
  void add_handle(InodeId id) { ++at(id).handles; }
  void drop_handle(InodeId id);

  // Bytes. Space is checked here: -ENOSPC writes nothing.
  int32_t write(InodeId id, uint64_t offset, ByteView bytes, bool synchronous, WallTime now);
  // A synchronous write that was interrupted: any of its sectors.
  void write_torn(InodeId id, uint64_t offset, ByteView bytes, Random& random);
  int32_t truncate(InodeId id, uint64_t length, WallTime now);
  int32_t allocate(InodeId id, uint64_t offset, uint64_t length, WallTime now);

  // Changes so far have numbers up to this one.
  uint64_t sequence() const { return sequence_; }
  // Makes durable what happened to this inode up to `sequence`.
  void sync(InodeId id, uint64_t sequence);
  void sync_all(uint64_t sequence);
  void drop_all_unsynced(uint64_t sequence, Random& random);

  // The kernel writes dirty pages of some files back by itself.
  void write_back_some(Random& random);

  // Power loss: only what is durable, and by chance some of the rest, is there afterwards.
  void crash(Random& random);
  // The processes are gone, the kernel lives on.
  void forget_handles();

  uint64_t free_bytes() const;
  void set_free_bytes(uint64_t bytes);  // from now on, whatever is stored
  uint64_t free_inodes() const { return options_.inodes_max - inodes_.size(); }
  const DiskOptions& options() const { return options_; }

  // What would be read after a crash that loses everything not synced; kNoInode for no such file.
  InodeId find_durable(std::string_view path) const;

 private:
  struct NameChange {
    enum class Kind : uint8_t { link, unlink, rename } kind;
    uint64_t sequence;
    InodeId directory;
    std::string name;
    InodeId directory2;
    std::string name2;
    InodeId inode;
  };
  struct Place {
    InodeId directory = kNoInode;
    std::string name{};
    InodeId inode = kNoInode;  // what stands there
    int32_t error = 0;
  };

  Place locate(InodeId base, std::string_view path, bool follow_last, int depth) const;
  Place locate_new(InodeId base, std::string_view path) const;
  InodeId make_inode(InodeKind kind, uint32_t mode, WallTime now);
  void add_name(const Place& place, InodeId inode, WallTime now);
  void log(NameChange change);
  void apply(const NameChange& change);
  bool has_unsynced_change(InodeId id);
  void sync_ordered(uint64_t sequence);
  void sync_directory_unordered(InodeId directory, uint64_t sequence);
  void crash_names(Random& random);
  void collect_garbage();
  bool fits(uint64_t pages) const;
  bool is_below(InodeId directory, InodeId ancestor) const;

  DiskOptions options_;
  std::map<InodeId, Inode> inodes_;
  InodeId next_inode_ = kRootInode;
  uint64_t sequence_ = 0;
  std::vector<NameChange> changes_;  // not durable yet, in order
  uint64_t used_pages_ = 0;
  uint64_t lost_names_ = 0;  // inodes that may be garbage
};

}  // namespace mailroot::reactor::sim
