#include "import_mail.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.h"
#include "mail_batch.h"
#include "mail_limits.h"
#include "mail_look.h"
#include "mailroot/base/log.h"
#include "mailroot/config/load.h"
#include "mailroot/import/badmail.h"
#include "mailroot/import/limits.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::ctl {

namespace {

using smtp::equals_ignoring_case;
namespace fs = std::filesystem;

constexpr const char* kFolders[] = {"Pickup", "Queue", "Drop", "Badmail"};

struct Home {
  std::string path;
  bool flat_drop = false;
};

// By --home, by --server, or the only virtual server there is.
std::expected<Home, std::string> find_home(const Settings& settings,
                                           const MailArguments& arguments) {
  const auto snapshot = config::load(settings.config, {});
  std::vector<std::shared_ptr<const config::VirtualServer>> servers;
  if (snapshot && !snapshot->built_in_default) servers = snapshot->servers;
  if (!arguments.home.empty()) {
    Home home{fs::absolute(arguments.home).lexically_normal().string(), false};
    while (home.path.size() > 1 && home.path.ends_with('/')) home.path.pop_back();
    for (const auto& server : servers) {
      if (server->home_directory == home.path) {
        home.flat_drop = server->drop_layout == config::DropLayout::flat;
      }
    }
    return home;
  }
  if (!snapshot) {
    return std::unexpected(settings.config +
                           " cannot be read; say --home, or see mailrootctl check");
  }
  for (const auto& server : servers) {
    if (server->id != arguments.server && !(arguments.server.empty() && servers.size() == 1))
      continue;
    return Home{server->home_directory, server->drop_layout == config::DropLayout::flat};
  }
  return std::unexpected(arguments.server.empty()
                             ? "say --server or --home: there is not one virtual server"
                             : "there is no virtual server " + arguments.server);
}

// What is where in the source.
struct Folder {
  std::string name;  // "Pickup"
  std::string path;  // for people and the ledger
  Descriptor directory;
};

struct Count {
  size_t taken = 0, already = 0, waiting = 0, no_envelope = 0, failed = 0;
};

class MailImport {
 public:
  MailImport(const Settings& settings, const MailArguments& arguments)
      : settings_(settings), arguments_(arguments) {}
  int run();

 private:
  std::expected<std::vector<Folder>, std::string> find_folders();
  bool add_folder(std::vector<Folder>& folders, const Descriptor& at, const std::string& entry);
  std::expected<std::vector<std::string>, std::string> list(const Descriptor& directory,
                                                            const std::string& path);
  std::expected<void, std::string> take_folder(const Folder& folder);
  std::expected<void, std::string> take_badmail(const Folder& folder,
                                                const std::vector<std::string>& names);
  std::expected<void, std::string> take(const Folder& folder, const std::string& name,
                                        std::optional<std::string> reason);
  std::expected<void, MailBatch::Failure> decide(MailItem& item, const Descriptor& file,
                                                 const struct stat& status);
  std::string reason_of(const Folder& folder, const std::string& base, const std::string& bdr,
                        const std::string& bdp);
  void tell(const MailItem& item, std::string_view state);
  void leave(const std::string& folder, const std::string& name, const std::string& why);
  void print(const nlohmann::json& document) const;
  void summary() const;

  const Settings& settings_;
  const MailArguments& arguments_;
  std::string source_;  // absolute, links resolved
  Home where_;
  std::optional<MailHome> home_;
  std::optional<MailLedger> ledger_;
  std::optional<MailBatch> batch_;
  std::map<std::string, Count> counts_;
  size_t left_alone_ = 0;
};

void MailImport::print(const nlohmann::json& document) const {
  fmt::print("{}\n", document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

// Text tells only what somebody has to know; JSON each file.
void MailImport::tell(const MailItem& item, std::string_view state) {
  const std::string to = fmt::format("{}/{}", item.to.name, item.target);
  if (settings_.json) {
    nlohmann::json document = {
        {"folder", item.folder}, {"file", item.name}, {"state", state}, {"to", to}};
    if (!item.note.empty()) document["note"] = item.note;
    print(document);
  } else if (!item.note.empty()) {
    fmt::print("{}/{}: {}; {} {}\n", item.folder, log::escape(item.name), item.note,
               state == "already" ? "taken before, as" : "now", to);
  }
}

void MailImport::leave(const std::string& folder, const std::string& name, const std::string& why) {
  ++left_alone_;
  if (settings_.json) {
    print({{"folder", folder}, {"file", name}, {"state", "left alone"}, {"note", why}});
  } else {
    fmt::print("{}/{}: left alone: {}\n", folder, log::escape(name), why);
  }
}

std::expected<std::vector<std::string>, std::string> MailImport::list(const Descriptor& directory,
                                                                      const std::string& path) {
  const int copy = ::openat(directory.number(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const stream = copy < 0 ? nullptr : ::fdopendir(copy);
  if (stream == nullptr) return std::unexpected(system_trouble(path));
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    names.emplace_back(name);
    if (names.size() > kMailFilesMax) break;
  }
  ::closedir(stream);
  if (names.size() > kMailFilesMax) {
    return std::unexpected(
        fmt::format("{}: holds more than {} files (limit kMailFilesMax); move "
                    "some of them into another directory",
                    path, kMailFilesMax));
  }
  std::ranges::sort(names);
  return names;
}

bool MailImport::add_folder(std::vector<Folder>& folders, const Descriptor& at,
                            const std::string& entry) {
  for (const char* const folder : kFolders) {
    if (!equals_ignoring_case(entry, folder)) continue;
    auto directory = open_directory(at.number(), entry, false);
    if (directory) {
      folders.push_back({folder, source_ + "/" + entry, std::move(*directory)});
    } else {
      leave(".", entry, directory.error() + " (a link is not followed)");
      ++counts_[folder].failed;
    }
    return true;
  }
  return false;
}

// DIR holds the folders, or is one of them.
std::expected<std::vector<Folder>, std::string> MailImport::find_folders() {
  std::error_code error;
  source_ = fs::canonical(arguments_.source, error).string();
  if (error) return std::unexpected(fmt::format("{}: {}", arguments_.source, error.message()));
  auto top = open_directory(AT_FDCWD, source_, false);
  if (!top) return std::unexpected(top.error());
  auto names = list(*top, source_);
  if (!names) return std::unexpected(names.error());
  std::vector<Folder> folders;
  std::vector<std::string> others;
  for (const auto& name : *names) {
    if (!add_folder(folders, *top, name)) others.push_back(name);
  }
  if (folders.empty() && counts_.empty()) {
    for (const char* const folder : kFolders) {
      if (!equals_ignoring_case(fs::path(source_).filename().string(), folder)) continue;
      folders.push_back({folder, source_, std::move(*top)});
      return folders;
    }
    return std::unexpected(source_ + " holds none of Pickup, Queue, Drop, Badmail");
  }
  for (const auto& name : others) leave(".", name, "not one of Pickup, Queue, Drop, Badmail");
  std::ranges::sort(folders, {}, [](const Folder& folder) {
    return std::ranges::find(kFolders, folder.name) - std::begin(kFolders);
  });
  return folders;
}

// Where it goes, and what there is to know about it.
std::expected<void, MailBatch::Failure> MailImport::decide(MailItem& item, const Descriptor& file,
                                                           const struct stat& status) {
  item.target = target_name(item.name);
  if (item.folder == "Badmail") {
    item.to = home_->badmail();
    item.keep_time = false;  // else what is older than messages.badmail.keep would go at once
    const size_t dot = item.target.rfind('.');
    item.target = item.target.substr(0, dot == 0 ? std::string::npos : dot) + ".eml";
    return {};
  }
  auto look = look_at_mail(file, item.name, static_cast<uint64_t>(status.st_size));
  if (!look) return std::unexpected(MailBatch::Failure{look.error(), false});
  if (item.folder == "Drop") {
    item.to = home_->drop();
    if (home_->has_flat_drop() && !item.target.ends_with(".eml")) item.target += ".eml";
    if (!look->has_envelope) item.note = "has no envelope lines (X-Sender, X-Receiver)";
    return {};
  }
  const bool from_queue = item.folder == "Queue";
  // In Queue IIS kept the envelope beside the file, where a copy does not reach: who is still to
  // get it is not known, and the header may name people who have it already.
  const bool may_send = look->sendable && (!from_queue || look->has_envelope);
  item.to = may_send && arguments_.send ? home_->pickup() : home_->kept(item.folder);
  if (from_queue && !look->has_envelope) {
    item.note = "lost its envelope";
    item.note += look->sendable ? fmt::format(" (its header: {})", look->addresses)
                                : fmt::format(" (and {})", look->why_not);
  } else if (!look->sendable) {
    item.note = "cannot be sent: " + look->why_not;
  }
  return {};
}

std::expected<void, std::string> MailImport::take(const Folder& folder, const std::string& name,
                                                  std::optional<std::string> reason) {
  Count& count = counts_[folder.name];
  struct stat status{};
  auto file = open_regular(folder.directory.number(), name, status);
  if (!file) {
    ++count.failed;
    leave(folder.name, name, file.error());
    return {};
  }
  MailItem item;
  item.folder = folder.name;
  item.name = name;
  item.reason = std::move(reason);
  item.key = fmt::format("{}/{}/{}.{}/{}", folder.name, status.st_size, status.st_mtim.tv_sec,
                         status.st_mtim.tv_nsec, ledger_word(folder.path + "/" + name));
  auto done = decide(item, *file, status);
  if (done) {
    auto known = batch_->look_up(item);
    if (!known) return std::unexpected(known.error());
    if (*known != MailBatch::Known::fresh) {
      ++(*known == MailBatch::Known::taken ? count.already : count.taken);
      tell(item, *known == MailBatch::Known::taken ? "already" : "taken");
      return {};
    }
    done = batch_->add(std::move(item), *file, status);
  }
  if (done) return {};
  ++count.failed;
  leave(folder.name, name, done.error().text);
  if (done.error().fatal) return std::unexpected(done.error().text);
  return {};
}

std::string MailImport::reason_of(const Folder& folder, const std::string& base,
                                  const std::string& bdr, const std::string& bdp) {
  const auto text_of = [&](const std::string& name) -> std::string {
    struct stat status{};
    if (name.empty()) return {};
    auto file = open_regular(folder.directory.number(), name, status);
    auto text = file ? read_some(*file, name, 0, import::kReasonTextMax)
                     : std::expected<std::string, std::string>(std::unexpected(file.error()));
    if (text) return *text;
    leave(folder.name, name, text.error());
    return {};
  };
  import::BadmailTriple triple;
  const std::string reason = text_of(bdr);
  const std::string properties = text_of(bdp);
  triple.name = base;
  triple.bdr = reason;
  triple.bdp = properties;
  triple.has_bdr = !bdr.empty();
  triple.has_bdp = !bdp.empty();
  return import::badmail_reason(triple);
}

// Triples of one base name, in any case: x.BAD, x.BDR, x.BDP.
std::expected<void, std::string> MailImport::take_badmail(const Folder& folder,
                                                          const std::vector<std::string>& names) {
  struct Triple {
    std::string bad, bdr, bdp;
  };
  std::map<std::string, Triple> triples;
  const auto lower = [](std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    return text;
  };
  for (const auto& name : names) {
    const size_t dot = std::min(name.rfind('.'), name.size());
    const std::string extension = lower(name.substr(dot));
    Triple& triple = triples[lower(name.substr(0, dot))];
    std::string* const part = extension == ".bad" || extension == ".eml" ? &triple.bad
                              : extension == ".bdr"                      ? &triple.bdr
                              : extension == ".bdp"                      ? &triple.bdp
                                                                         : nullptr;
    if (part == nullptr || !part->empty()) {
      leave(folder.name, name, part == nullptr ? "is no .BAD, .BDR or .BDP" : "is there twice");
      ++counts_[folder.name].failed;
    } else {
      *part = name;
    }
  }
  for (const auto& [base, triple] : triples) {
    if (triple.bad.empty()) {
      for (const auto& name : {triple.bdr, triple.bdp}) {
        if (!name.empty())
          leave(folder.name, name, "the .BAD file beside it, the message, is missing");
      }
      continue;
    }
    auto taken = take(folder, triple.bad, reason_of(folder, base, triple.bdr, triple.bdp));
    if (!taken) return taken;
  }
  return {};
}

std::expected<void, std::string> MailImport::take_folder(const Folder& folder) {
  counts_[folder.name];
  const auto names = list(folder.directory, folder.path);
  if (!names) return std::unexpected(names.error());
  if (folder.name == "Badmail") {
    if (auto taken = take_badmail(folder, *names); !taken) return taken;
  } else {
    for (const auto& name : *names) {
      if (auto taken = take(folder, name, std::nullopt); !taken) return taken;
    }
  }
  return batch_->flush();
}

void MailImport::summary() const {
  if (settings_.json) {
    nlohmann::json document = {{"home", where_.path}, {"source", source_}};
    for (const auto& [folder, count] : counts_) {
      document["folders"][folder] = {{"taken", count.taken},
                                     {"already", count.already},
                                     {"waiting", count.waiting},
                                     {"no_envelope", count.no_envelope},
                                     {"failed", count.failed}};
    }
    print(document);
    return;
  }
  fmt::print("\n{} -> {}\n", source_, where_.path);
  size_t waiting = 0;
  for (const auto& [folder, count] : counts_) {
    fmt::print("  {:<8} {} taken over, {} taken before, {} without an envelope, {} failed\n",
               folder, count.taken, count.already, count.no_envelope, count.failed);
    waiting += count.waiting;
  }
  if (waiting > 0) {
    fmt::print(
        "{} files wait in {}/Imported: nothing is sent from there. Move a file to {}/Pickup to "
        "send "
        "it; one without an envelope needs X-Sender and X-Receiver lines on top first.{}\n",
        waiting, where_.path, where_.path,
        arguments_.send ? "" : " --send does it for those that have theirs.");
  }
  fmt::print("The files in {} are as they were.\n", source_);
}

int MailImport::run() {
  auto where = find_home(settings_, arguments_);
  if (!where) return complain(where.error(), kRefused);
  where_ = std::move(*where);
  auto folders = find_folders();
  if (!folders) return complain(folders.error(), kRefused);
  std::error_code error;
  const std::string home_path = fs::canonical(where_.path, error).string();
  if (!error && (source_ + "/").starts_with(home_path + "/")) {
    return complain(source_ + " is in the home directory itself", kRefused);
  }
  auto home = MailHome::open(where_.path, where_.flat_drop);
  if (!home) return complain(home.error(), kRefused);
  home_ = std::move(*home);
  auto ledger = MailLedger::open(*home_);
  if (!ledger) return complain(ledger.error(), kRefused);
  ledger_ = std::move(*ledger);
  batch_.emplace(*home_, *ledger_, [this](const MailItem& item) {
    Count& count = counts_[item.folder];
    ++count.taken;
    if (item.to.name.starts_with("Imported")) ++count.waiting;
    if (item.note.contains("envelope")) ++count.no_envelope;
    tell(item, "taken");
  });
  std::string stopped;
  for (const Folder& folder : *folders) {
    auto taken = take_folder(folder);
    if (!taken) {
      stopped = taken.error();
      break;
    }
  }
  summary();
  if (!stopped.empty()) {
    return complain(stopped + "; when that is mended, the same command goes on", kRefused);
  }
  const bool failed =
      std::ranges::any_of(counts_, [](const auto& entry) { return entry.second.failed > 0; });
  return failed ? kRefused : 0;
}

}  // namespace

int import_mail(const Settings& settings, const MailArguments& arguments) {
  return MailImport(settings, arguments).run();
}

}  // namespace mailroot::ctl
