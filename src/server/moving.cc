#include "moving.h"

#include <fcntl.h>

#include "mailroot/base/crc32c.h"
#include "mailroot/message/queue_file.h"

namespace mailroot::server {

using reactor::task;

namespace {

constexpr const char* kDirectory = "Moving";
constexpr uint32_t kOpenDirectory = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
constexpr uint32_t kCreate = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
constexpr auto kAll = reactor::SyncKind::data_and_metadata;
constexpr size_t kIdLength = 20;

task<result<uint32_t>> checksum_of(spool::Content& content) {
  uint32_t checksum = 0;
  content.rewind();
  for (;;) {
    const auto windows = co_await content.next();
    if (!windows) co_return std::unexpected(windows.error());
    if (windows->empty()) co_return checksum;
    for (const ByteView window : *windows) checksum = crc32c(window, checksum);
  }
}

// `head`, then the content.
task<result<void>> write_all(reactor::Reactor& reactor, reactor::Descriptor file, std::string head,
                             spool::Content& content) {
  std::vector<iovec> pieces{{head.data(), head.size()}};
  auto written = co_await reactor.write_at(file, pieces, 0);
  uint64_t at = head.size();
  content.rewind();
  while (written) {
    const auto windows = co_await content.next();
    if (!windows) co_return std::unexpected(windows.error());
    if (windows->empty()) break;
    pieces.clear();
    uint64_t size = 0;
    for (const ByteView window : *windows) {
      pieces.push_back({const_cast<std::byte*>(window.data()), window.size()});
      size += window.size();
    }
    written = co_await reactor.write_at(file, pieces, at);
    at += size;
  }
  if (written) written = co_await reactor.sync(file, kAll);
  co_return written;
}

}  // namespace

std::string MovingName::to_string() const { return mailroot::to_string(id) + "." + to; }

std::optional<MovingName> MovingName::parse(std::string_view entry) {
  if (entry.size() < kIdLength + 2 || entry[kIdLength] != '.') return std::nullopt;
  const auto id = parse_queue_id(entry.substr(0, kIdLength));
  if (!id) return std::nullopt;
  return MovingName{*id, std::string(entry.substr(kIdLength + 1))};
}

std::string pickup_name(std::string_view from, const QueueId& id) {
  return "moved-" + std::string(from) + "-" + to_string(id) + ".eml";
}

std::string queue_block(const spool::LoadedMessage& message, const std::string& status,
                        uint32_t content_crc32c) {
  message::QueueFileHeader header;
  header.id = message.id;
  header.envelope = message.envelope;
  for (const char letter : status) {
    header.status.push_back(static_cast<message::RecipientStatus>(letter));
  }
  header.origin = message.origin;
  header.arrived_at = message.times.arrived;
  const bool has_basis = message.times.expiry_basis != WallTime{};
  header.expiry_basis_at = has_basis ? message.times.expiry_basis : message.times.arrived;
  header.next_attempt_at = message.times.next_attempt;
  header.attempts = message.times.attempts;
  header.delay_notified = message.times.delay_notified;
  header.content_size_bytes = message.size_bytes;
  header.content_crc32c = content_crc32c;
  header.traits = message.traits;
  header.last_reply = message.last_reply;
  return message::encode_queue_header(header, 0).bytes;
}

MovingPlaces::~MovingPlaces() {
  reactor_.close(staging_);
  reactor_.close(target_);
}

task<result<void>> MovingPlaces::write(MovingName name, const spool::LoadedMessage& message,
                                       std::string status) {
  const auto checksum = co_await checksum_of(*message.content);
  if (!checksum) co_return std::unexpected(checksum.error());
  // Hidden until it is whole: what a crash leaves under this name says nothing.
  const std::string hidden = "." + name.to_string();
  auto file = co_await reactor_.open_at(staging_, hidden, kCreate, 0600);
  if (!file) co_return std::unexpected(file.error());
  auto outcome = co_await write_all(reactor_, *file, queue_block(message, status, *checksum),
                                    *message.content);
  co_await reactor_.close_now(*file);
  if (outcome) {
    outcome = co_await reactor_.rename_at(staging_, hidden, staging_, name.to_string(), 0);
  }
  if (outcome) {
    outcome = co_await reactor_.sync(staging_, kAll);
  } else {
    co_await reactor_.unlink_at(staging_, hidden, 0);
  }
  co_return outcome;
}

task<result<void>> MovingPlaces::hand_over(MovingName name, std::string as) {
  auto moved = co_await reactor_.rename_at(staging_, name.to_string(), target_, std::move(as), 0);
  if (moved) moved = co_await reactor_.sync(target_, kAll);
  if (moved) moved = co_await reactor_.sync(staging_, kAll);
  co_return moved;
}

task<void> MovingPlaces::remove(MovingName name) {
  co_await reactor_.unlink_at(staging_, name.to_string(), 0);
}

task<std::expected<std::shared_ptr<MovingPlaces>, std::string>> open_places(
    reactor::Reactor& reactor, reactor::Descriptor root, std::string target_home) {
  const std::string pickup = target_home + "/Pickup/new";
  auto target = co_await reactor.open_at(reactor::kNoDirectory, pickup, kOpenDirectory, 0);
  if (!target) {
    co_return std::unexpected(pickup + ": " + std::string(describe(target.error().code)) +
                              "; start that virtual server once");
  }
  auto made = co_await reactor.make_directory_at(root, kDirectory, 0700);
  if (made) made = co_await reactor.sync(root, kAll);
  auto staging = co_await reactor.open_at(root, kDirectory, kOpenDirectory, 0);
  if (!staging) {
    co_await reactor.close_now(*target);
    co_return std::unexpected(std::string(kDirectory) + " in the home directory: " +
                              std::string(describe(staging.error().code)));
  }
  auto places = std::make_shared<MovingPlaces>(reactor, *staging, *target);
  const auto here = co_await reactor.stat_at(*staging, ".");
  const auto there = co_await reactor.stat_at(*target, ".");
  if (!here || !there || here->device != there->device) {
    co_return std::unexpected<std::string>(
        "the home directories are on different file systems, where no move is one step; queue "
        "move --to-directory writes the messages into a directory instead");
  }
  co_return places;
}

}  // namespace mailroot::server
