#include "disk_access.h"

#include "world_state.h"

namespace mailroot::reactor::sim {

namespace {

bool is_file(Disk& disk, InodeId id) { return disk.at(id).kind == InodeKind::file; }

std::string_view parent_of(std::string_view path) {
  const size_t slash = path.find_last_of('/');
  return slash == 0 || slash == std::string_view::npos ? "/" : path.substr(0, slash);
}

}  // namespace

// Makes a name durable, with what it stands for.
void DiskAccessOfWorld::secure(std::string_view path) {
  Disk& disk = world_.disk.disk();
  for (const std::string_view name : {path, parent_of(path)}) {
    const int64_t found = disk.find(kRootInode, name, false);
    MAILROOT_ASSERT(found > 0, "a test prepares paths that exist");
    disk.sync(static_cast<InodeId>(found), disk.sequence());
  }
}

void DiskAccessOfWorld::make_directories(std::string_view path) {
  for (size_t at = 1; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view prefix = path.substr(0, end);
    const int32_t made =
        world_.disk.disk().make_directory(kRootInode, prefix, 0755, world_.wall_now());
    MAILROOT_ASSERT(made == 0 || made == -EEXIST, "a test prepares directories that can be made");
    secure(prefix);
    at = end + 1;
  }
}

void DiskAccessOfWorld::write_file(std::string_view path, std::string_view content) {
  Disk& disk = world_.disk.disk();
  const int64_t found = disk.open(kRootInode, path, true, false, 0644, world_.wall_now());
  MAILROOT_ASSERT(found > 0, "a test writes files that can be made");
  const auto id = static_cast<InodeId>(found);
  disk.truncate(id, 0, world_.wall_now());
  const int32_t written = disk.write(id, 0, as_bytes(content), false, world_.wall_now());
  MAILROOT_ASSERT(written >= 0, "a test writes files that fit");
  secure(path);
}

void DiskAccessOfWorld::make_symbolic_link(std::string_view path, std::string_view target) {
  const int32_t made = world_.disk.disk().make_symbolic_link(kRootInode, path, target);
  MAILROOT_ASSERT(made == 0, "a test makes links that can be made");
  secure(path);
}

bool DiskAccessOfWorld::link(std::string_view from, std::string_view to) {
  return world_.disk.disk().link(kRootInode, from, to) == 0;
}

bool DiskAccessOfWorld::rename(std::string_view from, std::string_view to) {
  return world_.disk.disk().rename(kRootInode, from, kRootInode, to, false, world_.wall_now()) == 0;
}

bool DiskAccessOfWorld::remove(std::string_view path) {
  Disk& disk = world_.disk.disk();
  const int64_t found = disk.find(kRootInode, path, false);
  if (found < 0) return false;
  const bool directory = disk.is_directory(static_cast<InodeId>(found));
  return disk.unlink(kRootInode, path, directory, world_.wall_now()) == 0;
}

std::optional<std::string> DiskAccessOfWorld::read_file(std::string_view path) const {
  Disk& disk = world_.disk.disk();
  const int64_t found = disk.find(kRootInode, path, true);
  if (found < 0 || !is_file(disk, static_cast<InodeId>(found))) return std::nullopt;
  const FileContent& content = disk.at(static_cast<InodeId>(found)).content;
  std::string text(content.size_bytes(), '\0');
  content.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

std::vector<std::string> DiskAccessOfWorld::list(std::string_view path) const {
  Disk& disk = world_.disk.disk();
  std::vector<std::string> names;
  const int64_t found = disk.find(kRootInode, path, true);
  if (found < 0) return names;
  std::vector<DirectoryEntry> entries;
  disk.list(static_cast<InodeId>(found), entries);
  for (DirectoryEntry& entry : entries) names.push_back(std::move(entry.name));
  return names;
}

std::optional<std::string> DiskAccessOfWorld::read_durable(std::string_view path) const {
  Disk& disk = world_.disk.disk();
  const InodeId id = disk.find_durable(path);
  if (id == kNoInode || !is_file(disk, id)) return std::nullopt;
  const FileContent& content = disk.at(id).content;
  std::string text(content.durable_size_bytes(), '\0');
  content.read_durable(0, std::as_writable_bytes(std::span(text)));
  return text;
}

bool DiskAccessOfWorld::flip_bit(std::string_view path, uint64_t offset_bytes, unsigned bit) {
  Disk& disk = world_.disk.disk();
  const int64_t found = disk.find(kRootInode, path, true);
  if (found < 0 || !is_file(disk, static_cast<InodeId>(found))) return false;
  FileContent& content = disk.at(static_cast<InodeId>(found)).content;
  if (offset_bytes >= content.size_bytes()) return false;
  content.flip_bit(offset_bytes, bit);
  return true;
}

void DiskAccessOfWorld::set_free_bytes(uint64_t bytes) { world_.disk.disk().set_free_bytes(bytes); }

uint64_t DiskAccessOfWorld::free_bytes() const { return world_.disk.disk().free_bytes(); }

void DiskAccessOfWorld::fail_next(Opcode opcode, int error, uint32_t count) {
  world_.disk.fail_next(opcode, error, count);
}

}  // namespace mailroot::reactor::sim
