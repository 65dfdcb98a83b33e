#include "file_operation.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "gather.h"
#include "mailroot/reactor/limits.h"

namespace mailroot::reactor {

namespace {

int32_t checked(int outcome) { return outcome < 0 ? -errno : outcome; }

// Reads or writes until all is done, an error, or (reading) the end of the file.
int32_t transfer(Operation& operation) {
  const bool writing = operation.opcode == Opcode::write_at;
  GatherCursor cursor(operation.buffers);
  while (!cursor.at_end()) {
    std::array<iovec, kGatherMax> part;
    const int count = static_cast<int>(cursor.fill(part));
    const off_t offset = static_cast<off_t>(operation.offset + cursor.done_bytes());
    const ssize_t moved = writing ? pwritev(operation.descriptor, part.data(), count, offset)
                                  : preadv(operation.descriptor, part.data(), count, offset);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0) return -errno;
    if (moved == 0) {
      if (writing) return -EIO;  // neither progress nor a reason
      break;
    }
    cursor.advance(static_cast<size_t>(moved));
  }
  return static_cast<int32_t>(std::min<uint64_t>(cursor.done_bytes(), INT32_MAX));
}

int32_t sync_file(const Operation& operation) {
  if (operation.flags == static_cast<uint32_t>(SyncKind::file_system)) {
    return checked(syncfs(operation.descriptor));
  }
  const bool data_only = operation.flags == static_cast<uint32_t>(SyncKind::data);
  return checked(data_only ? fdatasync(operation.descriptor) : fsync(operation.descriptor));
}

int32_t stat_file(const Operation& operation) {
  struct statx found{};
  const int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;
  const unsigned mask = STATX_BASIC_STATS | STATX_DIOALIGN;
  if (statx(operation.descriptor, operation.path, flags, mask, &found) < 0) return -errno;
  FileStatus& status = *static_cast<FileStatus*>(operation.output);
  status = file_status_from(found);
  return 0;
}

int32_t list(const Operation& operation) {
  // A description of its own: the caller's has a position that others may be using.
  const int own = openat(operation.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return -errno;
  DIR* directory = fdopendir(own);
  if (directory == nullptr) {
    const int why = errno;
    ::close(own);
    return -why;
  }
  auto& entries = *static_cast<std::vector<DirectoryEntry>*>(operation.output);
  entries.clear();
  errno = 0;
  while (const dirent* entry = readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      entries.push_back(DirectoryEntry{std::string(name), entry->d_type, entry->d_ino});
    }
    errno = 0;
  }
  const int why = errno;
  closedir(directory);
  return -why;
}

// One getdents64(2) with a look at each entry: a thousand of them cost about as much as one
// operation of its own.
int32_t list_some(const Operation& operation) {
  alignas(dirent64) std::array<char, kDirectoryPageBytes> buffer;
  const ssize_t got = getdents64(operation.descriptor, buffer.data(), buffer.size());
  if (got < 0) return -errno;
  auto& page = *static_cast<DirectoryPage*>(operation.output);
  page.entries.clear();
  page.at_end = got == 0;
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  for (ssize_t at = 0; at < got;) {
    const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
    at += entry->d_reclen;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct statx found{};
    if (statx(operation.descriptor, entry->d_name, flags, STATX_BASIC_STATS, &found) < 0) {
      if (errno == ENOENT) continue;
      return -errno;
    }
    page.entries.push_back({std::string(name), file_status_from(found)});
  }
  return 0;
}

// The group first: changing it takes the setgid bit away.
int32_t set_access(const Operation& operation) {
  if (operation.flags != kGroupAsItIs &&
      fchown(operation.descriptor, static_cast<uid_t>(-1), operation.flags) < 0) {
    return -errno;
  }
  return checked(fchmod(operation.descriptor, operation.mode));
}

int32_t file_system(const Operation& operation) {
  struct statfs found{};
  if (fstatfs(operation.descriptor, &found) < 0) return -errno;
  const uint64_t unit_bytes =
      static_cast<uint64_t>(found.f_frsize != 0 ? found.f_frsize : found.f_bsize);
  FileSystemStatus& status = *static_cast<FileSystemStatus*>(operation.output);
  status.magic = static_cast<uint64_t>(found.f_type);
  status.free_bytes = found.f_bavail * unit_bytes;
  status.total_bytes = found.f_blocks * unit_bytes;
  status.free_inodes = found.f_ffree;
  status.read_only = (found.f_flags & ST_RDONLY) != 0;
  return 0;
}

int32_t open_file(const Operation& operation) {
  const int flags = static_cast<int>(operation.flags) | O_NOFOLLOW | O_CLOEXEC;
  return checked(openat(operation.descriptor, operation.path, flags, operation.mode));
}

}  // namespace

namespace {

WallTime wall_time(const statx_timestamp& stamp) {
  return WallTime(std::chrono::seconds(stamp.tv_sec) + std::chrono::nanoseconds(stamp.tv_nsec));
}

}  // namespace

FileStatus file_status_from(const struct statx& found) {
  FileStatus status;
  status.device = (static_cast<uint64_t>(found.stx_dev_major) << 32) | found.stx_dev_minor;
  status.inode = found.stx_ino;
  status.size_bytes = found.stx_size;
  status.mode = found.stx_mode;
  status.user = found.stx_uid;
  status.group = found.stx_gid;
  status.link_count = found.stx_nlink;
  status.modified = wall_time(found.stx_mtime);
  status.changed = wall_time(found.stx_ctime);
  if ((found.stx_mask & STATX_DIOALIGN) != 0) {
    status.direct_memory_align = found.stx_dio_mem_align;
    status.direct_offset_align = found.stx_dio_offset_align;
  }
  return status;
}

bool is_file_operation(Opcode opcode) { return opcode >= Opcode::close; }

int32_t run_file_operation(Operation& operation) {
  const int descriptor = operation.descriptor;
  const off_t offset = static_cast<off_t>(operation.offset);
  const off_t length = static_cast<off_t>(operation.length);
  switch (operation.opcode) {
    case Opcode::close:
      return checked(::close(descriptor));
    case Opcode::open_at:
      return open_file(operation);
    case Opcode::read_at:
    case Opcode::write_at:
      return transfer(operation);
    case Opcode::sync:
      return sync_file(operation);
    case Opcode::rename_at:
      return checked(renameat2(descriptor, operation.path, operation.descriptor2, operation.path2,
                               operation.flags));
    case Opcode::unlink_at:
      return checked(unlinkat(descriptor, operation.path, static_cast<int>(operation.flags)));
    case Opcode::make_directory_at:
      return checked(mkdirat(descriptor, operation.path, operation.mode));
    case Opcode::stat_at:
      return stat_file(operation);
    case Opcode::list_directory:
      return list(operation);
    case Opcode::truncate:
      return checked(ftruncate(descriptor, length));
    case Opcode::allocate:
      return checked(fallocate(descriptor, 0, offset, length));
    case Opcode::file_system_status:
      return file_system(operation);
    case Opcode::lock:
      return checked(flock(descriptor, LOCK_EX | LOCK_NB));
    case Opcode::list_page:
      return list_some(operation);
    case Opcode::set_access:
      return set_access(operation);
    default:
      return -ENOSYS;
  }
}

}  // namespace mailroot::reactor
