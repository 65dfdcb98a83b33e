// backup: homes and configuration into a directory that is whole or is not there.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "copy_progress.h"
#include "counted.h"
#include "file_tools.h"
#include "manifest.h"
#include "site.h"
#include "tree_copy.h"

namespace mailroot::ctl {

using nlohmann::ordered_json;

namespace {

namespace fs = std::filesystem;
constexpr const char* kManifest = "MANIFEST";

struct BackupArguments {
  std::string directory, server;
  bool configuration = false, secrets = false, verify = false;
};

struct Backup {
  std::vector<CopiedFile> files;  // below the top of the backup
  uint64_t bytes = 0, unchanged = 0;
  std::vector<std::string> left_out;
};

void add(Backup& backup, TreeCopy copied, const std::string& below) {
  for (CopiedFile& file : copied.files) {
    file.path = below + "/" + file.path;
    backup.files.push_back(std::move(file));
  }
  for (const std::string& path : copied.left_out) backup.left_out.push_back(below + "/" + path);
  backup.bytes += copied.bytes;
  backup.unchanged += copied.unchanged;
}

bool is_inside(const fs::path& path, const fs::path& directory) {
  const std::string below = path.lexically_relative(directory).string();
  return !below.empty() && !below.starts_with("..");
}

// "" or why this cannot be the place of a backup.
std::string why_no_place(const Site& site, const fs::path& directory) {
  std::error_code error;
  if (fs::exists(directory, error)) return directory.string() + " is there already";
  if (!fs::is_directory(directory.parent_path(), error)) {
    return "there is no directory " + directory.parent_path().string();
  }
  for (const auto& server : site.snapshot.servers) {
    if (is_inside(directory, fs::weakly_canonical(server->home_directory, error)) ||
        is_inside(directory, server->home_directory)) {
      return fmt::format("{} is in the home directory of {}", directory.string(), server->id);
    }
  }
  return "";
}

// Files of the configuration: those that the service reads as such, and with `secrets` whatever
// else lies beside them (users, passwords, keys); homes and backups may lie there too.
std::expected<void, std::string> copy_configuration(const Site& site, const std::string& top,
                                                    bool secrets, Backup& backup) {
  const fs::path from = fs::path(site.config).parent_path();
  std::vector<fs::path> read = {site.config};
  std::vector<fs::path> others = {top};
  for (const auto& server : site.snapshot.servers) {
    read.emplace_back(server->place.file);
    others.emplace_back(server->home_directory);
  }
  TreeCopyOptions options;
  CopyProgress progress("configuration");
  options.progress = [&progress](const std::string& path) { return progress.step(path); };
  options.wanted = [&](const std::string& below) {
    const fs::path path = from / below;
    if (std::ranges::find(others, path) != others.end()) return false;
    const auto leads_to = [&path](const fs::path& file) {
      return file == path || is_inside(file, path);
    };
    return secrets || std::ranges::any_of(read, leads_to);
  };
  auto copied = copy_tree(from.string(), top + "/configuration", options);
  if (!copied) return std::unexpected(copied.error());
  add(backup, std::move(*copied), "configuration");
  return {};
}

std::expected<Backup, std::string> copy_all(const Site& site, const BackupArguments& arguments,
                                            const std::string& to) {
  Backup backup;
  for (const auto& server : site.snapshot.servers) {
    if (!arguments.server.empty() && server->id != arguments.server) continue;
    std::error_code error;
    if (!fs::is_directory(server->home_directory, error)) {
      backup.left_out.push_back(server->id + ": it has no home directory yet");
      continue;
    }
    TreeCopyOptions options;
    CopyProgress progress(server->id);
    options.first = first_of_home;
    // Segments are written in place, and their names come again.
    options.always = {"Journal"};
    options.progress = [&progress](const std::string& path) { return progress.step(path); };
    auto copied = copy_tree(server->home_directory, to + "/" + server->id, options);
    if (!copied) return std::unexpected(copied.error());
    add(backup, std::move(*copied), server->id);
  }
  if (arguments.configuration || arguments.secrets) {
    auto done = copy_configuration(site, to, arguments.secrets, backup);
    if (!done) return std::unexpected(done.error());
  }
  return backup;
}

std::expected<void, std::string> write_manifest(const std::string& directory,
                                                const Backup& backup) {
  const std::string path = directory + "/" + kManifest;
  const Descriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.is_open()) return std::unexpected(system_trouble(path));
  if (auto done = write_all(file, path, manifest_text(backup.files)); !done) return done;
  return sync(file, path);
}

int report(const Settings& settings, const BackupArguments& arguments, const Backup& backup) {
  if (settings.json) {
    const ordered_json out = {{"directory", arguments.directory},
                              {"files", backup.files.size()},
                              {"bytes_copied", backup.bytes},
                              {"unchanged", backup.unchanged},
                              {"left_out", backup.left_out}};
    fmt::print("{}\n", out.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
    return 0;
  }
  for (const std::string& path : backup.left_out) fmt::print("left out: {}\n", path);
  fmt::print("{} in {}, {} bytes copied, all read back and compared\n",
             counted(backup.files.size(), "file"), arguments.directory, backup.bytes);
  return 0;
}

int verify(const Settings& settings, const std::string& directory) {
  std::ifstream in(directory + "/" + kManifest);
  if (!in) return complain(directory + " holds no finished backup (no MANIFEST)", kRefused);
  uint64_t good = 0;
  std::vector<std::string> bad;
  for (std::string line; std::getline(in, line);) {
    const auto wanted = parse_manifest_line(line);
    if (!wanted) return complain("MANIFEST cannot be read: " + line, kRefused);
    const std::string path = directory + "/" + wanted->path;
    std::error_code error;
    const auto sum = checksum_of_file(path);
    const bool is_good =
        sum && *sum == wanted->crc32c && fs::file_size(path, error) == wanted->size_bytes;
    if (is_good) {
      ++good;
    } else {
      bad.push_back(wanted->path);
    }
  }
  if (settings.json) {
    const ordered_json out = {{"good", good}, {"bad", bad}};
    fmt::print("{}\n", out.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
  } else {
    for (const std::string& path : bad) fmt::print("damaged or missing: {}\n", path);
    fmt::print("{} as they were written\n", counted(good, "file"));
  }
  return bad.empty() ? 0 : kRefused;
}

int backup(const Settings& settings, BackupArguments arguments) {
  std::error_code error;
  const fs::path directory = fs::absolute(arguments.directory, error).lexically_normal();
  arguments.directory = directory.string();
  while (arguments.directory.size() > 1 && arguments.directory.ends_with('/')) {
    arguments.directory.pop_back();
  }
  if (arguments.verify) return verify(settings, arguments.directory);
  const auto site = open_site(settings);
  if (!site) return site.error();
  if (!arguments.server.empty() && find_or_complain(*site, arguments.server) == nullptr) {
    return kRefused;
  }
  const std::string why = why_no_place(*site, arguments.directory);
  if (!why.empty()) return complain(why, kRefused);
  const std::string partial = arguments.directory + ".partial";
  if (::mkdir(partial.c_str(), 0700) != 0 && errno != EEXIST) {
    return complain(system_trouble(partial), kRefused);
  }
  CopyProgress::catch_interrupt();
  auto done = copy_all(*site, arguments, partial);
  std::expected<void, std::string> finished;
  if (done) finished = write_manifest(partial, *done);
  if (!done || !finished) {
    return complain(fmt::format("{}; what was copied stays in {}, and the same command goes on "
                                "from there",
                                done ? finished.error() : done.error(), partial),
                    kRefused);
  }
  const Descriptor top(::open(partial.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const bool is_synced = top.is_open() && ::fsync(top.number()) == 0;
  if (!is_synced || ::rename(partial.c_str(), arguments.directory.c_str()) != 0) {
    return complain(system_trouble(partial), kRefused);
  }
  if (auto synced = sync_parent(arguments.directory); !synced) {
    return complain(synced.error(), kRefused);
  }
  return report(settings, arguments, *done);
}

}  // namespace

void add_backup(CLI::App& app, const Settings& settings, int& code) {
  const auto arguments = std::make_shared<BackupArguments>();
  auto* command = app.add_subcommand(
      "backup",
      "copy home directories into DIR, which is whole or is not there; goes on where it "
      "was interrupted");
  command->add_option("DIR", arguments->directory, "a new directory")->required();
  command->add_option("--server", arguments->server, "only this virtual server");
  command->add_flag("--configuration", arguments->configuration, "also the YAML files");
  command->add_flag("--secrets", arguments->secrets,
                    "also everything else beside them: users, passwords, keys");
  command->add_flag("--verify", arguments->verify, "read a backup that is there, and compare it");
  command->callback([&settings, &code, arguments] { code = backup(settings, *arguments); });
  add_move_home(app, settings, code);
}

}  // namespace mailroot::ctl
