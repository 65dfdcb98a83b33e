// Recovery, before any shard of the server starts: what replay() says is done, then the journals
// are removed. Killed at any point, it begins again and comes to the same end: a segment goes only
// when everything it held is synced elsewhere.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "directory.h"
#include "limits.h"
#include "mailroot/base/crc32c.h"
#include "mailroot/spool/spool.h"
#include "queue_file_io.h"
#include "replay.h"
#include "segment.h"

namespace mailroot::spool {

namespace {

using reactor::Descriptor;
using reactor::task;
using Outcome = std::expected<void, HomeProblem>;

constexpr uint32_t kRead = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
constexpr uint16_t kRecoveryShard = 65535;  // in names of files in Queue/tmp; no shard has it
constexpr std::string_view kQuarantine = "quarantine";

struct SegmentFile {
  std::string shard;  // directory in Journal
  std::string name;
  Descriptor directory = reactor::kNoDescriptor;
};

std::unexpected<HomeProblem> problem(std::string_view verb, std::string_view what, Error error) {
  return std::unexpected(HomeProblem{
      error, fmt::format("recovery cannot {} {}: {}", verb, what, describe(error.code))});
}

class Recovery {
 public:
  Recovery(reactor::Reactor& reactor, const Home& home) : reactor_(reactor), home_(home) {}

  task<std::expected<RecoveryReport, HomeProblem>> run();

 private:
  task<Outcome> read_journals();
  task<Outcome> read_shard(std::string shard);
  task<Outcome> read_segment(SegmentFile file);
  task<Outcome> recover_messages();
  task<Outcome> recover_message(const ReplayedMessage& message);
  task<Outcome> recover_inline(const ReplayedMessage& message);
  task<Outcome> recover_streamed(const ReplayedMessage& message);
  task<Outcome> remove_files(const ReplayedMessage& message);
  task<Outcome> update_file(const ReplayedMessage& message, Descriptor directory);
  task<Outcome> write_file(const ReplayedMessage& message);
  task<result<std::string>> read_body(const ReplayedMessage& message);
  task<Descriptor> find_file(QueueId id);
  task<Outcome> remove_journals();
  task<Outcome> quarantine();
  task<void> close_all();

  reactor::Reactor& reactor_;
  const Home& home_;
  std::vector<SegmentFile> files_;
  std::vector<SegmentScan> scans_;
  std::vector<std::pair<std::string, Descriptor>> shards_;
  Replay replay_;
  RecoveryReport report_;
  uint64_t counter_ = 0;
};

task<Outcome> Recovery::read_segment(SegmentFile file) {
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

task<Outcome> Recovery::read_shard(std::string shard) {
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

task<Outcome> Recovery::read_journals() {
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

// Queue/new or Queue/cur, whichever has the file; no descriptor when neither has.
task<Descriptor> Recovery::find_file(QueueId id) {
  for (const Descriptor directory : {home_.queue.current, home_.queue.fresh}) {
    auto status = co_await reactor_.stat_at(directory, message_file_name(id));
    if (status) co_return directory;
  }
  co_return reactor::kNoDescriptor;
}

task<Outcome> Recovery::remove_files(const ReplayedMessage& message) {
  const std::string name = message_file_name(message.id);
  for (const Descriptor directory : {home_.queue.current, home_.queue.fresh}) {
    auto gone = co_await reactor_.unlink_at(directory, name, 0);
    if (!gone && gone.error().code != Errc::not_found)
      co_return problem("remove", name, gone.error());
  }
  if (!message.file.empty()) {
    co_await reactor_.unlink_at(home_.queue.temporary, message.file, 0);
  }
  ++report_.settled;
  co_return Outcome{};
}

// Works the newest status into the file in `directory`. A file that cannot be read is
// left to load(), which sets it aside.
task<Outcome> Recovery::update_file(const ReplayedMessage& message, Descriptor directory) {
  const std::string name = message_file_name(message.id);
  auto opened = co_await open_queue_file(reactor_, directory, name, message.id, true);
  if (!opened) {
    report_.findings.push_back(fmt::format("Queue/{}: {}", name, opened.error().reason));
    co_return Outcome{};
  }
  result<void> outcome{};
  const auto& status = message.status;
  const bool fits = status && status->status.size() == opened->head.status.size();
  if (fits) {
    opened->head.status = status->status;
    opened->head.times = status->times;
    if (!status->last_reply.empty()) opened->head.last_reply = status->last_reply;
    outcome = co_await overwrite_state(reactor_, *opened, opened->head);
  }
  co_await reactor_.close_now(opened->file);
  if (outcome && directory == home_.queue.fresh && opened->head.times.attempts > 0) {
    outcome = co_await reactor_.rename_at(directory, name, home_.queue.current, name, 0);
  }
  if (!outcome) co_return problem("update", "Queue/" + name, outcome.error());
  co_return Outcome{};
}

task<result<std::string>> Recovery::read_body(const ReplayedMessage& message) {
  const SegmentFile& file = files_[message.body.segment];
  const uint64_t size = message.head->size_bytes;
  const uint64_t whole = size / kBlockSize * kBlockSize;
  std::string body(size, '\0');
  auto opened = co_await reactor_.open_at(file.directory, file.name, kRead, 0);
  if (!opened) co_return std::unexpected(opened.error());
  const iovec blocks{body.data(), whole};
  const iovec tail{body.data() + whole, size - whole};
  result<size_t> got = size_t{0};
  if (whole > 0)
    got = co_await reactor_.read_at(*opened, {&blocks, 1}, message.body.place.blocks_offset);
  if (got && size > whole) {
    got = co_await reactor_.read_at(*opened, {&tail, 1}, message.body.place.tail_offset);
  }
  co_await reactor_.close_now(*opened);
  if (!got) co_return std::unexpected(got.error());
  if (crc32c(as_bytes(body)) != message.head->crc32c) co_return fail(Errc::corrupt);
  co_return body;
}

// Writes the message anew from the journal, over whatever has its name.
task<Outcome> Recovery::write_file(const ReplayedMessage& message) {
  const std::string name = message_file_name(message.id);
  auto body = co_await read_body(message);
  if (!body) co_return problem("read the content of", name, body.error());
  std::string block =
      message::encode_queue_header(to_file_header(*message.head), kQueueBlock).bytes;
  const std::string temporary =
      fmt::format("{}-{}-{}.free", home_.epoch, kRecoveryShard, counter_++);
  constexpr uint32_t kCreate = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
  auto file = co_await reactor_.open_at(home_.queue.temporary, temporary, kCreate, kFileMode);
  if (!file) co_return problem("make a file in", home_.path + "/Queue/tmp", file.error());
  const std::array<iovec, 2> pieces = {iovec{block.data(), block.size()},
                                       iovec{body->data(), body->size()}};
  auto outcome = co_await reactor_.write_at(*file, pieces, 0);
  co_await reactor_.close_now(*file);
  const Descriptor into =
      message.head->times.attempts > 0 ? home_.queue.current : home_.queue.fresh;
  const Descriptor other =
      message.head->times.attempts > 0 ? home_.queue.fresh : home_.queue.current;
  if (outcome) {
    outcome = co_await reactor_.rename_at(home_.queue.temporary, temporary, into, name, 0);
  }
  if (!outcome) {
    co_await reactor_.unlink_at(home_.queue.temporary, temporary, 0);
    co_return problem("write", "Queue/" + name, outcome.error());
  }
  co_await reactor_.unlink_at(other, name, 0);
  ++report_.placed;
  co_return Outcome{};
}

task<Outcome> Recovery::recover_inline(const ReplayedMessage& message) {
  // A file not known to be synced may be whole in memory only, after a sync that failed; only the
  // journal is sure.
  if (!message.placed) {
    auto written = co_await write_file(message);
    co_return written;
  }
  const std::string name = message_file_name(message.id);
  const Descriptor directory = co_await find_file(message.id);
  // It was synced, so somebody removed it: that is the end of the message.
  if (directory == reactor::kNoDescriptor) co_return Outcome{};
  auto opened = co_await open_queue_file(reactor_, directory, name, message.id, false);
  bool whole = false;
  if (opened) {
    const auto verified = co_await verify_content(reactor_, *opened);
    whole = verified && opened->head.crc32c == message.head->crc32c &&
            opened->head.envelope == message.head->envelope;
    co_await reactor_.close_now(opened->file);
  }
  if (whole) {
    auto updated = co_await update_file(message, directory);
    co_return updated;
  }
  // It was whole once: keep what is there for people, beside Badmail.
  report_.findings.push_back(
      fmt::format("Queue/{} was damaged; it is kept in Badmail and written "
                  "anew from the journal",
                  name));
  co_await reactor_.rename_at(directory, name, home_.badmail.fresh, "damaged-" + name, 0);
  auto written = co_await write_file(message);
  co_return written;
}

task<Outcome> Recovery::recover_streamed(const ReplayedMessage& message) {
  const std::string name = message_file_name(message.id);
  const Descriptor directory = co_await find_file(message.id);
  if (directory != reactor::kNoDescriptor) {
    auto updated = co_await update_file(message, directory);
    co_return updated;
  }
  if (message.file.empty() || message.placed) co_return Outcome{};
  auto waiting =
      co_await open_queue_file(reactor_, home_.queue.temporary, message.file, message.id, false);
  if (!waiting) {
    ++report_.corrupt_groups;
    report_.findings.push_back(fmt::format("the file of accepted message {} is gone: {}",
                                           to_string(message.id), waiting.error().reason));
    co_return Outcome{};
  }
  co_await reactor_.close_now(waiting->file);
  auto renamed =
      co_await reactor_.rename_at(home_.queue.temporary, message.file, home_.queue.fresh, name, 0);
  if (!renamed) co_return problem("rename", "Queue/tmp/" + message.file, renamed.error());
  ++report_.placed;
  auto updated = co_await update_file(message, home_.queue.fresh);
  co_return updated;
}

task<Outcome> Recovery::recover_message(const ReplayedMessage& message) {
  if (message.done) {
    auto removed = co_await remove_files(message);
    co_return removed;
  }
  ++report_.messages;
  if (message.head) {
    auto recovered = co_await recover_inline(message);
    co_return recovered;
  }
  auto recovered = co_await recover_streamed(message);
  co_return recovered;
}

task<Outcome> Recovery::recover_messages() {
  struct Progress {
    std::map<QueueId, ReplayedMessage>::const_iterator next, end;
    Outcome outcome;
  };
  Progress progress{replay_.messages.begin(), replay_.messages.end(), {}};
  const auto work = [](Recovery& self, Progress& all) -> task<void> {
    while (all.next != all.end && all.outcome) {
      const ReplayedMessage& message = (all.next++)->second;
      auto outcome = co_await self.recover_message(message);
      if (!outcome && all.outcome) all.outcome = std::move(outcome);
    }
  };
  reactor::TaskGroup group;
  for (size_t i = 0; i < kScanInFlightMax; ++i) group.spawn(work(*this, progress));
  co_await group.join();
  if (!progress.outcome) co_return progress.outcome;
  // Letters, new files, names: all of it at once. When it fails the journals stay, and the next
  // start writes everything anew.
  auto synced = co_await reactor_.sync(home_.queue.top, reactor::SyncKind::file_system);
  if (!synced) co_return problem("sync", home_.path + "/Queue", synced.error());
  co_return Outcome{};
}

// Segments with damage are kept for people; what could be read of them is safe by now.
task<Outcome> Recovery::quarantine() {
  std::set<size_t> damaged;
  for (const ReplayDamage& damage : replay_.damage) damaged.insert(damage.segment);
  for (size_t i = 0; i < scans_.size(); ++i) {
    if (scans_[i].header_lost) damaged.insert(i);
  }
  if (damaged.empty()) co_return Outcome{};
  auto opened =
      co_await open_directory(reactor_, home_.journal, std::string(kQuarantine), kDirectoryMode);
  if (!opened) co_return problem("make", "Journal/quarantine", opened.error());
  Outcome outcome{};
  for (const size_t index : damaged) {
    const SegmentFile& file = files_[index];
    const std::string kept = fmt::format("{}-{}-{}", home_.epoch, file.shard, file.name);
    auto moved =
        co_await reactor_.rename_at(file.directory, file.name, opened->descriptor, kept, 0);
    if (!moved) outcome = problem("keep", file.name, moved.error());
  }
  auto synced = co_await reactor_.sync(opened->descriptor, reactor::SyncKind::data_and_metadata);
  co_await reactor_.close_now(opened->descriptor);
  if (outcome && !synced) outcome = problem("sync", "Journal/quarantine", synced.error());
  co_return outcome;
}

task<Outcome> Recovery::remove_journals() {
  auto kept = co_await quarantine();
  if (!kept) co_return kept;
  for (const SegmentFile& file : files_) {
    auto gone = co_await reactor_.unlink_at(file.directory, file.name, 0);
    if (!gone && gone.error().code != Errc::not_found) {
      co_return problem("remove", file.name, gone.error());
    }
  }
  // Durable before anything new is promised: an old segment that came back would revive mail.
  for (const auto& [shard, directory] : shards_) {
    auto synced = co_await reactor_.sync(directory, reactor::SyncKind::data_and_metadata);
    if (!synced) co_return problem("sync", "Journal/" + shard, synced.error());
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
    replay_ = replay(scans_);
    report_.groups = replay_.groups;
    report_.corrupt_groups = replay_.damage.size();
    for (const ReplayDamage& damage : replay_.damage) report_.findings.push_back(damage.sentence);
    outcome = co_await recover_messages();
  }
  if (outcome) outcome = co_await remove_journals();
  co_await close_all();
  if (!outcome) co_return std::unexpected(std::move(outcome.error()));
  co_return report_;
}

}  // namespace

task<bool> is_queued(reactor::Reactor& reactor, const Home& home, QueueId id) {
  for (const Descriptor directory : {home.queue.current, home.queue.fresh}) {
    auto status = co_await reactor.stat_at(directory, message_file_name(id));
    if (status) co_return true;
  }
  co_return false;
}

task<std::expected<RecoveryReport, HomeProblem>> recover(reactor::Reactor& reactor,
                                                         const Home& home) {
  Recovery recovery(reactor, home);
  auto report = co_await recovery.run();
  co_return report;
}

}  // namespace mailroot::spool
