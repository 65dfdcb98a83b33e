#include "mail_batch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "mail_limits.h"
#include "mailroot/base/log.h"

namespace mailroot::ctl {

namespace {

constexpr std::string_view kReason = ".reason";

// By the key: what was begun for a file is found again, whatever name it gets.
std::string temporary_name(const std::string& key) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format(".import-{:016x}", hash);
}

std::string with_reason(const std::string& name) { return name + std::string(kReason); }

// "x.eml", "x-1.eml"
std::string numbered(const std::string& name, size_t number) {
  if (number == 0) return name;
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot == 0) return fmt::format("{}-{}", name, number);
  return fmt::format("{}-{}{}", name.substr(0, dot), number, name.substr(dot));
}

bool is_fatal(int error) {
  return error == ENOSPC || error == EDQUOT || error == EIO || error == EROFS;
}

std::unexpected<MailBatch::Failure> failure(std::string_view name) {
  const bool fatal = is_fatal(errno);
  return std::unexpected(MailBatch::Failure{system_trouble(name), fatal});
}

}  // namespace

std::string target_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      std::string_view("._-{}=+,@~").contains(c);
    out += fits ? c : '_';
  }
  if (out.empty() || out.front() == '.' || out.front() == '-') out.insert(0, "_");
  if (out.size() <= kTargetNameMax) return out;
  const size_t dot = out.rfind('.');
  const std::string extension =
      dot != std::string::npos && out.size() - dot <= 8 ? out.substr(dot) : "";
  return out.substr(0, kTargetNameMax - extension.size()) + extension;
}

std::expected<MailBatch::Known, std::string> MailBatch::look_up(MailItem& item) {
  const std::string* target = ledger_.find(item.key);
  if (target == nullptr) return Known::fresh;
  item.target = *target;
  if (!exists(item.to.temporary->number(), temporary_name(item.key))) return Known::taken;
  item.reason = exists(item.to.temporary->number(), with_reason(temporary_name(item.key)))
                    ? std::optional<std::string>("")
                    : std::nullopt;
  if (auto placed = place(item); !placed) return std::unexpected(placed.error());
  if (auto synced = sync(*item.to.place, item.to.name); !synced) {
    return std::unexpected(synced.error());
  }
  return Known::recovered;
}

std::expected<Descriptor, MailBatch::Failure> MailBatch::create(const Destination& to,
                                                                const std::string& name) const {
  Descriptor file(::openat(to.temporary->number(), name.c_str(),
                           O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                           0640));
  if (!file.is_open()) return failure(to.name);
  if (auto given = home_.give(file, to.name); !given) {
    return std::unexpected(Failure{given.error(), true});
  }
  return file;
}

std::expected<void, MailBatch::Failure> MailBatch::copy(const MailItem& item,
                                                        const Descriptor& file,
                                                        const struct stat& status,
                                                        const Descriptor& into) {
  const auto too_large = [&item] {
    return std::unexpected(Failure{log::escape(item.name) + ": is larger than 4 GiB", false});
  };
  if (static_cast<uint64_t>(status.st_size) > kMailFileSizeMax) return too_large();
  uint64_t copied = 0;
  while (true) {
    auto window = read_some(file, item.name, copied, kCopyWindow);
    if (!window) return std::unexpected(Failure{window.error(), false});
    if (window->empty()) break;
    copied += window->size();
    if (copied > kMailFileSizeMax) return too_large();
    if (auto written = write_all(into, item.to.name, *window); !written) {
      return std::unexpected(Failure{written.error(), true});
    }
  }
  struct stat after{};
  if (::fstat(file.number(), &after) != 0) return failure(item.name);
  const bool same = copied == static_cast<uint64_t>(status.st_size) &&
                    after.st_size == status.st_size &&
                    after.st_mtim.tv_sec == status.st_mtim.tv_sec &&
                    after.st_mtim.tv_nsec == status.st_mtim.tv_nsec;
  if (!same) {
    return std::unexpected(
        Failure{log::escape(item.name) + ": changed while it was copied", false});
  }
  const timespec times[2] = {status.st_mtim, status.st_mtim};
  if (item.keep_time && ::futimens(into.number(), times) != 0) return failure(item.to.name);
  if (::fsync(into.number()) != 0) return failure(item.to.name);
  return {};
}

std::expected<void, MailBatch::Failure> MailBatch::write_reason(const MailItem& item) {
  const std::string name = with_reason(temporary_name(item.key));
  auto file = create(item.to, name);
  if (!file) return std::unexpected(file.error());
  if (auto written = write_all(*file, item.to.name, *item.reason); !written) {
    return std::unexpected(Failure{written.error(), true});
  }
  if (::fsync(file->number()) != 0) return failure(item.to.name);
  return {};
}

std::expected<void, MailBatch::Failure> MailBatch::add(MailItem item, const Descriptor& file,
                                                       const struct stat& status) {
  auto into = create(item.to, temporary_name(item.key));
  if (!into) return std::unexpected(into.error());
  auto done = copy(item, file, status, *into);
  if (done && item.reason) done = write_reason(item);
  if (!done) {
    ::unlinkat(item.to.temporary->number(), temporary_name(item.key).c_str(), 0);
    ::unlinkat(item.to.temporary->number(), with_reason(temporary_name(item.key)).c_str(), 0);
    return done;
  }
  auto target = free_target(item);
  if (!target) return std::unexpected(Failure{target.error(), false});
  item.target = *target;
  chosen_.insert(item.to.name + "/" + item.target);
  items_.push_back(std::move(item));
  if (items_.size() < kBatchFiles) return {};
  if (auto flushed = flush(); !flushed) return std::unexpected(Failure{flushed.error(), true});
  return {};
}

// The wanted name, or with a number where that is taken.
std::expected<std::string, std::string> MailBatch::free_target(const MailItem& item) const {
  for (size_t number = 0; number < kTargetNumbersMax; ++number) {
    std::string name = numbered(item.target, number);
    if (chosen_.contains(item.to.name + "/" + name)) continue;
    const int place = item.to.place->number();
    if (exists(place, name) || (item.reason && exists(place, with_reason(name)))) continue;
    return name;
  }
  return std::unexpected(fmt::format("{}: {} names like it are taken in {}", log::escape(item.name),
                                     kTargetNumbersMax, item.to.name));
}

std::expected<void, std::string> MailBatch::flush() {
  if (items_.empty()) return {};
  std::vector<LedgerEntry> entries;
  for (const MailItem& item : items_) entries.push_back({item.key, item.target});
  if (auto appended = ledger_.append(entries); !appended) return appended;
  std::vector<MailItem> items = std::move(items_);
  items_.clear();
  chosen_.clear();
  std::set<const Descriptor*> places;
  for (MailItem& item : items) {
    if (auto placed = place(item); !placed) return placed;
    places.insert(item.to.place);
  }
  for (const Descriptor* place : places) {
    if (auto synced = sync(*place, items.front().to.name); !synced) return synced;
  }
  for (const MailItem& item : items) told_(item);
  return {};
}

// The reason first, so that no message is ever without it. False with EEXIST: neither is there.
bool MailBatch::rename_in(const MailItem& item) const {
  const int from = item.to.temporary->number();
  const int to = item.to.place->number();
  const std::string temporary = temporary_name(item.key);
  const auto move = [](int at, const std::string& name, int into, const std::string& as) {
    return ::renameat2(at, name.c_str(), into, as.c_str(), RENAME_NOREPLACE) == 0;
  };
  if (item.reason && !move(from, with_reason(temporary), to, with_reason(item.target)))
    return false;
  if (move(from, temporary, to, item.target)) return true;
  const int error = errno;
  if (item.reason) move(to, with_reason(item.target), from, with_reason(temporary));
  errno = error;
  return false;
}

std::expected<void, std::string> MailBatch::place(MailItem& item) {
  while (!rename_in(item)) {
    if (errno != EEXIST) return std::unexpected(system_trouble(item.to.name + "/" + item.target));
    auto target = free_target(item);
    if (!target) return std::unexpected(target.error());
    item.target = *target;
    if (auto appended = ledger_.append({{item.key, item.target}}); !appended) return appended;
  }
  return {};
}

}  // namespace mailroot::ctl
