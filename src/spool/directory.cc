#include "directory.h"

#include <utility>

namespace mailroot::spool {

namespace {
constexpr std::string_view kSuffix = ".eml";
}  // namespace

reactor::task<result<OpenedDirectory>> open_directory(reactor::Reactor& reactor,
                                                      reactor::Descriptor parent, std::string name,
                                                      uint32_t mode) {
  OpenedDirectory opened;
  auto made = co_await reactor.make_directory_at(parent, name, mode);
  if (!made && made.error().code != Errc::exists) co_return std::unexpected(made.error());
  opened.created = made.has_value();
  auto descriptor = co_await reactor.open_at(parent, name, kOpenDirectory, 0);
  if (!descriptor) co_return std::unexpected(descriptor.error());
  opened.descriptor = *descriptor;
  co_return opened;
}

reactor::task<result<std::string>> read_small_file(reactor::Reactor& reactor,
                                                   reactor::Descriptor directory, std::string name,
                                                   size_t size_max) {
  auto file = co_await reactor.open_at(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
  if (!file) co_return std::unexpected(file.error());
  std::string text(size_max + 1, '\0');
  const iovec piece{text.data(), text.size()};
  const auto got = co_await reactor.read_at(*file, {&piece, 1}, 0);
  co_await reactor.close_now(*file);
  if (!got) co_return std::unexpected(got.error());
  if (*got > size_max) co_return fail(Errc::limit);
  text.resize(*got);
  co_return text;
}

reactor::task<result<void>> write_small_file(reactor::Reactor& reactor,
                                             reactor::Descriptor directory, std::string name,
                                             std::string text) {
  const std::string fresh = name + ".new";
  auto file = co_await reactor.open_at(directory, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                                       kFileMode);
  if (!file) co_return std::unexpected(file.error());
  const iovec piece{text.data(), text.size()};
  auto outcome = co_await reactor.write_at(*file, {&piece, 1}, 0);
  if (outcome) outcome = co_await reactor.sync(*file, reactor::SyncKind::data_and_metadata);
  co_await reactor.close_now(*file);
  if (outcome) outcome = co_await reactor.rename_at(directory, fresh, directory, name, 0);
  if (outcome) outcome = co_await reactor.sync(directory, reactor::SyncKind::data_and_metadata);
  co_return outcome;
}

reactor::task<result<void>> overwrite_small_file(reactor::Reactor& reactor,
                                                 reactor::Descriptor directory, std::string name,
                                                 std::string text) {
  auto file = co_await reactor.open_at(directory, name, O_WRONLY | O_CLOEXEC | O_NONBLOCK, 0);
  if (!file) co_return std::unexpected(file.error());
  const iovec piece{text.data(), text.size()};
  auto outcome = co_await reactor.write_at(*file, {&piece, 1}, 0);
  if (outcome) outcome = co_await reactor.sync(*file, reactor::SyncKind::data_and_metadata);
  co_await reactor.close_now(*file);
  co_return outcome;
}

std::string message_file_name(const QueueId& id) { return to_string(id) + std::string(kSuffix); }

std::optional<QueueId> parse_message_file_name(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  return parse_queue_id(name.substr(0, name.size() - kSuffix.size()));
}

reactor::task<result<void>> DirectorySync::sync() {
  // A sync that runs already may have begun before what the caller did.
  const uint64_t wanted = started_ + 1;
  while (done_ < wanted) {
    if (running_) {
      co_await ended_.wait(reactor_, {});
      continue;
    }
    running_ = true;
    ++started_;
    const auto outcome = co_await reactor_.sync(directory_, reactor::SyncKind::data_and_metadata);
    running_ = false;
    done_ = started_;
    last_failure_ = outcome ? std::nullopt : std::optional(outcome.error());
    ended_.notify_all();
  }
  if (last_failure_) co_return std::unexpected(*last_failure_);
  co_return result<void>{};
}

}  // namespace mailroot::spool
