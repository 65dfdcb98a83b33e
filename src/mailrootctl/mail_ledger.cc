#include "mail_ledger.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "mail_limits.h"

namespace mailroot::ctl {

namespace {

constexpr const char* kName = "ledger";
constexpr std::string_view kLineEnd = " .";

}  // namespace

std::string ledger_word(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c > 0x20 && c < 0x7F && c != '%') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::expected<MailLedger, std::string> MailLedger::open(const MailHome& home) {
  MailLedger ledger;
  ledger.file_ =
      Descriptor(::openat(home.imported().number(), kName,
                          O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  struct stat status{};
  if (!ledger.file_.is_open() || ::fstat(ledger.file_.number(), &status) != 0) {
    return std::unexpected(system_trouble("Imported/ledger"));
  }
  if (!S_ISREG(status.st_mode)) return std::unexpected("Imported/ledger: is no regular file");
  if (::flock(ledger.file_.number(), LOCK_EX | LOCK_NB) != 0) {
    return std::unexpected("another import into this home directory is running");
  }
  if (static_cast<uint64_t>(status.st_size) > kLedgerSizeMax) {
    return std::unexpected("Imported/ledger: is larger than 2 GiB (limit kLedgerSizeMax)");
  }
  if (auto given = home.give(ledger.file_, kName); !given) return std::unexpected(given.error());
  if (auto loaded = ledger.load(); !loaded) return std::unexpected(loaded.error());
  if (auto synced = sync(home.imported(), "Imported"); !synced) {
    return std::unexpected(synced.error());
  }
  return ledger;
}

// "key target ." lines. A torn last line was never synced, so nothing was renamed for it: it gets
// an end, and counts for nothing without its dot.
std::expected<void, std::string> MailLedger::load() {
  std::string pending;
  for (uint64_t offset = 0;;) {
    auto window = read_some(file_, "Imported/ledger", offset, kCopyWindow);
    if (!window) return std::unexpected(window.error());
    if (window->empty()) break;
    offset += window->size();
    pending += *window;
    size_t begin = 0;
    for (size_t end; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1) {
      std::string_view line = std::string_view(pending).substr(begin, end - begin);
      const size_t blank = line.find(' ');
      if (blank == std::string_view::npos || !line.ends_with(kLineEnd)) continue;
      line.remove_suffix(kLineEnd.size());
      if (blank >= line.size()) continue;
      entries_.insert_or_assign(std::string(line.substr(0, blank)),
                                std::string(line.substr(blank + 1)));
    }
    pending.erase(0, begin);
    if (entries_.size() > kMailFilesMax * 4) {
      return std::unexpected("Imported/ledger: has too many lines (limit kMailFilesMax)");
    }
  }
  if (pending.empty()) return {};
  return write_all(file_, "Imported/ledger", "\n");
}

const std::string* MailLedger::find(const std::string& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

std::expected<void, std::string> MailLedger::append(const std::vector<LedgerEntry>& entries) {
  std::string text;
  for (const LedgerEntry& entry : entries) {
    text += fmt::format("{} {}{}\n", entry.key, entry.target, kLineEnd);
  }
  if (auto written = write_all(file_, "Imported/ledger", text); !written) return written;
  if (auto synced = sync(file_, "Imported/ledger"); !synced) return synced;
  for (const LedgerEntry& entry : entries) entries_.insert_or_assign(entry.key, entry.target);
  return {};
}

}  // namespace mailroot::ctl
