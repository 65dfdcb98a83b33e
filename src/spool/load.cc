// A message for an attempt: from memory, or from its file, checked anew each time.
#include <fmt/format.h>

#include <utility>

#include "limits.h"
#include "spool_impl.h"

namespace mailroot::spool {

using reactor::task;

task<std::expected<SpoolImpl::Located, QueueFileProblem>> SpoolImpl::locate(QueueId id,
                                                                            bool writable) {
  const std::string name = message_file_name(id);
  // cur, new, cur: a rename from new to cur may fall between two looks.
  constexpr Where kOrder[] = {Where::current, Where::fresh, Where::current};
  for (const Where where : kOrder) {
    auto opened = co_await open_queue_file(reactor_, directory_of(where), name, id, writable);
    if (opened) {
      Located located;
      located.file = std::move(*opened);
      located.where = where;
      co_return located;
    }
    if (opened.error().error.code != Errc::not_found) co_return std::unexpected(opened.error());
  }
  co_return std::unexpected(QueueFileProblem{{Errc::not_found, 0}, false, "it is not there"});
}

// Until no task works on its file.
task<void> SpoolImpl::wait_until_free(QueueId id) {
  for (;;) {
    Entry* const entry = find(id);
    if (entry == nullptr || !entry->busy) co_return;
    co_await free_again_.wait(reactor_, {});
  }
}

// Where it was looked for it is not, because we moved it meanwhile. No entry is left when it has
// been written anew and synced since.
bool SpoolImpl::was_restored(QueueId id, uint32_t restored_before) const {
  const Entry* const entry = find(id);
  if (entry == nullptr) return true;
  if (entry->done) return false;
  return entry->busy || entry->where == Where::memory || entry->restored != restored_before;
}

task<result<LoadedMessage>> SpoolImpl::load(QueueId id) {
  bool may_restore = true;
  for (;;) {
    co_await wait_until_free(id);
    Entry* entry = find(id);
    if (entry != nullptr && entry->done) co_return fail(Errc::not_found);
    if (entry != nullptr && entry->where == Where::memory) {
      LoadedMessage message = to_loaded(entry->head);
      std::shared_ptr<const SlabChain> body = entry->body;
      if (body == nullptr) {
        auto kept = co_await read_kept(*entry);
        if (!kept) co_return std::unexpected(kept.error());
        body = std::move(*kept);
      }
      message.content = memory_content(std::move(body));
      co_return message;
    }
    if (entry != nullptr && !entry->temporary_name.empty()) co_return fail(Errc::io);
    const bool may_move = entry != nullptr;
    const uint32_t restored = may_move ? entry->restored : 0;
    auto loaded = co_await load_file(id);
    if (loaded) co_return std::move(*loaded);
    const QueueFileProblem& problem = loaded.error();
    if (problem.error.code == Errc::not_found) {
      if (may_move && was_restored(id, restored)) continue;
      co_await removed_by_hand(id);
      co_return fail(Errc::not_found);
    }
    if (problem.error.code != Errc::corrupt) co_return std::unexpected(problem.error);
    entry = find(id);
    if (entry == nullptr || !is_in_journal(*entry)) {
      co_await set_aside(id, problem.reason);
      co_return std::unexpected(problem.error);
    }
    // The journal still has what was promised.
    if (!may_restore || entry->is_syncing || entry->busy) co_return fail(Errc::io);
    may_restore = false;
    log_problem("restored", id, problem.reason);
    co_await repair(*entry);
  }
}

LoadedMessage SpoolImpl::to_loaded(MessageHead head) {
  LoadedMessage message;
  message.id = head.id;
  message.envelope = std::move(head.envelope);
  message.status = std::move(head.status);
  message.times = head.times;
  message.size_bytes = head.size_bytes;
  message.traits = head.traits;
  message.origin = std::move(head.origin);
  message.last_reply = std::move(head.last_reply);
  return message;
}

task<std::expected<LoadedMessage, QueueFileProblem>> SpoolImpl::load_file(QueueId id) {
  auto located = co_await locate(id, false);
  if (!located) co_return std::unexpected(std::move(located.error()));
  QueueFile& file = located->file;
  const auto verified = co_await verify_content(reactor_, file);
  if (!verified) {
    co_await reactor_.close_now(file.file);
    co_return std::unexpected(
        QueueFileProblem{verified.error(), false, "its content has changed (CRC)"});
  }
  auto content = file_content(reactor_, file);
  Entry* const entry = find(id);
  LoadedMessage message = to_loaded(std::move(file.head));
  if (entry != nullptr && entry->applied != entry->version) {
    // The file could not be brought up to date; what we know is newer.
    message.status = entry->head.status;
    message.times = entry->head.times;
  }
  message.content = std::move(content);
  co_return message;
}

// The file is gone and we did not do it.
task<void> SpoolImpl::removed_by_hand(QueueId id) {
  if (placed_ > 0) --placed_;
  Entry* const entry = find(id);
  if (entry == nullptr) co_return;  // no journal speaks of it
  entry->done = true;
  co_await record_done(id);
}

// Never delivered, never overwritten: the file goes to Badmail with the reason beside it.
task<void> SpoolImpl::set_aside(QueueId id, std::string reason) {
  log_problem("set_aside", id, reason);
  const std::string name = message_file_name(id);
  auto outcome = co_await write_reason(id, fmt::format("Set aside by Mailroot: {}\n", reason));
  if (!outcome) co_return;
  for (const reactor::Descriptor directory : {home_.queue.current, home_.queue.fresh}) {
    auto moved = co_await reactor_.rename_at(directory, name, home_.badmail.fresh, name, 0);
    if (!moved && moved.error().code != Errc::not_found) co_return;
  }
  auto synced = co_await badmail_.sync();
  if (synced) synced = co_await current_.sync();
  if (synced) synced = co_await fresh_.sync();
  if (!synced) co_return;
  ++set_aside_;
  co_await removed_by_hand(id);
}

void SpoolImpl::note_foreign(std::string_view name, std::string_view reason) {
  if (foreign_++ > 0) return;  // once: a directory may be full of them
  log::Event event(log::Level::warning, "foreign_file");
  event.with("home", home_.path).with("file", name).with("reason", reason);
  log_.write(std::move(event));
}

}  // namespace mailroot::spool
