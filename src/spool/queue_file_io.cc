#include "queue_file_io.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "limits.h"
#include "mailroot/base/assert.h"
#include "mailroot/base/crc32c.h"

namespace mailroot::spool {

using reactor::task;

message::QueueFileHeader to_file_header(const MessageHead& head) {
  message::QueueFileHeader header;
  header.id = head.id;
  header.envelope = head.envelope;
  for (const char letter : head.status) {
    header.status.push_back(static_cast<RecipientStatus>(letter));
  }
  header.origin = head.origin;
  header.arrived_at = head.times.arrived;
  const bool own_basis = head.times.expiry_basis != WallTime{};
  header.expiry_basis_at = own_basis ? head.times.expiry_basis : head.times.arrived;
  header.next_attempt_at = head.times.next_attempt;
  header.attempts = head.times.attempts;
  header.delay_notified = head.times.delay_notified;
  header.content_size_bytes = head.size_bytes;
  header.content_crc32c = head.crc32c;
  header.traits = head.traits;
  header.last_reply = head.last_reply;
  return header;
}

MessageHead to_message_head(const message::QueueFileHeader& header) {
  MessageHead head;
  head.id = header.id;
  head.envelope = header.envelope;
  for (const RecipientStatus letter : header.status) head.status += static_cast<char>(letter);
  head.origin = header.origin;
  head.times.arrived = header.arrived_at;
  head.times.expiry_basis = header.expiry_basis_at;
  head.times.next_attempt = header.next_attempt_at;
  head.times.attempts = header.attempts;
  head.times.delay_notified = header.delay_notified;
  head.size_bytes = header.content_size_bytes.value_or(0);
  head.crc32c = header.content_crc32c.value_or(0);
  head.traits = header.traits;
  head.last_reply = header.last_reply;
  return head;
}

AlignedBuffer::AlignedBuffer(size_t size_bytes)
    : size_bytes_((size_bytes + kBlockSize - 1) / kBlockSize * kBlockSize) {
  data_ = static_cast<std::byte*>(std::aligned_alloc(kBlockSize, size_bytes_));
  MAILROOT_ASSERT(data_ != nullptr, "memory for one window");
  std::fill_n(data_, size_bytes_, std::byte{0});
}

AlignedBuffer::~AlignedBuffer() { std::free(data_); }

namespace {

std::unexpected<QueueFileProblem> damaged(std::string reason) {
  return std::unexpected(QueueFileProblem{{Errc::corrupt, 0}, false, std::move(reason)});
}
std::unexpected<QueueFileProblem> foreign(std::string reason) {
  return std::unexpected(QueueFileProblem{{Errc::corrupt, 0}, true, std::move(reason)});
}
std::unexpected<QueueFileProblem> system_problem(Error error) {
  return std::unexpected(QueueFileProblem{error, false, std::string(describe(error.code))});
}

// Reads more and more of the file until its envelope block is whole.
task<std::expected<message::ParsedQueueHeader, QueueFileProblem>> read_header(
    reactor::Reactor& reactor, reactor::Descriptor file, uint64_t file_size) {
  const uint64_t most = std::min<uint64_t>(file_size, message::kQueueHeaderMax);
  for (uint64_t size = kHeaderReadBytes;; size *= 4) {
    std::string prefix(std::min(size, most), '\0');
    const iovec piece{prefix.data(), prefix.size()};
    const auto got = co_await reactor.read_at(file, {&piece, 1}, 0);
    if (!got) co_return system_problem(got.error());
    prefix.resize(*got);
    auto parsed = message::parse_queue_header(as_bytes(prefix));
    if (parsed) co_return std::move(*parsed);
    switch (parsed.error().error) {
      case message::QueueParseError::incomplete:
        if (size < most && *got > 0) continue;
        co_return damaged("its envelope block has no end");
      case message::QueueParseError::not_ours:
        co_return foreign("it does not begin with X-Queue-Id");
      case message::QueueParseError::newer_format:
        co_return foreign("it was written by a newer Mailroot");
      case message::QueueParseError::damaged:
      case message::QueueParseError::limit:
        co_return damaged(
            fmt::format("its envelope block cannot be read ({})", parsed.error().detail));
    }
  }
}

std::optional<QueueFileProblem> check_header(const message::ParsedQueueHeader& parsed, QueueId id,
                                             uint64_t file_size) {
  const message::QueueFileHeader& header = parsed.header;
  if (header.id != id) {
    return QueueFileProblem{
        {Errc::corrupt, 0}, false, fmt::format("it holds message {}", to_string(header.id))};
  }
  if (!header.content_size_bytes || !header.content_crc32c) {
    return QueueFileProblem{{Errc::corrupt, 0}, false, "it was never completed"};
  }
  if (parsed.layout.block_size + *header.content_size_bytes != file_size) {
    return QueueFileProblem{{Errc::corrupt, 0},
                            false,
                            fmt::format("its length is {}, not {}", file_size,
                                        parsed.layout.block_size + *header.content_size_bytes)};
  }
  return std::nullopt;
}

task<std::expected<QueueFile, QueueFileProblem>> examine(reactor::Reactor& reactor, QueueFile file,
                                                         QueueId id) {
  auto status = co_await reactor.stat_at(file.file, "");
  if (!status) co_return system_problem(status.error());
  if (!S_ISREG(status->mode)) co_return foreign("it is not a regular file");
  file.status = *status;
  auto parsed = co_await read_header(reactor, file.file, status->size_bytes);
  if (!parsed) co_return std::unexpected(std::move(parsed.error()));
  auto wrong = check_header(*parsed, id, status->size_bytes);
  if (wrong) co_return std::unexpected(std::move(*wrong));
  file.head = to_message_head(parsed->header);
  file.layout = parsed->layout;
  co_return file;
}

}  // namespace

task<std::expected<QueueFile, QueueFileProblem>> open_queue_file(reactor::Reactor& reactor,
                                                                 reactor::Descriptor directory,
                                                                 std::string name, QueueId id,
                                                                 bool writable) {
  const uint32_t flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW;
  auto opened = co_await reactor.open_at(directory, name, flags, 0);
  if (!opened) {
    // A link or a directory put there by somebody; the system's word for it is `invalid`.
    if (opened.error().code == Errc::invalid) co_return foreign("it is not a regular file");
    co_return system_problem(opened.error());
  }
  QueueFile file;
  file.file = *opened;
  auto examined = co_await examine(reactor, std::move(file), id);
  if (!examined) {
    co_await reactor.close_now(*opened);
  }
  co_return examined;
}

task<result<void>> verify_content(reactor::Reactor& reactor, const QueueFile& file) {
  AlignedBuffer buffer(std::min<uint64_t>(kWindowBytesMin, file.head.size_bytes + 1));
  uint32_t crc = 0;
  for (uint64_t at = 0; at < file.head.size_bytes;) {
    const size_t wanted = std::min<uint64_t>(buffer.bytes().size(), file.head.size_bytes - at);
    const iovec piece{buffer.bytes().data(), wanted};
    const auto got = co_await reactor.read_at(file.file, {&piece, 1}, file.layout.block_size + at);
    if (!got) co_return std::unexpected(got.error());
    if (*got != wanted) co_return fail(Errc::corrupt);
    crc = crc32c(buffer.bytes().first(wanted), crc);
    at += wanted;
  }
  if (crc != file.head.crc32c) co_return fail(Errc::corrupt);
  co_return result<void>{};
}

task<result<void>> overwrite_state(reactor::Reactor& reactor, const QueueFile& file,
                                   const MessageHead& head) {
  const message::QueueFileHeader header = to_file_header(head);
  const std::array<std::pair<std::string, size_t>, 3> values = {
      std::pair(message::encode_times(header), file.layout.times_offset),
      std::pair(message::encode_last(header), file.layout.last_offset),
      std::pair(message::encode_status(header), file.layout.status_offset)};
  for (const auto& value : values) {
    const iovec piece{const_cast<char*>(value.first.data()), value.first.size()};
    auto written = co_await reactor.write_at(file.file, {&piece, 1}, value.second);
    if (!written) co_return written;
  }
  co_return result<void>{};
}

}  // namespace mailroot::spool
