// What the simulated disk keeps and loses at a crash.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "doctest/doctest.h"
#include "sim_world.h"

namespace mailroot::reactor::sim {

namespace {

constexpr size_t kSector = 512;

Descriptor open_directory(RawBackend& raw, const char* path) {
  const int32_t directory = raw.open(kNoDirectory, path, O_RDONLY | O_DIRECTORY);
  REQUIRE(directory >= 0);
  return directory;
}

// Of each sector: 'o' all old, 'n' all new, '?' anything else.
std::string sectors(const std::string& content, char old_byte, char new_byte) {
  std::string kinds;
  for (size_t at = 0; at < content.size(); at += kSector) {
    const std::string sector = content.substr(at, kSector);
    const bool old_all = sector.find_first_not_of(old_byte) == std::string::npos;
    const bool new_all = sector.find_first_not_of(new_byte) == std::string::npos;
    kinds += old_all ? 'o' : new_all ? 'n' : '?';
  }
  return kinds;
}

std::string after_crash_of_overwrite(uint64_t seed, uint32_t flags, bool complete) {
  OneShard shard(seed);
  DiskAccess& disk = shard.world.disk();
  disk.write_file("/f", std::string(8192, 'o'));
  RawBackend& raw = *shard.raw;
  const int32_t file = raw.open(kNoDirectory, "/f", O_RDWR | flags);
  REQUIRE(file >= 0);
  const std::string text(8192, 'n');
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  Operation write;
  write.opcode = Opcode::write_at;
  write.descriptor = file;
  write.buffers = {&piece, 1};
  raw->submit(write);
  if (complete) CHECK(raw.next(write).result == 8192);
  shard.world.crash();
  if (!complete) CHECK(raw.next(write).result == -ECANCELED);
  return disk.read_file("/f").value();
}

}  // namespace

TEST_CASE("an unsynced overwrite is lost, kept or torn by sectors, never invented") {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const std::string kinds = sectors(after_crash_of_overwrite(seed, 0, true), 'o', 'n');
    CHECK(kinds.size() == 16);
    CHECK(kinds.find('?') == std::string::npos);
    seen.insert(kinds);
  }
  CHECK(seen.contains(std::string(16, 'o')));
  CHECK(seen.contains(std::string(16, 'n')));
  CHECK(seen.size() > 4);
}

TEST_CASE("a synchronous write is durable when it completes") {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    CHECK(after_crash_of_overwrite(seed, O_DSYNC, true) == std::string(8192, 'n'));
  }
}

TEST_CASE("a synchronous write is torn when the crash meets it") {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const std::string kinds = sectors(after_crash_of_overwrite(seed, O_DSYNC, false), 'o', 'n');
    CHECK(kinds.find('?') == std::string::npos);
    seen.insert(kinds);
  }
  CHECK(seen.contains(std::string(16, 'o')));
  CHECK(seen.size() > 8);
}

TEST_CASE("sync makes what was written before it durable") {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    OneShard shard(seed, unordered_names());
    RawBackend& raw = *shard.raw;
    shard.world.disk().write_file("/f", "");
    const int32_t file = raw.open(kNoDirectory, "/f", O_RDWR);
    CHECK(raw.write(file, std::string(10'000, 'a'), 0) == 10'000);
    CHECK(raw.simple(Opcode::truncate, file, 9'000) == 0);
    CHECK(raw.sync(file) == 0);
    CHECK(raw.write(file, "later", 9'000) == 5);
    shard.world.crash();
    const std::string found = shard.world.disk().read_file("/f").value();
    CHECK(found.substr(0, 9'000) == std::string(9'000, 'a'));
    CHECK((found.size() == 9'000 || found.size() == 9'005));
  }
}

TEST_CASE("one sync of the file system secures files and names, also where names are unordered") {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    OneShard shard(seed, unordered_names());
    RawBackend& raw = *shard.raw;
    const int32_t root = raw.open(kNoDirectory, "/", O_RDONLY | O_DIRECTORY);
    const int32_t file = raw.open(kNoDirectory, "/a", O_RDWR | O_CREAT);
    CHECK(raw.write(file, "text", 0) == 4);
    CHECK(raw.rename(kNoDirectory, "/a", "/b") == 0);
    CHECK(raw.sync(root, SyncKind::file_system) == 0);
    shard.world.crash();
    CHECK(shard.world.disk().read_file("/b") == "text");
    CHECK_FALSE(shard.world.disk().read_file("/a").has_value());
  }
}

TEST_CASE("a size that was not synced may be the old one, the new one, with zeros for lost bytes") {
  std::set<size_t> sizes;
  bool zeros_seen = false;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    OneShard shard(seed);
    shard.world.disk().write_file("/f", "");
    const int32_t file = shard.raw->open(kNoDirectory, "/f", O_RDWR);
    CHECK(shard.raw->write(file, std::string(3000, 'a'), 0) == 3000);
    CHECK(shard.raw->write(file, std::string(3000, 'b'), 3000) == 3000);
    shard.world.crash();
    const std::string found = shard.world.disk().read_file("/f").value();
    sizes.insert(found.size());
    zeros_seen = zeros_seen || found.find('\0') != std::string::npos;
    CHECK(found.find_first_not_of(std::string("ab\0", 3)) == std::string::npos);
  }
  CHECK(sizes == std::set<size_t>{0, 3000, 6000});
  CHECK(zeros_seen);
}

TEST_CASE("unsynced names: a prefix on an ordered file system, any subset on another") {
  std::set<std::string> ordered;
  std::set<std::string> unordered;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const bool in_order : {true, false}) {
      OneShard shard(seed, in_order ? WorldOptions{} : unordered_names());
      for (const char* path : {"/a", "/b", "/c"}) {
        CHECK(shard.raw->open(kNoDirectory, path, O_CREAT | O_RDWR) >= 0);
      }
      shard.world.crash();
      std::string names;
      for (const std::string& name : shard.world.disk().list("/")) names += name;
      (in_order ? ordered : unordered).insert(names);
    }
  }
  CHECK(ordered == std::set<std::string>{"", "a", "ab", "abc"});
  CHECK(unordered.contains("b"));
  CHECK(unordered.contains("ac"));
}

TEST_CASE("syncing a file does not secure its name where names are unordered") {
  bool lost = false;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const bool in_order : {true, false}) {
      OneShard shard(seed, in_order ? WorldOptions{} : unordered_names());
      const int32_t file = shard.raw->open(kNoDirectory, "/f", O_CREAT | O_RDWR);
      CHECK(shard.raw->write(file, "text", 0) == 4);
      CHECK(shard.raw->sync(file) == 0);
      shard.world.crash();
      const std::optional<std::string> found = shard.world.disk().read_file("/f");
      if (found.has_value()) CHECK(*found == "text");
      if (in_order) CHECK(found.has_value());
      lost = lost || !found.has_value();
    }
  }
  CHECK(lost);
}

TEST_CASE("a rename is whole, and durable once either directory is synced") {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const int synced : {0, 1, 2}) {
      OneShard shard(seed, unordered_names());
      DiskAccess& disk = shard.world.disk();
      disk.make_directories("/tmp");
      disk.make_directories("/new");
      disk.write_file("/tmp/m", "mail");
      RawBackend& raw = *shard.raw;
      const Descriptor from = open_directory(raw, "/tmp");
      const Descriptor to = open_directory(raw, "/new");
      Operation rename;
      rename.opcode = Opcode::rename_at;
      rename.descriptor = from;
      rename.descriptor2 = to;
      rename.path = rename.path2 = "m";
      CHECK(raw.run(rename) == 0);
      if (synced > 0) CHECK(raw.sync(synced == 1 ? from : to) == 0);
      shard.world.crash();
      const bool old_name = disk.read_file("/tmp/m").has_value();
      const bool new_name = disk.read_file("/new/m").has_value();
      CHECK(old_name != new_name);
      if (synced > 0) CHECK(new_name);
      seen.insert(old_name ? "old" : "new");
    }
  }
  CHECK(seen.size() == 2);
}

TEST_CASE("syncing a directory does not secure another, nor its own name") {
  bool other_lost = false;
  bool self_lost = false;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    OneShard shard(seed, unordered_names());
    RawBackend& raw = *shard.raw;
    shard.world.disk().make_directories("/kept");
    CHECK(raw.make_directory(kNoDirectory, "/lost") == 0);
    CHECK(raw.open(kNoDirectory, "/kept/a", O_CREAT | O_RDWR) >= 0);
    CHECK(raw.open(kNoDirectory, "/lost/b", O_CREAT | O_RDWR) >= 0);
    CHECK(raw.sync(open_directory(raw, "/lost")) == 0);
    shard.world.crash();
    other_lost = other_lost || !shard.world.disk().read_file("/kept/a").has_value();
    self_lost = self_lost || !shard.world.disk().read_file("/lost/b").has_value();
  }
  CHECK(other_lost);
  CHECK(self_lost);
}

TEST_CASE("a recycled inode can come back under its new name with its old bytes") {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    OneShard shard(seed);
    DiskAccess& disk = shard.world.disk();
    disk.make_directories("/q");
    disk.write_file("/q/pool", "old message");
    RawBackend& raw = *shard.raw;
    const int32_t file = raw.open(kNoDirectory, "/q/pool", O_RDWR);
    CHECK(raw.write(file, "new message", 0) == 11);
    const Descriptor directory = open_directory(raw, "/q");
    CHECK(raw.rename(directory, "pool", "mail") == 0);
    CHECK(raw.sync(directory) == 0);
    shard.world.crash();
    seen.insert(disk.read_file("/q/mail").value());
  }
  CHECK(seen == std::set<std::string>{"old message", "new message"});
}

TEST_CASE("after a failed sync the next one succeeds and the bytes are gone") {
  size_t lost = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    OneShard shard(seed);
    DiskAccess& disk = shard.world.disk();
    disk.write_file("/f", "before");
    const int32_t file = shard.raw->open(kNoDirectory, "/f", O_RDWR);
    CHECK(shard.raw->write(file, "after!", 0) == 6);
    disk.fail_next(Opcode::sync, EIO, 1);
    CHECK(shard.raw->sync(file) == -EIO);
    CHECK(shard.raw->sync(file) == 0);
    shard.world.crash();
    if (disk.read_file("/f") == "before") ++lost;
  }
  CHECK(lost > kSeeds / 4);
  CHECK(lost < kSeeds);
}

TEST_CASE("errors on demand: write, space, space of a reservation, bit flips") {
  OneShard shard(1);
  RawBackend& raw = *shard.raw;
  DiskAccess& disk = shard.world.disk();
  disk.write_file("/f", std::string(4096, 'x'));
  const int32_t file = raw.open(kNoDirectory, "/f", O_RDWR);
  disk.fail_next(Opcode::write_at, EIO, 2);
  CHECK(raw.write(file, "a", 0) == -EIO);
  CHECK(raw.write(file, "a", 0) == -EIO);
  CHECK(raw.write(file, "a", 0) == 1);
  disk.fail_next(Opcode::open_at, EMFILE, 1);
  CHECK(raw.open(kNoDirectory, "/f", O_RDWR) == -EMFILE);

  disk.set_free_bytes(8192);
  CHECK(raw.write(file, std::string(8192, 'y'), 4096) == 8192);
  CHECK(raw.write(file, "z", 100'000) == -ENOSPC);
  CHECK(raw.write(file, "z", 0) == 1);  // in place needs no space
  CHECK(raw.simple(Opcode::allocate, file, 16 * 4096) == -ENOSPC);
  CHECK(raw.open(kNoDirectory, "/g", O_RDWR | O_CREAT) == -ENOSPC);
  FileSystemStatus status;
  CHECK(raw.simple(Opcode::file_system_status, file, 0, &status) == 0);
  CHECK(status.free_bytes == 0);
  CHECK(raw.simple(Opcode::truncate, file, 4096) == 0);
  CHECK(disk.free_bytes() == 8192);

  CHECK(disk.flip_bit("/f", 10, 0));
  CHECK(disk.read_file("/f").value()[10] == 'y');
  CHECK(raw.sync(file) == 0);
  CHECK(disk.read_durable("/f").value()[10] == 'y');
  CHECK_FALSE(disk.flip_bit("/f", 5000, 0));
  CHECK_FALSE(disk.flip_bit("/absent", 0, 0));
}

TEST_CASE("direct I/O wants its alignment") {
  OneShard shard(1);
  RawBackend& raw = *shard.raw;
  FileStatus status;
  const int32_t file = raw.open(kNoDirectory, "/f", O_RDWR | O_CREAT | O_DIRECT | O_DSYNC);
  CHECK(raw.stat(file, "", status) == 0);
  CHECK(status.direct_offset_align == 4096);
  alignas(4096) static char block[8192];
  const auto write = [&](char* data, size_t size, uint64_t offset) {
    return raw.write(file, std::string_view(data, size), offset);
  };
  CHECK(write(block, 4096, 0) == 4096);
  CHECK(write(block, 4096, 4096) == 4096);
  CHECK(write(block + 512, 4096, 0) == -EINVAL);
  CHECK(write(block, 1000, 0) == -EINVAL);
  CHECK(write(block, 4096, 512) == -EINVAL);
}

TEST_CASE("the latest sync wins over changes in flight: only what came before it is secured") {
  bool later_lost = false;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    OneShard shard(seed, unordered_names());
    RawBackend& raw = *shard.raw;
    shard.world.disk().write_file("/f", std::string(8192, '.'));
    const int32_t file = raw.open(kNoDirectory, "/f", O_RDWR);
    CHECK(raw.write(file, "first", 0) == 5);
    Operation sync;
    sync.opcode = Opcode::sync;
    sync.descriptor = file;
    raw->submit(sync);
    CHECK(raw.write(file, "second", 4096) == 6);
    CHECK(raw.next(sync).result == 0);
    shard.world.crash();
    const std::string found = shard.world.disk().read_file("/f").value();
    CHECK(found.starts_with("first"));
    later_lost = later_lost || found.substr(4096, 6) != "second";
  }
  CHECK(later_lost);
}

TEST_CASE("names: errors as a kernel gives them") {
  OneShard shard(1);
  RawBackend& raw = *shard.raw;
  DiskAccess& disk = shard.world.disk();
  disk.make_directories("/d/e");
  disk.write_file("/d/f", "x");
  disk.make_symbolic_link("/d/s", "/d/f");
  const Descriptor d = open_directory(raw, "/d");
  CHECK(raw.open(d, "s", O_RDONLY) == -ELOOP);
  CHECK(raw.open(d, "f/x", O_RDONLY) == -ENOTDIR);
  CHECK(raw.open(d, "f", O_RDONLY | O_DIRECTORY) == -ENOTDIR);
  CHECK(raw.open(d, "e", O_RDWR) == -EISDIR);
  CHECK(raw.open(d, "absent/f", O_RDONLY | O_CREAT) == -ENOENT);
  CHECK(raw.open(d, "f", O_RDONLY | O_CREAT | O_EXCL) == -EEXIST);
  CHECK(raw.open(d, std::string(256, 'n').c_str(), O_RDWR | O_CREAT) == -ENAMETOOLONG);
  CHECK(raw.open(99, "f", O_RDONLY) == -EBADF);
  CHECK(raw.unlink(d, "e") == -EISDIR);
  CHECK(raw.unlink(d, "f", AT_REMOVEDIR) == -ENOTDIR);
  CHECK(raw.unlink(kNoDirectory, "/d", AT_REMOVEDIR) == -ENOTEMPTY);
  CHECK(raw.rename(d, "f", "e") == -EISDIR);
  CHECK(raw.rename(d, "e", "f") == -ENOTDIR);
  CHECK(raw.rename(d, "e", "e/inside") == -EINVAL);
  CHECK(raw.rename(d, "f", "s", 1) == -EEXIST);
  CHECK(raw.rename(d, "absent", "f") == -ENOENT);
  const int32_t read_only = raw.open(d, "f", O_RDONLY);
  CHECK(raw.write(read_only, "x", 0) == -EBADF);
  CHECK(raw.simple(Opcode::truncate, read_only, 0) == -EINVAL);
  CHECK(disk.link("/d/f", "/d/g"));
  FileStatus status;
  CHECK(raw.stat(d, "g", status) == 0);
  CHECK(status.link_count == 2);
  CHECK(raw.stat(d, "s", status) == 0);
  CHECK((status.mode & S_IFMT) == S_IFLNK);
  CHECK(raw.unlink(d, "f") == 0);
  CHECK(raw.stat(read_only, "", status) == 0);  // open files outlive their names
  CHECK(raw.close(read_only) == 0);
  CHECK(raw.close(read_only) == -EBADF);
}

}  // namespace mailroot::reactor::sim
