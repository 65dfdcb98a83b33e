#include "segment.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "directory.h"
#include "journal_format.h"
#include "limits.h"

namespace mailroot::spool {

namespace {

using reactor::task;

// Zeroes to write from; never written to, so they cost no memory.
alignas(kBlockSize) std::array<std::byte, kPrewriteChunk> zeroes;

constexpr std::string_view kSuffix = ".seg";
constexpr std::string_view kQuarantine = "quarantine";

uint32_t direct_flag(bool direct) { return direct ? static_cast<uint32_t>(O_DIRECT) : 0U; }

}  // namespace

std::string segment_name(uint32_t slot) { return fmt::format("{:08}{}", slot, kSuffix); }
std::optional<uint32_t> parse_segment_name(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  return parse_number(name.substr(0, name.size() - kSuffix.size()));
}
std::string shard_directory_name(uint16_t shard) { return fmt::format("{}", shard); }

std::optional<uint32_t> parse_number(std::string_view name) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

task<result<void>> end_segment(reactor::Reactor& reactor, const Home& home,
                               reactor::Descriptor directory, std::string shard, std::string name,
                               bool is_damaged) {
  result<void> outcome{};
  if (is_damaged) {
    auto opened =
        co_await open_directory(reactor, home.journal, std::string(kQuarantine), kDirectoryMode);
    if (!opened) co_return std::unexpected(opened.error());
    const std::string kept = fmt::format("{}-{}-{}", home.epoch, shard, name);
    outcome = co_await reactor.rename_at(directory, name, opened->descriptor, kept, 0);
    if (outcome) {
      outcome = co_await reactor.sync(opened->descriptor, reactor::SyncKind::data_and_metadata);
    }
    co_await reactor.close_now(opened->descriptor);
  } else {
    outcome = co_await reactor.unlink_at(directory, name, 0);
  }
  const bool is_gone = !outcome && outcome.error().code == Errc::not_found;
  if (!outcome && !is_gone) co_return outcome;
  outcome = co_await reactor.sync(directory, reactor::SyncKind::data_and_metadata);
  co_return outcome;
}

// The directory may hold segments that recovery kept.
task<result<void>> SegmentStore::skip_taken_slots() {
  auto entries = co_await reactor_.list_directory(directory_);
  if (!entries) co_return std::unexpected(entries.error());
  for (const reactor::DirectoryEntry& entry : *entries) {
    const auto slot = parse_segment_name(entry.name);
    if (slot) next_slot_ = std::max(next_slot_, *slot + 1);
  }
  co_return result<void>{};
}

task<result<void>> SegmentStore::open_directory_once() {
  if (directory_ != reactor::kNoDescriptor) co_return result<void>{};
  auto opened = co_await open_directory(reactor_, home_.journal, shard_directory_name(shard_),
                                        kDirectoryMode);
  if (!opened) co_return std::unexpected(opened.error());
  // Also when it was there: an earlier attempt may have ended between making and syncing.
  auto synced = co_await reactor_.sync(home_.journal, reactor::SyncKind::data_and_metadata);
  if (!synced) {
    co_await reactor_.close_now(opened->descriptor);
    co_return std::unexpected(synced.error());
  }
  directory_ = opened->descriptor;
  auto skipped = co_await skip_taken_slots();
  if (!skipped) {
    co_await reactor_.close_now(std::exchange(directory_, reactor::kNoDescriptor));
  }
  co_return skipped;
}

task<result<std::unique_ptr<Segment>>> SegmentStore::create(uint64_t size_bytes) {
  auto opened = co_await open_directory_once();
  if (!opened) co_return std::unexpected(opened.error());
  auto segment = std::make_unique<Segment>();
  segment->slot = next_slot_++;
  segment->use = reactor_.random();
  segment->size_bytes = size_bytes;
  const std::string name = segment_name(segment->slot);
  auto made = co_await prewrite(name, *segment, true);
  // tmpfs and others have no O_DIRECT, some only in larger blocks than ours.
  if (!made && (made.error().code == Errc::invalid || made.error().code == Errc::unsupported)) {
    made = co_await prewrite(name, *segment, false);
  }
  if (made) made = co_await reactor_.sync(directory_, reactor::SyncKind::data_and_metadata);
  if (!made) {
    if (segment->file != reactor::kNoDescriptor) {
      co_await reactor_.close_now(segment->file);
    }
    co_await reactor_.unlink_at(directory_, name, 0);
    co_return std::unexpected(made.error());
  }
  co_return segment;
}

// Written once and synced here, so that a group later changes no metadata: 3 times the rate of a
// segment that is only reserved.
task<result<void>> SegmentStore::prewrite(std::string name, Segment& segment, bool direct) {
  constexpr uint32_t kFlags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC;
  auto file = co_await reactor_.open_at(directory_, name, kFlags | direct_flag(direct), kFileMode);
  if (!file) co_return std::unexpected(file.error());
  auto outcome = co_await fill(*file, segment);
  if (outcome && direct) {
    auto status = co_await reactor_.stat_at(*file, "");
    const bool known = status && status->direct_offset_align != 0;
    if (known && std::max(status->direct_offset_align, status->direct_memory_align) > kBlockSize) {
      outcome = fail(Errc::unsupported);
    }
  }
  co_await reactor_.close_now(*file);
  if (!outcome) co_return outcome;
  const uint32_t again = O_RDWR | O_CLOEXEC | (direct ? O_DIRECT | O_DSYNC : 0);
  auto reopened = co_await reactor_.open_at(directory_, name, again, 0);
  if (!reopened) co_return std::unexpected(reopened.error());
  segment.file = *reopened;
  segment.direct = direct;
  co_return result<void>{};
}

task<result<void>> SegmentStore::fill(reactor::Descriptor file, const Segment& segment) {
  auto outcome = co_await reactor_.allocate(file, 0, segment.size_bytes);
  if (!outcome && outcome.error().code != Errc::unsupported) co_return outcome;
  for (uint64_t offset = 0; offset < segment.size_bytes; offset += kPrewriteChunk) {
    const size_t size = std::min<uint64_t>(kPrewriteChunk, segment.size_bytes - offset);
    const iovec piece{zeroes.data(), size};
    outcome = co_await reactor_.write_at(file, {&piece, 1}, offset);
    if (!outcome) co_return outcome;
  }
  outcome = co_await write_header(file, segment, false);
  if (outcome) outcome = co_await reactor_.sync(file, reactor::SyncKind::data_and_metadata);
  co_return outcome;
}

task<result<void>> SegmentStore::write_header(reactor::Descriptor file, const Segment& segment,
                                              bool synced_by_write) {
  void* const memory = std::aligned_alloc(kBlockSize, kBlockSize);
  if (memory == nullptr) co_return fail(Errc::no_memory);
  auto* const block = static_cast<std::byte*>(memory);
  std::fill_n(block, kBlockSize, std::byte{0});
  const SegmentHeader header{home_.epoch, shard_, segment.slot, segment.use, segment.size_bytes};
  encode_segment_header(header, {block, kBlockSize});
  const iovec piece{block, kBlockSize};
  auto outcome = co_await reactor_.write_at(file, {&piece, 1}, 0);
  if (outcome && !synced_by_write) {
    outcome = co_await reactor_.sync(file, reactor::SyncKind::data);
  }
  std::free(memory);
  co_return outcome;
}

task<result<void>> SegmentStore::renew(Segment& segment) {
  segment.use = reactor_.random();
  segment.next_block = 1;
  auto written = co_await write_header(segment.file, segment, segment.direct);
  co_return written;
}

task<result<void>> SegmentStore::remove(Segment& segment) {
  if (segment.file != reactor::kNoDescriptor) {
    co_await reactor_.close_now(segment.file);
  }
  segment.file = reactor::kNoDescriptor;
  if (segment.kept) {
    auto removed = co_await remove_kept(*segment.kept);
    co_return removed;
  }
  auto outcome = co_await reactor_.unlink_at(directory_, segment_name(segment.slot), 0);
  if (outcome) outcome = co_await reactor_.sync(directory_, reactor::SyncKind::data_and_metadata);
  co_return outcome;
}

// Its directory may be another shard's, who makes its own segments there.
task<result<void>> SegmentStore::remove_kept(const KeptFile& kept) {
  auto directory = co_await reactor_.open_at(home_.journal, kept.directory, kOpenDirectory, 0);
  if (!directory) co_return std::unexpected(directory.error());
  auto ended =
      co_await end_segment(reactor_, home_, *directory, kept.directory, kept.name, kept.is_damaged);
  co_await reactor_.close_now(*directory);
  co_return ended;
}

task<void> SegmentStore::close() {
  if (directory_ == reactor::kNoDescriptor) co_return;
  co_await reactor_.close_now(directory_);
  directory_ = reactor::kNoDescriptor;
  // Fails, rightly, while a segment is left for recovery.
  co_await reactor_.unlink_at(home_.journal, shard_directory_name(shard_), AT_REMOVEDIR);
}

}  // namespace mailroot::spool
