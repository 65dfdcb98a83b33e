#include "keeper_badmail.h"

#include <sys/stat.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "directory_pages.h"
#include "limits.h"

namespace mailroot::spool {

using reactor::task;

namespace {

// "x" of "x" and of "x.reason": both are one message's.
std::string_view message_of(std::string_view name) {
  if (name.ends_with(kReasonSuffix)) name.remove_suffix(kReasonSuffix.size());
  return name;
}

}  // namespace

Keeper::Badmail::Badmail(reactor::Reactor& reactor, const Home& home,
                         std::function<KeeperRules()> rules, std::string server, log::Sink& log)
    : reactor_(reactor),
      home_(home),
      rules_(std::move(rules)),
      server_(std::move(server)),
      log_(log) {}

bool Keeper::Badmail::is_due(const KeeperRules& rules) const {
  const Instant now = reactor_.now();
  if (!has_looked_ || now >= next_) return true;
  if (now < not_before_) return false;
  if (rules.badmail_keep < keep_) return true;  // a reload made it shorter
  const uint64_t added = home_.usage->badmail_added_bytes - added_before_;
  return bytes_ + added > rules.badmail_size_limit_bytes;
}

task<void> Keeper::Badmail::work(reactor::CancelScope& scope) {
  const KeeperRules rules = rules_();
  if (!is_due(rules)) co_return;
  const Instant began = reactor_.now();
  const uint64_t added = home_.usage->badmail_added_bytes;
  auto found = co_await look(scope);
  if (!found) co_return;
  has_looked_ = true;
  added_before_ = added;
  keep_ = rules.badmail_keep;
  const Instant ended = reactor_.now();
  not_before_ = ended + (ended - began) * kKeeperRest;
  // Short times to keep, as a test has, are looked at more often.
  const Duration interval =
      std::clamp<Duration>(rules.badmail_keep / 10, kKeeperInterval, kBadmailLookInterval);
  next_ = std::max(not_before_, ended + interval);
  co_await remove_beyond(std::move(*found), rules, scope);
  for (const auto directory : {home_.badmail.temporary, home_.drop.temporary}) {
    co_await clean_temporary(directory);
  }
}

task<std::optional<Keeper::Badmail::Found>> Keeper::Badmail::look(reactor::CancelScope& scope) {
  Found found;
  for (const auto directory : {home_.badmail.top, home_.badmail.fresh, home_.badmail.current}) {
    DirectoryPages pages(reactor_, directory);
    for (;;) {
      auto page = co_await pages.next();
      if (!page || page->empty()) break;
      for (auto& entry : *page) {
        if (!S_ISREG(entry.status.mode)) continue;
        ++found.files;
        found.bytes += entry.status.size_bytes;
        Candidate file{entry.status.changed, directory, std::move(entry.name),
                       entry.status.size_bytes};
        if (!found.newest || *found.newest < file) found.newest = file;
        found.oldest.push(std::move(file));
        if (found.oldest.size() > kBadmailCandidatesMax) found.oldest.pop();
      }
      co_await reactor_.sleep_until(reactor_.now() + kKeeperPause, {kNever, &scope});
      if (scope.is_cancelled()) {
        co_await pages.close();
        co_return std::nullopt;
      }
    }
  }
  co_return found;
}

task<void> Keeper::Badmail::remove_beyond(Found found, KeeperRules rules,
                                          reactor::CancelScope& scope) {
  bytes_ = found.bytes;
  std::vector<Candidate> oldest;
  for (; !found.oldest.empty(); found.oldest.pop()) oldest.push_back(found.oldest.top());
  std::ranges::reverse(oldest);
  uint64_t removed = 0, removed_bytes = 0;
  bool is_done = oldest.size() < kBadmailCandidatesMax;
  for (const Candidate& file : oldest) {
    const bool too_old = reactor_.wall_now() - file.since > rules.badmail_keep;
    if ((!too_old && bytes_ <= rules.badmail_size_limit_bytes) || scope.is_cancelled()) {
      is_done = true;
      break;
    }
    // Of what is beyond the size, the newest message stays, however large it is.
    if (!too_old && message_of(file.name) == message_of(found.newest->name)) continue;
    const uint64_t bytes = co_await remove(file);
    if (bytes == 0) continue;  // with its other half, or by somebody else
    bytes_ -= std::min(bytes_, bytes);
    removed_bytes += bytes;
    if (++removed <= kBadmailToldMax) tell(file, bytes, too_old);
  }
  if (!is_done) next_ = reactor_.now();  // there are more as old as these
  if (removed == 0) co_return;
  log_.write(log::Event(log::Level::info, "badmail-cleaned")
                 .with("server", server_)
                 .with("messages", static_cast<int64_t>(removed))
                 .with("bytes", static_cast<int64_t>(removed_bytes))
                 .with("left", static_cast<int64_t>(bytes_)));
}

// A file with its reason, or the reason with its file; bytes that went.
task<uint64_t> Keeper::Badmail::remove(Candidate file) {
  const std::string message(message_of(file.name));
  uint64_t bytes = 0;
  for (const std::string& name : {message, message + std::string(kReasonSuffix)}) {
    auto status = co_await reactor_.stat_at(file.directory, name);
    if (!status || !S_ISREG(status->mode)) continue;
    auto gone = co_await reactor_.unlink_at(file.directory, name, 0);
    if (gone) bytes += std::max<uint64_t>(status->size_bytes, 1);
  }
  co_return bytes;
}

// What a crash left; maildir's own rule is 36 hours.
task<void> Keeper::Badmail::clean_temporary(reactor::Descriptor directory) {
  DirectoryPages pages(reactor_, directory);
  for (;;) {
    auto page = co_await pages.next();
    if (!page || page->empty()) co_return;
    for (const auto& entry : *page) {
      const bool is_old = reactor_.wall_now() - entry.status.changed > kTemporaryKeep;
      if (!is_old || !S_ISREG(entry.status.mode)) continue;
      co_await reactor_.unlink_at(directory, entry.name, 0);
    }
  }
}

void Keeper::Badmail::tell(const Candidate& file, uint64_t bytes, bool too_old) {
  log_.write(log::Event(log::Level::info, "badmail-removed")
                 .with("server", server_)
                 .with("file", message_of(file.name))
                 .with("bytes", static_cast<int64_t>(bytes))
                 .with("reason", too_old ? "it is older than messages.badmail.keep"
                                         : "Badmail is larger than messages.badmail.size_limit"));
}

}  // namespace mailroot::spool
