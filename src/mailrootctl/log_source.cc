#include "log_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "mailroot/message/trace.h"
#include "tool_limits.h"

extern char** environ;

namespace mailroot::ctl {

namespace {

namespace fs = std::filesystem;
using Take = std::function<bool(std::string_view)>;

// Every whole line; an overlong one is left out.
void take_lines(int descriptor, const Take& take) {
  std::string pending;
  bool is_skipping = false;
  char buffer[64 * 1024];
  while (true) {
    const ssize_t count = ::read(descriptor, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    pending.append(buffer, static_cast<size_t>(count));
    size_t begin = 0;
    size_t end = 0;
    while ((end = pending.find('\n', begin)) != std::string::npos) {
      const std::string_view line = std::string_view(pending).substr(begin, end - begin);
      if (!is_skipping && !take(line)) return;
      is_skipping = false;
      begin = end + 1;
    }
    pending.erase(0, begin);
    if (pending.size() > kLogLineBytesMax) {
      pending.clear();
      is_skipping = true;
    }
  }
}

// What a program prints, line by line.
std::expected<void, std::string> take_output(const std::vector<std::string>& command,
                                             const Take& take) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(std::string(std::strerror(errno)));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int failed =
      posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failed != 0) {
    ::close(ends[0]);
    return std::unexpected(fmt::format("{}: {}", command.front(), std::strerror(failed)));
  }
  bool all = true;
  take_lines(ends[0], [&](std::string_view line) { return all = take(line); });
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  // One that was not heard to its end was ended by our closing the pipe.
  if (all && status != 0) return std::unexpected(command.front() + " failed");
  return {};
}

std::expected<void, std::string> read_file(const std::string& file, const Take& take) {
  if (file.ends_with(".gz")) return take_output({"gzip", "-dc", "--", file}, take);
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (descriptor < 0) return std::unexpected(fmt::format("{}: {}", file, std::strerror(errno)));
  take_lines(descriptor, take);
  ::close(descriptor);
  return {};
}

// {"__REALTIME_TIMESTAMP":"1772703000123456","MESSAGE":"accepted ..."}
bool see_journal_entry(std::string_view line, const SeeLine& see) {
  const auto entry = nlohmann::json::parse(line, nullptr, false);
  if (!entry.is_object()) return true;
  const auto message = entry.find("MESSAGE");
  const auto stamp = entry.find("__REALTIME_TIMESTAMP");
  if (message == entry.end() || !message->is_string()) return true;
  if (stamp == entry.end() || !stamp->is_string()) return true;
  const auto micros = std::strtoll(stamp->get<std::string>().c_str(), nullptr, 10);
  const WallTime at{
      std::chrono::duration_cast<WallTime::duration>(std::chrono::microseconds(micros))};
  return see(message->get<std::string>(), message::iso_time(at));
}

}  // namespace

std::vector<std::string> log_files(const std::string& file) {
  const fs::path path(file);
  const std::string name = path.filename().string();
  std::vector<std::pair<fs::file_time_type, std::string>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path.parent_path(), error)) {
    const std::string other = entry.path().filename().string();
    const bool is_rotated = other.starts_with(name + ".") || other.starts_with(name + "-");
    std::error_code ignored;
    if ((other != name && !is_rotated) || !entry.is_regular_file(ignored)) continue;
    const auto changed = entry.last_write_time(ignored);
    found.emplace_back(changed, entry.path().string());
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> out;
  for (auto& [changed, one] : found) out.push_back(std::move(one));
  return out;
}

std::expected<void, std::string> read_log(const config::Service& service, const SeeLine& see) {
  if (service.log_target == config::LogTarget::standard_error) {
    return std::unexpected<std::string>(
        "the log goes to standard error (log.target), which "
        "nobody can read again");
  }
  if (service.log_target == config::LogTarget::journal) {
    return take_output({"journalctl", "-q", "-u", "mailroot", "-o", "json",
                        "--output-fields=MESSAGE", "--no-pager"},
                       [&see](std::string_view line) { return see_journal_entry(line, see); });
  }
  const auto files = log_files(service.log_file);
  if (files.empty()) return std::unexpected("there is no log file " + service.log_file);
  std::string trouble;
  bool more = true;
  for (const std::string& file : files) {
    const auto done = read_file(file, [&](std::string_view line) { return more = see(line, ""); });
    if (!done) trouble += (trouble.empty() ? "" : "; ") + done.error();
    if (!more) break;
  }
  if (!trouble.empty()) return std::unexpected(trouble);
  return {};
}

}  // namespace mailroot::ctl
