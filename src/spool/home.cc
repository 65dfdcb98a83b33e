#include "mailroot/spool/home.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "directory.h"
#include "kept_journal.h"
#include "mailroot/base/remote_file_system.h"

namespace mailroot::spool {

namespace {

using reactor::Descriptor;
using reactor::Reactor;
using reactor::task;
template <class T>
using outcome_of = std::expected<T, HomeProblem>;

constexpr std::string_view kFormatFile = "format";
constexpr std::string_view kEpochFile = "epoch";
constexpr std::string_view kFormatWord = "mailroot-home";
constexpr uint32_t kFormatVersion = 1;
constexpr size_t kSmallFileMax = 256;

std::unexpected<HomeProblem> problem(Error error, std::string sentence) {
  return std::unexpected(HomeProblem{error, std::move(sentence)});
}
std::unexpected<HomeProblem> cannot(std::string_view verb, std::string_view what, Error error) {
  return problem(error, fmt::format("cannot {} {}: {}", verb, what, describe(error.code)));
}

// Why the directory `name` in `parent` cannot be opened: what stands in its place is told.
task<HomeProblem> why_not_opened(Reactor& reactor, Descriptor parent, std::string name,
                                 std::string path, Error error) {
  std::string sentence = fmt::format("cannot open {}: {}", path, describe(error.code));
  if (error.code == Errc::invalid) {
    auto status = co_await reactor.stat_at(parent, name);
    if (status && S_ISLNK(status->mode)) {
      sentence = path + " is a symbolic link; a directory itself has to be there";
    } else if (status && !S_ISDIR(status->mode)) {
      sentence = path + " is not a directory";
    }
  }
  co_return HomeProblem{error, std::move(sentence)};
}

// Makes `path`'s entry in its parent durable. Also done for what was there before: a start that was
// killed may have made it and not come to the sync.
task<outcome_of<void>> sync_parent(Reactor& reactor, std::string path, bool created) {
  const std::string parent = path.substr(0, std::max<size_t>(path.rfind('/'), 1));
  auto directory = co_await reactor.open_at(reactor::kNoDirectory, parent, kOpenDirectory, 0);
  if (!directory) {
    if (created) co_return cannot("open", parent, directory.error());
    co_return outcome_of<void>{};  // not ours to read, so not ours to have made
  }
  auto synced = co_await reactor.sync(*directory, reactor::SyncKind::data_and_metadata);
  co_await reactor.close_now(*directory);
  const bool cannot_be =
      !synced && (synced.error().code == Errc::invalid || synced.error().code == Errc::read_only);
  if (!synced && (created || !cannot_be)) co_return cannot("sync", parent, synced.error());
  co_return outcome_of<void>{};
}

constexpr uint32_t kHomeMode = 0711;
constexpr uint32_t kPickupMode = 03770;  // setgid: files have the group; sticky: others' stay
constexpr uint32_t kDropMode = 02770;

// What the umask took from a directory that was just made.
task<outcome_of<void>> open_to_others(Reactor& reactor, std::string path) {
  auto directory = co_await reactor.open_at(reactor::kNoDirectory, path, kOpenDirectory, 0);
  if (!directory) co_return cannot("open", path, directory.error());
  auto set = co_await reactor.set_access(*directory, reactor::kGroupAsItIs, kHomeMode);
  co_await reactor.close_now(*directory);
  if (!set) co_return cannot("set the permissions of", path, set.error());
  co_return outcome_of<void>{};
}

// Makes the missing directories of an absolute path.
task<outcome_of<void>> make_path(Reactor& reactor, std::string path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    auto made = co_await reactor.make_directory_at(reactor::kNoDirectory, part, kDirectoryMode);
    if (!made && made.error().code != Errc::exists && end == std::string::npos) {
      co_return cannot("make the home directory", part, made.error());
    }
    if (made) {
      auto opened = co_await open_to_others(reactor, part);
      if (!opened) co_return opened;
    }
    auto synced = co_await sync_parent(reactor, part, made.has_value());
    if (!synced || end == std::string::npos) co_return synced;
  }
}

task<outcome_of<void>> check_file_system(Reactor& reactor, const Home& home) {
  auto status = co_await reactor.file_system_status(home.root);
  if (!status) co_return cannot("examine the file system of", home.path, status.error());
  const std::string_view remote = remote_file_system(status->magic);
  if (!remote.empty()) {
    co_return problem({Errc::unsupported, 0},
                      fmt::format("{} is on a {} file system; a home directory must be on a local "
                                  "one, where a sync can be relied on",
                                  home.path, remote));
  }
  if (status->read_only) {
    co_return problem({Errc::read_only, 0},
                      fmt::format("{} is on a read-only file system", home.path));
  }
  co_return outcome_of<void>{};
}

task<outcome_of<reactor::FileStatus>> check_permissions(Reactor& reactor, Descriptor directory,
                                                        std::string what, uint32_t forbidden) {
  auto status = co_await reactor.stat_at(directory, "");
  if (!status) co_return cannot("examine", what, status.error());
  if ((status->mode & forbidden) != 0) {
    co_return problem({Errc::permission, 0},
                      fmt::format("{} is open to other users (mode {:o}); take their rights away "
                                  "(chmod o-rwx) and see who was there",
                                  what, status->mode & 07777));
  }
  co_return *status;
}

struct Format {
  uint32_t version = 0;
  std::string identity;
};

// "mailroot-home <version>\n<32 hexadecimal digits>\n"
std::optional<Format> parse_format(std::string_view text) {
  Format format;
  if (!text.starts_with(kFormatWord)) return std::nullopt;
  text.remove_prefix(kFormatWord.size());
  if (!text.starts_with(' ')) return std::nullopt;
  const auto [end, error] =
      std::from_chars(text.data() + 1, text.data() + text.size(), format.version);
  if (error != std::errc() || end == text.data() + text.size() || *end != '\n') return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
  while (text.ends_with('\n')) text.remove_suffix(1);
  format.identity = text;
  return format;
}

task<outcome_of<bool>> has_mail(Reactor& reactor, const Home& home) {
  auto queue = co_await reactor.open_at(home.root, "Queue", kOpenDirectory, 0);
  if (!queue) co_return false;
  bool found = false;
  for (const char* const name : {"new", "cur"}) {
    auto directory = co_await reactor.open_at(*queue, name, kOpenDirectory, 0);
    if (!directory) continue;
    auto entries = co_await reactor.list_directory(*directory);
    co_await reactor.close_now(*directory);
    found = found || (entries && !entries->empty());
  }
  co_await reactor.close_now(*queue);
  co_return found;
}

// A home that was used before has its format file; one that has none is new, or not what it was.
task<outcome_of<bool>> check_format(Reactor& reactor, Home& home) {
  auto text =
      co_await read_small_file(reactor, home.journal, std::string(kFormatFile), kSmallFileMax);
  const std::string name = fmt::format("{}/Journal/{}", home.path, kFormatFile);
  if (text) {
    const auto format = parse_format(*text);
    if (!format) {
      co_return problem({Errc::corrupt, 0}, fmt::format("{} cannot be understood; restore it from "
                                                        "a backup of this home directory",
                                                        name));
    }
    if (format->version > kFormatVersion) {
      co_return problem({Errc::unsupported, 0},
                        fmt::format("{} was written by a newer Mailroot (format {}, this one knows "
                                    "{}); install that version again",
                                    home.path, format->version, kFormatVersion));
    }
    co_return true;
  }
  if (text.error().code != Errc::not_found) co_return cannot("read", name, text.error());
  auto epoch = co_await reactor.stat_at(home.journal, std::string(kEpochFile));
  auto mail = co_await has_mail(reactor, home);
  if (epoch || *mail) {
    co_return problem({Errc::corrupt, 0},
                      fmt::format("{} has been used before but {} is missing; it may be another "
                                  "volume, or damaged. Nothing was changed",
                                  home.path, name));
  }
  const std::string fresh = fmt::format("{} {}\n{:016x}{:016x}\n", kFormatWord, kFormatVersion,
                                        reactor.random(), reactor.random());
  auto written = co_await write_small_file(reactor, home.journal, std::string(kFormatFile), fresh);
  if (!written) co_return cannot("write", name, written.error());
  co_return false;
}

task<outcome_of<void>> take_epoch(Reactor& reactor, Home& home, bool used_before) {
  const std::string name = fmt::format("{}/Journal/{}", home.path, kEpochFile);
  uint32_t epoch = 0;
  auto text =
      co_await read_small_file(reactor, home.journal, std::string(kEpochFile), kSmallFileMax);
  if (text) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), epoch);
    if (error != std::errc() || end == text->data() || epoch == UINT32_MAX) {
      co_return problem({Errc::corrupt, 0},
                        fmt::format("{} does not hold a number; write into it one larger than the "
                                    "first eight (hexadecimal) digits of any queue id seen",
                                    name));
    }
  } else if (text.error().code != Errc::not_found || used_before) {
    // A crash between the two files of a new home leaves no mail behind: begin again.
    auto mail = co_await has_mail(reactor, home);
    if (text.error().code != Errc::not_found || *mail) co_return cannot("read", name, text.error());
  }
  home.epoch = epoch + 1;
  const std::string taken = fmt::format("{}\n", home.epoch);
  // In place where the digits fit into what the file has: a start needs no block. A crash between
  // its bytes and its new length then still leaves one of the two numbers.
  const bool in_place = text && fmt::format("{}", home.epoch).size() <= text->size();
  result<void> written{};
  if (in_place) {
    written = co_await overwrite_small_file(reactor, home.journal, std::string(kEpochFile), taken);
  } else {
    written = co_await write_small_file(reactor, home.journal, std::string(kEpochFile), taken);
  }
  if (!written) co_return cannot("write", name, written.error());
  co_return outcome_of<void>{};
}

struct Access {
  uint32_t group = reactor::kGroupAsItIs;
  uint32_t mode = kDirectoryMode;
  uint32_t current_mode = kDirectoryMode;  // of cur
};

// The permissions of a directory that was just made. A group that we are no member of is not ours
// to give away; the directory then stays ours, and the administrator reads what to do.
task<outcome_of<void>> give_access(Reactor& reactor, Home& home, Descriptor directory,
                                   std::string path, Access access) {
  auto set = co_await reactor.set_access(directory, access.group, access.mode);
  if (!set && set.error().code == Errc::permission && access.group != reactor::kGroupAsItIs) {
    home.findings.push_back(fmt::format(
        "{} cannot be given to the group {}, of which this service is no member; do it with chgrp",
        path, access.group));
    set = co_await reactor.set_access(directory, reactor::kGroupAsItIs, access.mode);
  }
  if (!set) co_return cannot("set the permissions of", path, set.error());
  co_return outcome_of<void>{};
}

task<outcome_of<void>> open_part(Reactor& reactor, Home& home, Descriptor parent, std::string name,
                                 std::string path, Access access, Descriptor& descriptor) {
  auto opened = co_await open_directory(reactor, parent, name, kDirectoryMode);
  if (!opened) {
    auto why = co_await why_not_opened(reactor, parent, name, path, opened.error());
    co_return std::unexpected(std::move(why));
  }
  descriptor = opened->descriptor;
  if (!opened->created || access.mode == kDirectoryMode) co_return outcome_of<void>{};
  auto given = co_await give_access(reactor, home, descriptor, path, access);
  co_return given;
}

task<outcome_of<void>> open_maildir(Reactor& reactor, Home& home, std::string name, Access access,
                                    Maildir& maildir) {
  const std::string path = home.path + "/" + name;
  auto step = co_await open_part(reactor, home, home.root, name, path, access, maildir.top);
  const std::array parts = {std::pair("tmp", &maildir.temporary), std::pair("new", &maildir.fresh),
                            std::pair("cur", &maildir.current)};
  for (const auto& part : parts) {
    if (!step) co_return step;
    Access own = access;
    if (part.second == &maildir.current) own.mode = access.current_mode;
    step = co_await open_part(reactor, home, maildir.top, part.first,
                              fmt::format("{}/{}", path, part.first), own, *part.second);
  }
  if (!step) co_return step;
  auto synced = co_await reactor.sync(maildir.top, reactor::SyncKind::data_and_metadata);
  if (!synced) co_return cannot("sync", path, synced.error());
  co_return outcome_of<void>{};
}

task<outcome_of<void>> open_maildirs(Reactor& reactor, Home& home, HomeOptions options) {
  // cur of Pickup is ours alone: what lies there is claimed.
  const Access pickup{options.pickup_group, kPickupMode, kDirectoryMode};
  const Access drop{reactor::kGroupAsItIs, kDropMode, kDropMode};
  auto step = co_await open_maildir(reactor, home, "Queue", {}, home.queue);
  if (!step) co_return step;
  step = co_await open_maildir(reactor, home, "Pickup", pickup, home.pickup);
  if (!step) co_return step;
  step = co_await open_maildir(reactor, home, "Drop", drop, home.drop);
  if (!step) co_return step;
  step = co_await open_maildir(reactor, home, options.badmail_directory, {}, home.badmail);
  co_return step;
}

task<outcome_of<void>> open_journal(Reactor& reactor, Home& home) {
  auto journal = co_await open_directory(reactor, home.root, "Journal", kDirectoryMode);
  if (!journal) {
    auto why = co_await why_not_opened(reactor, home.root, "Journal", home.path + "/Journal",
                                       journal.error());
    co_return std::unexpected(std::move(why));
  }
  home.journal = journal->descriptor;
  auto checked = co_await check_permissions(reactor, home.journal, home.path + "/Journal", 0007);
  if (!checked) co_return std::unexpected(std::move(checked.error()));
  auto lock_file =
      co_await reactor.open_at(home.journal, "lock", O_RDWR | O_CREAT | O_CLOEXEC, kFileMode);
  if (!lock_file) co_return cannot("open", home.path + "/Journal/lock", lock_file.error());
  home.lock_file = *lock_file;
  auto locked = co_await reactor.lock(home.lock_file);
  if (!locked) {
    co_return problem(locked.error(), fmt::format("{} is in use by another Mailroot (its lock file "
                                                  "is held)",
                                                  home.path));
  }
  co_return outcome_of<void>{};
}

task<outcome_of<void>> fill_home(Reactor& reactor, Home& home, HomeOptions options) {
  auto root = co_await reactor.open_at(reactor::kNoDirectory, home.path, kOpenDirectory, 0);
  if (!root) {
    auto why = co_await why_not_opened(reactor, reactor::kNoDirectory, home.path,
                                       "the home directory " + home.path, root.error());
    co_return std::unexpected(std::move(why));
  }
  home.root = *root;
  auto step = co_await check_file_system(reactor, home);
  if (!step) co_return step;
  auto status = co_await check_permissions(reactor, home.root, home.path, S_IWOTH);
  if (!status) co_return std::unexpected(std::move(status.error()));
  home.device = status->device;
  home.inode = status->inode;
  step = co_await open_journal(reactor, home);
  if (!step) co_return step;
  auto used_before = co_await check_format(reactor, home);
  if (!used_before) co_return std::unexpected(std::move(used_before.error()));
  step = co_await take_epoch(reactor, home, *used_before);
  if (!step) co_return step;
  step = co_await open_maildirs(reactor, home, std::move(options));
  if (!step) co_return step;
  auto queue = co_await check_permissions(reactor, home.queue.top, home.path + "/Queue", 0007);
  if (!queue) co_return std::unexpected(std::move(queue.error()));
  auto synced = co_await reactor.sync(home.root, reactor::SyncKind::data_and_metadata);
  if (!synced) co_return cannot("sync", home.path, synced.error());
  co_return outcome_of<void>{};
}

}  // namespace

task<outcome_of<std::unique_ptr<Home>>> open_home(Reactor& reactor, std::string path,
                                                  HomeOptions options) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (!path.starts_with('/') || path.size() < 2) {
    co_return problem({Errc::invalid, 0},
                      fmt::format("'{}' is no absolute path of a home directory", path));
  }
  auto made = co_await make_path(reactor, path);
  if (!made) co_return std::unexpected(std::move(made.error()));
  auto home = std::make_unique<Home>();
  home->path = path;
  auto filled = co_await fill_home(reactor, *home, std::move(options));
  if (!filled) {
    co_await close_home(reactor, *home);
    co_return std::unexpected(std::move(filled.error()));
  }
  co_return home;
}

task<void> close_home(Reactor& reactor, Home& home) {
  if (home.kept != nullptr && !std::exchange(home.kept->is_taken, true)) {
    for (const KeptSegment& segment : home.kept->segments) {
      co_await reactor.close_now(segment.file);
    }
  }
  for (Maildir* const maildir : {&home.pickup, &home.queue, &home.drop, &home.badmail}) {
    for (Descriptor* const descriptor :
         {&maildir->top, &maildir->temporary, &maildir->fresh, &maildir->current}) {
      if (*descriptor != reactor::kNoDescriptor) {
        co_await reactor.close_now(*descriptor);
      }
      *descriptor = reactor::kNoDescriptor;
    }
  }
  // The lock last: whoever takes it finds nothing of ours open.
  for (Descriptor* const descriptor : {&home.journal, &home.root, &home.lock_file}) {
    if (*descriptor != reactor::kNoDescriptor) {
      co_await reactor.close_now(*descriptor);
    }
    *descriptor = reactor::kNoDescriptor;
  }
}

task<result<void>> check_home(Reactor& reactor, const Home& home) {
  auto status = co_await reactor.stat_at(reactor::kNoDirectory, home.path);
  if (!status) co_return std::unexpected(status.error());
  if (status->device != home.device || status->inode != home.inode) co_return fail(Errc::corrupt);
  co_return result<void>{};
}

}  // namespace mailroot::spool
