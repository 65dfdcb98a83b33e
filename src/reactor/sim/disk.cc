#include "disk.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace mailroot::reactor::sim {

namespace {

constexpr uint64_t kGarbageMax = 256;  // dead inodes kept before they are looked for
constexpr int kLinkDepthMax = 8;

}  // namespace

Disk::Disk(const DiskOptions& options) : options_(options) {
  make_inode(InodeKind::directory, 0755, WallTime{});
  inodes_.at(kRootInode).links = 1;
}

Inode& Disk::at(InodeId id) {
  const auto found = inodes_.find(id);
  MAILROOT_ASSERT(found != inodes_.end(), "an inode in use exists");
  return found->second;
}

InodeId Disk::make_inode(InodeKind kind, uint32_t mode, WallTime now) {
  const InodeId id = next_inode_++;
  Inode& inode = inodes_[id];
  inode.kind = kind;
  inode.mode = mode & 07777U;
  inode.modified = now;
  return id;
}

// Walks the path. `inode` is kNoInode when only the last part is missing.
Disk::Place Disk::locate(InodeId base, std::string_view path, bool follow_last, int depth) const {
  Place place;
  if (path.size() >= kPathLengthMax) return {.error = -ENAMETOOLONG};
  if (depth > kLinkDepthMax) return {.error = -ELOOP};
  InodeId here = path.starts_with('/') ? kRootInode : base;
  std::vector<InodeId> parents;
  place.inode = here;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (place.inode == kNoInode) return {.error = -ENOENT};
    here = place.inode;
    const Inode& directory = inodes_.at(here);
    if (directory.kind != InodeKind::directory) return {.error = -ENOTDIR};
    if (part.size() > kNameLengthMax) return {.error = -ENAMETOOLONG};
    if (part == "..") return {.error = -EXDEV};  // nothing in Mailroot climbs
    const auto found = directory.names.find(part);
    place.directory = here;
    place.name = part;
    place.inode = found == directory.names.end() ? kNoInode : found->second;
    if (place.inode == kNoInode) continue;
    const Inode& inode = inodes_.at(place.inode);
    const bool last = path.find_first_not_of('/', end) == std::string_view::npos;
    if (inode.kind == InodeKind::symbolic_link && (!last || follow_last)) {
      place = locate(here, inode.target, true, depth + 1);
      if (place.error != 0) return place;
    }
  }
  return place;
}

// Where a new name goes: its directory exists, whatever stands there.
Disk::Place Disk::locate_new(InodeId base, std::string_view path) const {
  if (path.empty()) return {.error = -ENOENT};
  Place place = locate(base, path, false, 0);
  if (place.error == 0 && place.directory == kNoInode) place.error = -EEXIST;  // "/" or "."
  return place;
}

int64_t Disk::find(InodeId base, std::string_view path, bool follow_last) const {
  if (path.empty()) return -ENOENT;
  const Place place = locate(base, path, follow_last, 0);
  if (place.error != 0) return place.error;
  return place.inode == kNoInode ? -ENOENT : static_cast<int64_t>(place.inode);
}

int64_t Disk::open(InodeId base, std::string_view path, bool create, bool exclusive, uint32_t mode,
                   WallTime now) {
  if (!create) {
    const int64_t found = find(base, path, false);
    if (found > 0 && at(static_cast<InodeId>(found)).kind == InodeKind::symbolic_link) {
      return -ELOOP;
    }
    return found;
  }
  const Place place = locate_new(base, path);
  if (place.error != 0) return place.error;
  if (place.inode == kNoInode) {
    if (path.ends_with('/')) return -EISDIR;
    if (inodes_.size() >= options_.inodes_max || !fits(1)) return -ENOSPC;
    const InodeId id = make_inode(InodeKind::file, mode, now);
    add_name(place, id, now);
    return static_cast<int64_t>(id);
  }
  if (exclusive) return -EEXIST;
  const InodeKind kind = at(place.inode).kind;
  if (kind == InodeKind::symbolic_link) return -ELOOP;
  return kind == InodeKind::directory ? -EISDIR : static_cast<int64_t>(place.inode);
}

void Disk::log(NameChange change) {
  change.sequence = ++sequence_;
  changes_.push_back(std::move(change));
}

void Disk::add_name(const Place& place, InodeId inode, WallTime now) {
  Inode& directory = at(place.directory);
  directory.names[place.name] = inode;
  directory.modified = now;
  ++at(inode).links;
  log({NameChange::Kind::link, 0, place.directory, place.name, kNoInode, {}, inode});
}

int32_t Disk::make_directory(InodeId base, std::string_view path, uint32_t mode, WallTime now) {
  const Place place = locate_new(base, path);
  if (place.error != 0) return place.error;
  if (place.inode != kNoInode) return -EEXIST;
  if (inodes_.size() >= options_.inodes_max || !fits(1)) return -ENOSPC;
  add_name(place, make_inode(InodeKind::directory, mode, now), now);
  return 0;
}

int32_t Disk::make_symbolic_link(InodeId base, std::string_view path, std::string_view target) {
  const Place place = locate_new(base, path);
  if (place.error != 0) return place.error;
  if (place.inode != kNoInode) return -EEXIST;
  const InodeId id = make_inode(InodeKind::symbolic_link, 0777, WallTime{});
  at(id).target = target;
  add_name(place, id, WallTime{});
  return 0;
}

int32_t Disk::link(InodeId base, std::string_view from, std::string_view to) {
  const int64_t found = find(base, from, false);
  if (found < 0) return static_cast<int32_t>(found);
  const Place place = locate_new(base, to);
  if (place.error != 0) return place.error;
  if (place.inode != kNoInode) return -EEXIST;
  if (is_directory(static_cast<InodeId>(found))) return -EPERM;
  add_name(place, static_cast<InodeId>(found), WallTime{});
  return 0;
}

bool Disk::is_below(InodeId directory, InodeId ancestor) const {
  if (directory == ancestor) return true;
  const Inode& inode = inodes_.at(ancestor);
  return std::ranges::any_of(inode.names, [&](const auto& entry) {
    return inodes_.at(entry.second).kind == InodeKind::directory &&
           is_below(directory, entry.second);
  });
}

int32_t Disk::rename(InodeId from_base, std::string_view from, InodeId to_base, std::string_view to,
                     bool no_replace, WallTime now) {
  const Place source = locate_new(from_base, from);
  if (source.error != 0) return source.error == -EEXIST ? -EBUSY : source.error;
  if (source.inode == kNoInode) return -ENOENT;
  const Place target = locate_new(to_base, to);
  if (target.error != 0) return target.error == -EEXIST ? -EBUSY : target.error;
  if (target.inode != kNoInode) {
    if (no_replace) return -EEXIST;
    if (target.inode == source.inode) return 0;
    const Inode& there = at(target.inode);
    const bool directory = is_directory(source.inode);
    if (there.kind == InodeKind::directory && !directory) return -EISDIR;
    if (there.kind != InodeKind::directory && directory) return -ENOTDIR;
    if (!there.names.empty()) return -ENOTEMPTY;
  }
  if (is_directory(source.inode) && is_below(target.directory, source.inode)) return -EINVAL;
  if (target.inode != kNoInode) {
    --at(target.inode).links;
    ++lost_names_;
  }
  at(source.directory).names.erase(source.name);
  at(target.directory).names[target.name] = source.inode;
  at(source.directory).modified = at(target.directory).modified = now;
  log({NameChange::Kind::rename, 0, source.directory, source.name, target.directory, target.name,
       source.inode});
  if (lost_names_ > kGarbageMax) collect_garbage();
  return 0;
}

int32_t Disk::unlink(InodeId base, std::string_view path, bool directory, WallTime now) {
  const Place place = locate_new(base, path);
  if (place.error != 0) return place.error == -EEXIST ? -EBUSY : place.error;
  if (place.inode == kNoInode) return -ENOENT;
  Inode& inode = at(place.inode);
  if (directory && inode.kind != InodeKind::directory) return -ENOTDIR;
  if (!directory && inode.kind == InodeKind::directory) return -EISDIR;
  if (!inode.names.empty()) return -ENOTEMPTY;
  --inode.links;
  at(place.directory).names.erase(place.name);
  at(place.directory).modified = now;
  log({NameChange::Kind::unlink, 0, place.directory, place.name, kNoInode, {}, place.inode});
  if (++lost_names_ > kGarbageMax) collect_garbage();
  return 0;
}

void Disk::status_of(InodeId id, FileStatus& out) const {
  const Inode& inode = inodes_.at(id);
  constexpr uint32_t kTypes[] = {S_IFREG, S_IFDIR, S_IFLNK};
  out = {};
  out.device = 1;
  out.inode = id;
  out.size_bytes = inode.kind == InodeKind::file ? inode.content.size_bytes() : kPageBytes;
  out.mode = inode.mode | kTypes[static_cast<size_t>(inode.kind)];
  out.user = inode.user;
  out.group = inode.group;
  out.link_count = inode.links;
  out.modified = out.changed = inode.modified;
  if (inode.kind == InodeKind::directory) {
    ++out.link_count;
    for (const auto& [name, child] : inode.names) {
      if (inodes_.at(child).kind == InodeKind::directory) ++out.link_count;
    }
  }
  if (inode.kind == InodeKind::file) {
    out.direct_memory_align = out.direct_offset_align = options_.direct_align_bytes;
  }
}

void Disk::list(InodeId directory, std::vector<DirectoryEntry>& out) const {
  constexpr uint8_t kTypes[] = {DT_REG, DT_DIR, DT_LNK};
  for (const auto& [name, id] : inodes_.at(directory).names) {
    out.push_back({name, kTypes[static_cast<size_t>(inodes_.at(id).kind)], id});
  }
}

void Disk::drop_handle(InodeId id) {
  Inode& inode = at(id);
  MAILROOT_ASSERT(inode.handles > 0, "a handle is dropped once");
  if (--inode.handles == 0 && inode.links == 0) ++lost_names_;
}

bool Disk::fits(uint64_t pages) const {
  return (used_pages_ + pages) * kPageBytes <= options_.capacity_bytes;
}

uint64_t Disk::free_bytes() const {
  const uint64_t used = used_pages_ * kPageBytes;
  return used >= options_.capacity_bytes ? 0 : options_.capacity_bytes - used;
}

void Disk::set_free_bytes(uint64_t bytes) {
  collect_garbage();
  options_.capacity_bytes = used_pages_ * kPageBytes + bytes;
}

int32_t Disk::write(InodeId id, uint64_t offset, ByteView bytes, bool synchronous, WallTime now) {
  FileContent& content = at(id).content;
  if (offset + bytes.size() > kFileBytesMax) return -EFBIG;
  uint64_t missing = content.pages_missing(offset, bytes.size());
  if (!fits(missing)) collect_garbage();
  if (!fits(missing)) return -ENOSPC;
  used_pages_ += missing;
  ++sequence_;
  if (synchronous) {
    const bool commits = options_.ordered_names && has_unsynced_change(id);
    content.write_durable(offset, bytes);
    if (commits) sync_ordered(sequence_);
  } else {
    content.write(offset, bytes, sequence_);
  }
  at(id).modified = now;
  return static_cast<int32_t>(bytes.size());
}

void Disk::write_torn(InodeId id, uint64_t offset, ByteView bytes, Random& random) {
  FileContent& content = at(id).content;
  if (offset + bytes.size() > kFileBytesMax) return;
  const size_t before = content.pages();
  content.write_torn(offset, bytes, random);
  used_pages_ += content.pages() - before;
}

int32_t Disk::truncate(InodeId id, uint64_t length, WallTime now) {
  if (length > kFileBytesMax) return -EFBIG;
  FileContent& content = at(id).content;
  const size_t before = content.pages();
  content.truncate(length, ++sequence_);
  used_pages_ -= before - content.pages();
  at(id).modified = now;
  return 0;
}

int32_t Disk::allocate(InodeId id, uint64_t offset, uint64_t length, WallTime now) {
  if (length == 0) return -EINVAL;
  if (offset + length > kFileBytesMax) return -EFBIG;
  FileContent& content = at(id).content;
  const size_t missing = content.pages_missing(offset, length);
  if (!fits(missing)) collect_garbage();
  if (!fits(missing)) return -ENOSPC;
  used_pages_ += missing;
  content.allocate(offset, length, ++sequence_);
  at(id).modified = now;
  return 0;
}

}  // namespace mailroot::reactor::sim
