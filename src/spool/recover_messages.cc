// What replay() says of each message, done to its files.
#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <utility>

#include "directory.h"
#include "limits.h"
#include "mailroot/base/crc32c.h"
#include "recovery.h"

namespace mailroot::spool {

using reactor::Descriptor;
using reactor::task;

namespace {

constexpr uint32_t kRead = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
constexpr uint16_t kRecoveryShard = 65535;  // in names of files in Queue/tmp; no shard has it

std::string damaged_name(QueueId id) { return "damaged-" + message_file_name(id); }

}  // namespace

// Queue/new or Queue/cur, whichever has the file; no descriptor when neither has.
task<Descriptor> Recovery::find_file(QueueId id) {
  for (const Descriptor directory : {home_.queue.current, home_.queue.fresh}) {
    auto status = co_await reactor_.stat_at(directory, message_file_name(id));
    if (status) co_return directory;
  }
  co_return reactor::kNoDescriptor;
}

task<Recovery::Outcome> Recovery::remove_files(const ReplayedMessage& message) {
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
task<Recovery::Outcome> Recovery::update_file(const ReplayedMessage& message,
                                              Descriptor directory) {
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
    // Where it lies tells people that it was tried; it is found in either.
    if (!outcome && outcome.error().code == Errc::no_space) outcome = {};
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
task<Recovery::Outcome> Recovery::write_file(const ReplayedMessage& message) {
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

// On a full disk the message stays in the journal, which is then kept.
task<Recovery::Outcome> Recovery::write_if_room(const ReplayedMessage& message) {
  by_journal_.insert(message.id);
  if (disk_is_full_) co_return Outcome{};
  auto written = co_await write_file(message);
  if (!written && written.error().error.code == Errc::no_space) {
    disk_is_full_ = true;
    co_return Outcome{};
  }
  co_return written;
}

// We moved its file to Badmail, and then did not come to writing it anew.
task<bool> Recovery::was_set_aside(QueueId id) {
  auto status = co_await reactor_.stat_at(home_.badmail.fresh, damaged_name(id));
  co_return status.has_value();
}

task<Recovery::Outcome> Recovery::recover_inline(const ReplayedMessage& message) {
  // A file not known to be synced may be whole in memory only, after a sync that failed; only the
  // journal is sure.
  if (!message.placed) {
    auto written = co_await write_if_room(message);
    co_return written;
  }
  const std::string name = message_file_name(message.id);
  const Descriptor directory = co_await find_file(message.id);
  if (directory == reactor::kNoDescriptor) {
    const bool by_us = co_await was_set_aside(message.id);
    // It was synced, so somebody removed it: that is the end of the message.
    if (!by_us) co_return Outcome{};
    auto written = co_await write_if_room(message);
    co_return written;
  }
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
  co_await reactor_.rename_at(directory, name, home_.badmail.fresh, damaged_name(message.id), 0);
  auto written = co_await write_if_room(message);
  co_return written;
}

task<Recovery::Outcome> Recovery::recover_streamed(const ReplayedMessage& message) {
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
  if (!renamed && renamed.error().code == Errc::no_space) {
    disk_is_full_ = true;
    unrenamed_.push_back(&message);
    co_return Outcome{};
  }
  if (!renamed) co_return problem("rename", "Queue/tmp/" + message.file, renamed.error());
  ++report_.placed;
  auto updated = co_await update_file(message, home_.queue.fresh);
  co_return updated;
}

task<Recovery::Outcome> Recovery::recover_message(const ReplayedMessage& message) {
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

task<Recovery::Outcome> Recovery::recover_messages() {
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
  co_return progress.outcome;
}

}  // namespace mailroot::spool
