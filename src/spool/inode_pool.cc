#include "inode_pool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <functional>
#include <utility>

#include "directory.h"
#include "limits.h"
#include "mailroot/base/slab_pool.h"
#include "segment.h"

namespace mailroot::spool {

using reactor::task;

namespace {
constexpr std::string_view kSuffix = ".free";
}  // namespace

std::string InodePool::fresh_name() {
  return fmt::format("{}-{}-{}{}", home_.epoch, shard_, counter_++, kSuffix);
}

std::optional<uint32_t> epoch_of_pool_name(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  name.remove_suffix(kSuffix.size());
  const size_t first = name.find('-');
  const size_t second = name.find('-', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  if (!parse_number(name.substr(first + 1, second - first - 1))) return std::nullopt;
  return parse_number(name.substr(0, first));
}

// What earlier starts left. Recovery has run, so none of it is mail; files of this epoch belong to
// whoever made them.
task<void> InodePool::adopt() {
  auto entries = co_await reactor_.list_directory(home_.queue.temporary);
  if (!entries) co_return;
  for (const reactor::DirectoryEntry& entry : *entries) {
    const auto epoch = epoch_of_pool_name(entry.name);
    if (!epoch || *epoch >= home_.epoch) continue;
    if (std::hash<std::string>()(entry.name) % shards_ != shard_) continue;
    auto status = co_await reactor_.stat_at(home_.queue.temporary, entry.name);
    if (!status || !S_ISREG(status->mode)) continue;
    if (!has_room() || status->link_count != 1) {
      co_await reactor_.unlink_at(home_.queue.temporary, entry.name, 0);
    } else {
      co_await shrink(entry.name, status->inode, status->size_bytes);
    }
  }
}

task<void> InodePool::release() {
  if (!std::exchange(adopted_, true)) {
    co_await adopt();
  }
  while (!free_.empty()) {
    const Free gone = std::move(free_.back());
    free_.pop_back();
    co_await reactor_.unlink_at(home_.queue.temporary, gone.name, 0);
  }
}

// Puts a file of Queue/tmp among the free ones.
task<void> InodePool::shrink(std::string name, uint64_t inode, uint64_t size_bytes) {
  const uint64_t kept = scrub_ ? 0 : kPoolFileBytesMax;
  if (size_bytes > kept) {
    constexpr uint32_t kFlags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    auto file = co_await reactor_.open_at(home_.queue.temporary, name, kFlags, 0);
    if (!file) co_return;
    const auto cut = co_await reactor_.truncate(*file, kept);
    co_await reactor_.close_now(*file);
    if (!cut) {
      co_await reactor_.unlink_at(home_.queue.temporary, name, 0);
      co_return;
    }
    size_bytes = kept;
  }
  free_.push_back({std::move(name), inode, size_bytes});
}

task<result<PoolFile>> InodePool::open(Free found, uint32_t flags, bool direct) {
  PoolFile file;
  file.name = found.name;
  file.inode = found.inode;
  file.size_bytes = found.size_bytes;
  file.direct = direct;
  if (direct) flags |= O_DIRECT;
  auto opened = co_await reactor_.open_at(home_.queue.temporary, found.name, flags, kFileMode);
  if (!opened) co_return std::unexpected(opened.error());
  file.file = *opened;
  if (file.inode != 0 && !direct) co_return file;
  auto status = co_await reactor_.stat_at(file.file, "");
  if (!status) {
    co_await reactor_.close_now(file.file);
    co_return std::unexpected(status.error());
  }
  file.inode = status->inode;
  if (direct && std::max(status->direct_offset_align, status->direct_memory_align) > kBlockSize) {
    co_await reactor_.close_now(file.file);
    co_return fail(Errc::unsupported);
  }
  co_return file;
}

task<result<PoolFile>> InodePool::take(bool direct) {
  constexpr uint32_t kFlags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  if (!std::exchange(adopted_, true)) {
    co_await adopt();
  }
  Free found{fresh_name(), 0, 0};
  uint32_t flags = kFlags | O_CREAT | O_EXCL;
  if (!free_.empty()) {
    found = std::move(free_.back());
    free_.pop_back();
    flags = kFlags;
  }
  const bool try_direct = direct && direct_works_;
  auto opened = co_await open(found, flags, try_direct);
  if (!opened && try_direct &&
      (opened.error().code == Errc::invalid || opened.error().code == Errc::unsupported)) {
    direct_works_ = false;
    opened = co_await open(found, kFlags | O_CREAT, false);
  }
  if (!opened && opened.error().code == Errc::not_found) {
    found = {fresh_name(), 0, 0};
    opened = co_await open(found, kFlags | O_CREAT | O_EXCL, try_direct && direct_works_);
  }
  co_return opened;
}

task<void> InodePool::give_back(PoolFile file) {
  auto status = co_await reactor_.stat_at(file.file, "");
  co_await reactor_.close_now(file.file);
  if (!status || status->link_count != 1 || !has_room()) {
    co_await reactor_.unlink_at(home_.queue.temporary, file.name, 0);
    co_return;
  }
  // A new name: the old one may stand in an Accept that was refused.
  const std::string name = fresh_name();
  auto renamed =
      co_await reactor_.rename_at(home_.queue.temporary, file.name, home_.queue.temporary, name, 0);
  if (renamed) {
    co_await shrink(name, file.inode, status->size_bytes);
  }
}

task<result<void>> InodePool::recycle(reactor::Descriptor directory, std::string name,
                                      uint64_t inode) {
  auto status = co_await reactor_.stat_at(directory, name);
  if (!status) {
    if (status.error().code == Errc::not_found) co_return result<void>{};
    co_return std::unexpected(status.error());
  }
  const bool ours = inode != 0 && status->inode == inode && S_ISREG(status->mode);
  if (!ours || status->link_count != 1 || !has_room()) {
    auto unlinked = co_await reactor_.unlink_at(directory, name, 0);
    if (!unlinked && unlinked.error().code == Errc::not_found) co_return result<void>{};
    co_return unlinked;
  }
  const std::string fresh = fresh_name();
  auto renamed = co_await reactor_.rename_at(directory, name, home_.queue.temporary, fresh, 0);
  if (renamed) {
    co_await shrink(fresh, inode, status->size_bytes);
  }
  co_return renamed;
}

}  // namespace mailroot::spool
