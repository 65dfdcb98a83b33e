// Copies of a message into other directories: Badmail and Drop.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "mailroot/base/crc32c.h"
#include "spool_impl.h"

namespace mailroot::spool {

using reactor::task;

namespace {

constexpr uint32_t kCreate = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
constexpr uint32_t kDropMode = 0640;

// As IIS wrote addresses in Drop; programs that read Drop compare these lines.
std::string bare(const smtp::Mailbox& mailbox) {
  return mailbox.is_null() ? "<>" : smtp::to_string(mailbox);
}

}  // namespace

// <id>.reason in Badmail/new, durable.
task<result<void>> SpoolImpl::write_reason(QueueId id, std::string reason) {
  auto written =
      co_await write_small_file(reactor_, home_.badmail.fresh, to_string(id) + ".reason", reason);
  co_return written;
}

// `head`, then the content, under `name`: written beside, synced, renamed in, directory synced.
task<result<void>> SpoolImpl::write_copy(const Maildir& maildir, DirectorySync& into,
                                         std::string name, std::string head, Content& content) {
  auto file = co_await reactor_.open_at(maildir.temporary, name, kCreate, kDropMode);
  if (!file) co_return std::unexpected(file.error());
  std::vector<iovec> pieces{{head.data(), head.size()}};
  uint64_t at = 0;
  result<void> outcome{};
  content.rewind();
  for (bool more = true; more && outcome;) {
    auto window = co_await content.next();
    if (!window) {
      outcome = std::unexpected(window.error());
      break;
    }
    more = !window->empty();
    uint64_t size = pieces.empty() ? 0 : head.size();
    for (const ByteView piece : *window) {
      pieces.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
      size += piece.size();
    }
    if (size > 0) outcome = co_await reactor_.write_at(*file, pieces, at);
    at += size;
    pieces.clear();
  }
  if (outcome) outcome = co_await reactor_.sync(*file, reactor::SyncKind::data_and_metadata);
  co_await reactor_.close_now(*file);
  if (outcome) {
    outcome = co_await reactor_.rename_at(maildir.temporary, name, into.directory(), name, 0);
  }
  if (outcome) {
    outcome = co_await into.sync();
  } else {
    co_await reactor_.unlink_at(maildir.temporary, name, 0);
  }
  co_return outcome;
}

task<result<void>> SpoolImpl::to_badmail(QueueId id, std::string reason) {
  auto loaded = co_await load(id);
  if (!loaded) co_return std::unexpected(loaded.error());
  MessageHead head;
  head.id = id;
  head.envelope = loaded->envelope;
  head.status = loaded->status;
  head.times = loaded->times;
  head.origin = loaded->origin;
  head.last_reply = loaded->last_reply;
  head.traits = loaded->traits;
  head.size_bytes = loaded->size_bytes;
  uint32_t crc = 0;
  for (;;) {
    auto window = co_await loaded->content->next();
    if (!window) co_return std::unexpected(window.error());
    if (window->empty()) break;
    for (const ByteView piece : *window) crc = crc32c(piece, crc);
  }
  head.crc32c = crc;
  auto outcome = co_await write_reason(id, std::move(reason));
  if (!outcome) co_return outcome;
  std::string block = message::encode_queue_header(to_file_header(head), 0).bytes;
  home_.usage->badmail_added_bytes.fetch_add(block.size() + head.size_bytes);
  outcome = co_await write_copy(home_.badmail, badmail_, message_file_name(id), std::move(block),
                                *loaded->content);
  co_return outcome;
}

task<result<void>> SpoolImpl::to_drop(LoadedMessage& message, std::vector<size_t> recipients,
                                      std::string trace, DropRules rules) {
  if (recipients.empty()) co_return fail(Errc::invalid);
  std::string head = fmt::format("x-sender: {}\r\n", bare(message.envelope.reverse_path));
  for (const size_t index : recipients) {
    if (index >= message.envelope.recipients.size()) co_return fail(Errc::invalid);
    head += fmt::format("x-receiver: {}\r\n", bare(message.envelope.recipients[index].address));
  }
  head += trace;
  HomeUsage& usage = *home_.usage;
  const auto size = static_cast<int64_t>(head.size() + message.content->size_bytes());
  // Full is who has reached the quota: what was accepted while it was not full finds its place.
  if (rules.quota_bytes != 0 && usage.drop_bytes() >= rules.quota_bytes) {
    usage.drop_was_full = true;
    co_return fail(Errc::limit);
  }
  usage.drop_added_bytes.fetch_add(size);
  // One attempt may drop some recipients and a later one others: the first names the file, so a
  // repeated attempt overwrites its own copy and no other.
  const size_t first = *std::min_element(recipients.begin(), recipients.end());
  const std::string name = first == 0 ? message_file_name(message.id)
                                      : fmt::format("{}-{}.eml", to_string(message.id), first);
  auto outcome = co_await write_copy(home_.drop, rules.flat ? drop_flat_ : drop_, name,
                                     std::move(head), *message.content);
  if (!outcome) usage.drop_added_bytes.fetch_sub(size);
  co_return outcome;
}

}  // namespace mailroot::spool
