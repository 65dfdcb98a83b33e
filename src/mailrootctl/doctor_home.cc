// doctor's look at a home directory and at the disk below it.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "doctor_facts.h"

namespace mailroot::ctl {

namespace {

namespace fs = std::filesystem;

std::string memory_file_system(const std::string& path) {
  constexpr uint64_t kTmpfs = 0x01021994, kRamfs = 0x858458F6;
  struct statfs status{};
  if (::statfs(path.c_str(), &status) != 0) return {};
  const auto magic = static_cast<uint64_t>(status.f_type) & 0xFFFFFFFF;
  return magic == kTmpfs ? "tmpfs" : magic == kRamfs ? "ramfs" : "";
}

// A file without a name, so that nothing is left behind whatever happens. The median of three:
// the first write also has to find room.
void measure_flush(HomeFacts& facts) {
  constexpr size_t kBytes = 4096;
  const std::string directory = facts.path + "/Queue/tmp";
  const int file = ::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_DSYNC | O_CLOEXEC, 0600);
  if (file < 0) {
    facts.flush_error = fmt::format("{}: {}", directory, std::strerror(errno));
    return;
  }
  const std::array<char, kBytes> block{};
  std::array<int64_t, 3> taken_us{};
  for (int64_t& taken : taken_us) {
    using std::chrono::steady_clock;
    const auto begin = steady_clock::now();
    const ssize_t count = ::pwrite(file, block.data(), block.size(), 0);
    if (count != static_cast<ssize_t>(block.size())) {
      facts.flush_error = fmt::format("{}: {}", directory, std::strerror(errno));
      break;
    }
    const auto elapsed = steady_clock::now() - begin;
    taken = std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count();
  }
  ::close(file);
  if (!facts.flush_error.empty()) return;
  std::sort(taken_us.begin(), taken_us.end());
  facts.flush_us = taken_us[1];
}

// /sys/block/<disk>/queue/write_cache of the disk with this number, or that it is a partition of.
void look_at_cache(HomeFacts& facts, dev_t device) {
  std::error_code error;
  const std::string link = fmt::format("/sys/dev/block/{}:{}", major(device), minor(device));
  fs::path disk = fs::canonical(link, error);
  if (error) return;
  if (fs::exists(disk / "partition", error)) disk = disk.parent_path();
  facts.device = disk.filename().string();
  std::ifstream file(disk / "queue/write_cache");
  std::string word;
  std::getline(file, word);
  if (word == "write back") facts.write_cache = WriteCache::write_back;
  if (word == "write through") facts.write_cache = WriteCache::write_through;
}

}  // namespace

HomeFacts look_at_home(const config::VirtualServer& server, const config::User& user) {
  HomeFacts facts;
  facts.server = server.id;
  facts.path = server.home_directory;
  facts.daemon_user = user.uid;
  facts.free_min_bytes = server.free_min_bytes;
  facts.trouble = config::why_no_home(facts.path, user);
  struct stat status{};
  facts.exists = ::stat(facts.path.c_str(), &status) == 0;
  if (!facts.exists || !facts.trouble.empty()) return facts;
  facts.owner = status.st_uid;
  facts.memory_file_system = memory_file_system(facts.path);
  struct statvfs space{};
  if (::statvfs(facts.path.c_str(), &space) == 0) {
    facts.free_bytes = uint64_t{space.f_bavail} * space.f_frsize;
    facts.free_inodes = space.f_favail;
    facts.total_inodes = space.f_files;
  }
  look_at_cache(facts, status.st_dev);
  measure_flush(facts);
  return facts;
}

}  // namespace mailroot::ctl
