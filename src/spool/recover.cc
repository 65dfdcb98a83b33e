// Recovery, before any shard of the server starts: what replay() says is done, then the journals
// are removed. Killed at any point, it begins again and comes to the same end: a segment goes only
// when everything it held is synced elsewhere, and never before an older one.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "directory.h"
#include "kept_journal.h"
#include "limits.h"
#include "recovery.h"
#include "segment.h"

namespace mailroot::spool {

using reactor::Descriptor;
using reactor::task;

namespace {
constexpr uint32_t kRead = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
}  // namespace

std::unexpected<HomeProblem> Recovery::problem(std::string_view verb, std::string_view what,
                                               Error error) {
  return std::unexpected(HomeProblem{
      error, fmt::format("recovery cannot {} {}: {}", verb, what, describe(error.code))});
}

task<Recovery::Outcome> Recovery::read_segment(SegmentFile file) {
  const std::string name = fmt::format("Journal/{}/{}", file.shard, file.name);
  auto opened = co_await reactor_.open_at(file.directory, file.name, kRead, 0);
  if (!opened) co_return problem("open", name, opened.error());
  auto status = co_await reactor_.stat_at(*opened, "");
  if (!status || status->size_bytes > kSegmentBytesMax) {
    co_await reactor_.close_now(*opened);
    co_return problem("read", name, status ? Error{Errc::limit, 0} : status.error());
  }
  AlignedBuffer buffer(std::max<uint64_t>(status->size_bytes, 1));
  uint64_t at = 0;
  result<size_t> got = size_t{1};
  while (at < status->size_bytes && got && *got > 0) {
    const size_t wanted = std::min<uint64_t>(kPrewriteChunk, status->size_bytes - at);
    const iovec piece{buffer.bytes().data() + at, wanted};
    got = co_await reactor_.read_at(*opened, {&piece, 1}, at);
    if (got) at += *got;
  }
  co_await reactor_.close_now(*opened);
  if (!got) co_return problem("read", name, got.error());
  SegmentScan scan = scan_segment(buffer.bytes().first(at));
  if (scan.newer_version) {
    co_return std::unexpected(
        HomeProblem{{Errc::unsupported, 0},
                    fmt::format("{}/{} was written by a newer Mailroot; let that version finish it",
                                home_.path, name)});
  }
  if (scan.header_lost) {
    report_.findings.push_back(fmt::format("the header of {} is damaged", name));
  }
  ++report_.segments;
  files_.push_back(std::move(file));
  scans_.push_back(std::move(scan));
  co_return Outcome{};
}

task<Recovery::Outcome> Recovery::read_shard(std::string shard) {
  auto directory = co_await reactor_.open_at(home_.journal, shard, kOpenDirectory, 0);
  if (!directory) co_return problem("open", "Journal/" + shard, directory.error());
  shards_.emplace_back(shard, *directory);
  auto entries = co_await reactor_.list_directory(*directory);
  if (!entries) co_return problem("list", "Journal/" + shard, entries.error());
  std::set<std::string> names;
  for (const reactor::DirectoryEntry& entry : *entries) {
    if (entry.name.ends_with(".seg")) names.insert(entry.name);
  }
  for (const std::string& name : names) {
    auto read = co_await read_segment({shard, name, *directory});
    if (!read) co_return read;
  }
  co_return Outcome{};
}

task<Recovery::Outcome> Recovery::read_journals() {
  auto entries = co_await reactor_.list_directory(home_.journal);
  if (!entries) co_return problem("list", home_.path + "/Journal", entries.error());
  std::set<std::string> shards;
  for (const reactor::DirectoryEntry& entry : *entries) {
    if (parse_number(entry.name)) shards.insert(entry.name);
  }
  for (const std::string& shard : shards) {
    auto read = co_await read_shard(shard);
    if (!read) co_return read;
  }
  co_return Outcome{};
}

void Recovery::replay_all() {
  replay_ = replay(scans_);
  report_.groups = replay_.groups;
  report_.corrupt_groups = replay_.damage.size();
  for (const ReplayDamage& damage : replay_.damage) {
    report_.findings.push_back(damage.sentence);
    damaged_.insert(damage.segment);
  }
  for (size_t i = 0; i < scans_.size(); ++i) {
    if (scans_[i].header_lost) damaged_.insert(i);
  }
}

// Letters, new files, names: all of it at once. When it fails the journals stay, and the next start
// writes everything anew.
task<Recovery::Outcome> Recovery::sync_all() {
  auto synced = co_await reactor_.sync(home_.queue.top, reactor::SyncKind::file_system);
  if (!synced) co_return problem("sync", home_.path + "/Queue", synced.error());
  co_return Outcome{};
}

task<Recovery::Outcome> Recovery::place_and_end() {
  auto outcome = co_await recover_messages();
  if (!outcome) co_return outcome;
  if (!disk_is_full_) {
    outcome = co_await sync_all();
    // Some file systems find only now that there is no room.
    disk_is_full_ = !outcome && outcome.error().error.code == Errc::no_space;
  }
  if (disk_is_full_) {
    outcome = co_await keep_journals();
    if (outcome) outcome = co_await sync_all();
    co_return outcome;
  }
  if (outcome) outcome = co_await remove_journals();
  co_return outcome;
}

// Indexes of segments, oldest first: a Done never goes before the Accept it ends. Without groups a
// segment says nothing and may go first.
std::vector<size_t> Recovery::by_age() const {
  std::vector<size_t> order;
  for (size_t i = 0; i < scans_.size(); ++i) order.push_back(i);
  const auto age = [this](size_t i) {
    if (scans_[i].groups.empty()) return std::tuple(uint32_t{0}, uint16_t{0}, uint64_t{0});
    const GroupHeader& first = scans_[i].groups.front().header;
    return std::tuple(first.epoch, first.shard, first.sequence);
  };
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return std::pair(age(a), a) < std::pair(age(b), b); });
  return order;
}

// Durable before anything new is promised: an old segment that came back would revive mail.
task<Recovery::Outcome> Recovery::remove_journals() {
  for (const size_t i : by_age()) {
    const SegmentFile& file = files_[i];
    auto ended = co_await end_segment(reactor_, home_, file.directory, file.shard, file.name,
                                      damaged_.contains(i));
    if (!ended) co_return problem("remove", file.name, ended.error());
  }
  for (const auto& shard : shards_) {
    co_await reactor_.unlink_at(home_.journal, shard.first, AT_REMOVEDIR);  // if it is empty
  }
  auto synced = co_await reactor_.sync(home_.journal, reactor::SyncKind::data_and_metadata);
  if (!synced) co_return problem("sync", "Journal", synced.error());
  co_return Outcome{};
}

task<void> Recovery::close_all() {
  for (const auto& [shard, directory] : shards_) {
    co_await reactor_.close_now(directory);
  }
  shards_.clear();
}

task<std::expected<RecoveryReport, HomeProblem>> Recovery::run() {
  auto outcome = co_await read_journals();
  if (outcome) {
    replay_all();
    outcome = co_await place_and_end();
  }
  co_await close_all();
  if (!outcome) co_return std::unexpected(std::move(outcome.error()));
  co_return report_;
}

task<bool> is_queued(reactor::Reactor& reactor, const Home& home, QueueId id) {
  if (home.kept != nullptr && home.kept->messages.contains(id)) co_return true;
  for (const Descriptor directory : {home.queue.current, home.queue.fresh}) {
    auto status = co_await reactor.stat_at(directory, message_file_name(id));
    if (status) co_return true;
  }
  co_return false;
}

task<std::expected<RecoveryReport, HomeProblem>> recover(reactor::Reactor& reactor, Home& home) {
  Recovery recovery(reactor, home);
  auto report = co_await recovery.run();
  co_return report;
}

}  // namespace mailroot::spool
