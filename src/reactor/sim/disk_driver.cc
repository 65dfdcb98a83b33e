#include "disk_driver.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include "world_state.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

namespace mailroot::reactor::sim {

namespace {

constexpr uint64_t kDiskStream = 1;

std::vector<std::byte> gather(std::span<const iovec> buffers) {
  std::vector<std::byte> bytes;
  for (const iovec& buffer : buffers) {
    const auto* data = static_cast<const std::byte*>(buffer.iov_base);
    bytes.insert(bytes.end(), data, data + buffer.iov_len);
  }
  return bytes;
}

bool is_writable(const Handle& handle) { return (handle.flags & O_ACCMODE) != O_RDONLY; }
bool is_readable(const Handle& handle) { return (handle.flags & O_ACCMODE) != O_WRONLY; }
bool is_synchronous(const Handle& handle) { return (handle.flags & O_DSYNC) != 0; }

bool changes_the_disk(Opcode opcode) {
  switch (opcode) {
    case Opcode::open_at:
    case Opcode::write_at:
    case Opcode::sync:
    case Opcode::rename_at:
    case Opcode::unlink_at:
    case Opcode::make_directory_at:
    case Opcode::truncate:
    case Opcode::allocate:
    case Opcode::set_access:
      return true;
    default:
      return false;
  }
}

// O_DIRECT wants everything aligned; a buffered file takes anything.
bool is_aligned(const Handle& handle, const Operation& operation, uint32_t align) {
  if ((handle.flags & O_DIRECT) == 0) return true;
  return operation.offset % align == 0 &&
         std::ranges::all_of(operation.buffers, [align](const iovec& buffer) {
           return buffer.iov_len % align == 0 &&
                  reinterpret_cast<uintptr_t>(buffer.iov_base) % align == 0;
         });
}

}  // namespace

DiskDriver::DiskDriver(WorldState& world, uint64_t seed, const DiskOptions& options)
    : world_(world), random_(seed, kDiskStream), disk_(options) {}

bool DiskDriver::handles(Opcode opcode) { return opcode >= Opcode::open_at; }

Duration DiskDriver::latency() {
  const Faults& faults = world_.faults;
  const Duration usual = random_.between(faults.disk_latency_min, faults.disk_latency_max);
  if (!random_.chance(faults.disk_hiccup)) return usual;
  return usual + random_.between(Duration{}, faults.disk_hiccup_max);
}

void DiskDriver::submit(SimBackend& backend, OperationRef ref) {
  if (backend.process().is_outside) return backend.complete(ref, -ENOSYS);
  // A sync secures what was done before it was asked for.
  const uint64_t sequence = disk_.sequence();
  world_.scheduler.after(latency(), [this, number = backend.number(), ref, sequence] {
    SimBackend* owner = world_.find_backend(number);
    Operation* operation = owner == nullptr ? nullptr : owner->find(ref);
    if (operation == nullptr) return;
    const std::optional<int32_t> error = fault_for(operation->opcode);
    const int32_t result = error.has_value() ? fail(owner->process(), *operation, *error, sequence)
                                             : run(owner->process(), *operation, sequence);
    owner->complete(ref, result);
  });
}

std::optional<int32_t> DiskDriver::fault_for(Opcode opcode) {
  for (Injected& injected : injected_) {
    if (injected.opcode != opcode || injected.count == 0) continue;
    --injected.count;
    return -injected.error;
  }
  const Faults& faults = world_.faults;
  const double chance = opcode == Opcode::read_at    ? faults.read_error
                        : opcode == Opcode::write_at ? faults.write_error
                        : opcode == Opcode::sync     ? faults.sync_error
                                                     : 0;
  if (chance > 0 && random_.chance(chance)) return -EIO;
  return std::nullopt;
}

void DiskDriver::fail_next(Opcode opcode, int error, uint32_t count) {
  injected_.push_back({opcode, error, count});
}

int32_t DiskDriver::fail(Process& process, Operation& operation, int32_t error, uint64_t sequence) {
  Handle* handle = process.find(operation.descriptor);
  if (handle == nullptr || handle->inode == kNoInode || error != -EIO) return error;
  if (operation.opcode == Opcode::sync) {
    if (operation.flags == static_cast<uint32_t>(SyncKind::file_system)) {
      disk_.drop_all_unsynced(sequence, random_);
    } else {
      disk_.at(handle->inode).content.drop_unsynced(sequence, random_);
    }
  } else if (operation.opcode == Opcode::write_at && is_synchronous(*handle)) {
    disk_.write_torn(handle->inode, operation.offset, gather(operation.buffers), random_);
  }
  return error;
}

int32_t DiskDriver::run(Process& process, Operation& operation, uint64_t sequence) {
  if (changes_the_disk(operation.opcode) && random_.chance(world_.faults.early_write_back)) {
    disk_.write_back_some(random_);
  }
  switch (operation.opcode) {
    case Opcode::open_at:
    case Opcode::rename_at:
    case Opcode::unlink_at:
    case Opcode::make_directory_at:
      return run_on_path(process, operation);
    case Opcode::stat_at:
      return status(process, operation);
    default:
      break;
  }
  Handle* handle = process.find(operation.descriptor);
  if (handle == nullptr) return -EBADF;
  if (handle->inode == kNoInode) return -EINVAL;  // a socket
  return run_on_handle(*handle, operation, sequence);
}

// The inode that a relative path starts from, or an errno.
int64_t DiskDriver::base_of(Process& process, Descriptor directory, const char* path) {
  if (directory == kNoDirectory || path[0] == '/') return kRootInode;
  const Handle* handle = process.find(directory);
  if (handle == nullptr) return -EBADF;
  if (handle->inode == kNoInode || !disk_.is_directory(handle->inode)) return -ENOTDIR;
  return static_cast<int64_t>(handle->inode);
}

int32_t DiskDriver::run_on_path(Process& process, Operation& operation) {
  const int64_t base = base_of(process, operation.descriptor, operation.path);
  if (base < 0) return static_cast<int32_t>(base);
  const auto directory = static_cast<InodeId>(base);
  const WallTime now = world_.wall_now();
  switch (operation.opcode) {
    case Opcode::open_at:
      return open(process, operation);
    case Opcode::unlink_at:
      return disk_.unlink(directory, operation.path, (operation.flags & AT_REMOVEDIR) != 0, now);
    case Opcode::make_directory_at:
      return disk_.make_directory(directory, operation.path, operation.mode, now);
    default: {
      if ((operation.flags & ~static_cast<uint32_t>(RENAME_NOREPLACE)) != 0) return -EINVAL;
      const int64_t target = base_of(process, operation.descriptor2, operation.path2);
      if (target < 0) return static_cast<int32_t>(target);
      return disk_.rename(directory, operation.path, static_cast<InodeId>(target), operation.path2,
                          operation.flags != 0, now);
    }
  }
}

int32_t DiskDriver::open(Process& process, const Operation& operation) {
  const int64_t base = base_of(process, operation.descriptor, operation.path);
  if ((operation.flags & O_TMPFILE) == O_TMPFILE) return -EOPNOTSUPP;
  const bool create = (operation.flags & O_CREAT) != 0;
  if (!process.has_room()) return -EMFILE;
  const int64_t found =
      disk_.open(static_cast<InodeId>(base), operation.path, create,
                 (operation.flags & O_EXCL) != 0, operation.mode, world_.wall_now());
  if (found < 0) return static_cast<int32_t>(found);
  const auto id = static_cast<InodeId>(found);
  Handle handle{id, operation.flags, next_lock_id_++, nullptr};
  const bool directory = disk_.is_directory(id);
  if (directory && is_writable(handle)) return -EISDIR;
  if (!directory && (operation.flags & O_DIRECTORY) != 0) return -ENOTDIR;
  if ((operation.flags & O_TRUNC) != 0 && is_writable(handle)) {
    disk_.truncate(id, 0, world_.wall_now());
  }
  disk_.add_handle(id);
  return process.add(std::move(handle));
}

int32_t DiskDriver::status(Process& process, const Operation& operation) {
  int64_t found = 0;
  if (operation.path[0] == '\0') {
    const Handle* handle = process.find(operation.descriptor);
    if (handle == nullptr || handle->inode == kNoInode) return -EBADF;
    found = static_cast<int64_t>(handle->inode);
  } else {
    found = base_of(process, operation.descriptor, operation.path);
    if (found >= 0) found = disk_.find(static_cast<InodeId>(found), operation.path, false);
  }
  if (found < 0) return static_cast<int32_t>(found);
  disk_.status_of(static_cast<InodeId>(found), *static_cast<FileStatus*>(operation.output));
  return 0;
}

// Names in order; a name that came behind where the listing stands is not seen, as anywhere.
void DiskDriver::list_page(Handle& handle, DirectoryPage& page) {
  constexpr size_t kEntriesMax = 100;
  const auto& names = disk_.at(handle.inode).names;
  page.entries.clear();
  auto next = names.upper_bound(handle.listed_to);
  for (; next != names.end() && page.entries.size() < kEntriesMax; ++next) {
    FileStatus status;
    disk_.status_of(next->second, status);
    page.entries.push_back({next->first, status});
    handle.listed_to = next->first;
  }
  page.at_end = page.entries.empty();
}

int32_t DiskDriver::read(const Handle& handle, const Operation& operation) {
  if (disk_.is_directory(handle.inode)) return -EISDIR;
  if (!is_readable(handle)) return -EBADF;
  if (!is_aligned(handle, operation, disk_.options().direct_align_bytes)) return -EINVAL;
  const FileContent& content = disk_.at(handle.inode).content;
  uint64_t done = 0;
  for (const iovec& buffer : operation.buffers) {
    const MutableBytes into(static_cast<std::byte*>(buffer.iov_base), buffer.iov_len);
    const size_t got = content.read(operation.offset + done, into);
    done += got;
    if (got < buffer.iov_len) break;
  }
  return static_cast<int32_t>(done);
}

int32_t DiskDriver::write(const Handle& handle, const Operation& operation) {
  if (!is_writable(handle)) return -EBADF;
  if (!is_aligned(handle, operation, disk_.options().direct_align_bytes)) return -EINVAL;
  return disk_.write(handle.inode, operation.offset, gather(operation.buffers),
                     is_synchronous(handle), world_.wall_now());
}

int32_t DiskDriver::run_on_handle(Handle& handle, Operation& operation, uint64_t sequence) {
  const bool directory = disk_.is_directory(handle.inode);
  const WallTime now = world_.wall_now();
  switch (operation.opcode) {
    case Opcode::read_at:
      return read(handle, operation);
    case Opcode::write_at:
      return write(handle, operation);
    case Opcode::sync:
      if (operation.flags == static_cast<uint32_t>(SyncKind::file_system)) {
        disk_.sync_all(sequence);
      } else {
        disk_.sync(handle.inode, sequence);
      }
      return 0;
    case Opcode::list_directory:
      if (!directory) return -ENOTDIR;
      disk_.list(handle.inode, *static_cast<std::vector<DirectoryEntry>*>(operation.output));
      return 0;
    case Opcode::truncate:
      return is_writable(handle) ? disk_.truncate(handle.inode, operation.length, now) : -EINVAL;
    case Opcode::allocate:
      return is_writable(handle)
                 ? disk_.allocate(handle.inode, operation.offset, operation.length, now)
                 : -EBADF;
    case Opcode::list_page:
      if (!directory) return -ENOTDIR;
      list_page(handle, *static_cast<DirectoryPage*>(operation.output));
      return 0;
    case Opcode::set_access: {
      Inode& inode = disk_.at(handle.inode);
      if (operation.flags != kGroupAsItIs) inode.group = operation.flags;
      inode.mode = operation.mode;
      return 0;
    }
    case Opcode::file_system_status:
      *static_cast<FileSystemStatus*>(operation.output) = {
          disk_.options().magic, disk_.free_bytes(), disk_.options().capacity_bytes,
          disk_.free_inodes(), false};
      return 0;
    default: {
      MAILROOT_ASSERT(operation.opcode == Opcode::lock, "every opcode has its place");
      int& owner = disk_.at(handle.inode).lock_owner;
      if (owner >= 0 && owner != handle.lock_id) return -EWOULDBLOCK;
      owner = handle.lock_id;
      return 0;
    }
  }
}

void DiskDriver::close(Handle& handle) {
  Inode& inode = disk_.at(handle.inode);
  if (inode.lock_owner == handle.lock_id) inode.lock_owner = -1;
  disk_.drop_handle(handle.inode);
}

void DiskDriver::interrupt(Process& process, Operation& operation, bool power_loss) {
  if (!changes_the_disk(operation.opcode) || random_.chance(0.5)) return;
  Handle* handle = process.find(operation.descriptor);
  const bool synchronous_write = operation.opcode == Opcode::write_at && handle != nullptr &&
                                 handle->inode != kNoInode && is_synchronous(*handle);
  if (power_loss && synchronous_write) {
    disk_.write_torn(handle->inode, operation.offset, gather(operation.buffers), random_);
  } else {
    run(process, operation, disk_.sequence());
  }
}

}  // namespace mailroot::reactor::sim
