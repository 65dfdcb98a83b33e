#include "mailroot/control/protocol_logs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "limits.h"
#include "w3c_format.h"

namespace mailroot::control {

namespace {

WallTime wall_now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return WallTime(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

// Lines of one virtual server on their way to its file. write() is for every thread, drain() for
// the writing thread.
class LogFile final : public log::ProtocolLog {
 public:
  explicit LogFile(const config::VirtualServer& server) { use(server); }
  ~LogFile() override { close(); }

  void use(const config::VirtualServer& server) {
    const std::lock_guard guard(mutex_);
    settings_ = server.protocol_log;
    site_ = {server.id, server.fqdn.substr(0, server.fqdn.find('.'))};
  }

  // The mutex is held for a push or a swap.
  void write(log::ProtocolLine&& line) override {
    const std::lock_guard guard(mutex_);
    if (pending_.size() >= kProtocolLinesMax) {
      ++dropped_;
    } else {
      pending_.push_back(std::move(line));
    }
  }

  void drain(log::Sink& log);
  bool is_drained() {
    const std::lock_guard guard(mutex_);
    return pending_.empty() && dropped_ == 0;
  }

 private:
  bool open(const config::ProtocolLogSettings& settings, const std::string& name, WallTime time);
  void flush(std::string& text);
  void close();
  void remove_old(const config::ProtocolLogSettings& settings);
  uint32_t newest_number(const std::string& directory) const;
  std::string name_for(const config::ProtocolLogSettings& settings, WallTime time);
  void complain(log::Sink& log, const config::ProtocolLogSettings& settings);

  std::mutex mutex_;  // guards what stands here
  config::ProtocolLogSettings settings_;
  W3cSite site_;
  std::vector<log::ProtocolLine> pending_;
  uint64_t dropped_ = 0;

  // Of the writing thread.
  int file_ = -1;
  std::string path_;
  std::vector<std::string> fields_;
  uint64_t size_bytes_ = 0;
  uint32_t number_ = 0;
  int problem_ = 0;      // errno of the last failure, 0: none
  WallTime retry_at_{};  // after a failure
  uint64_t lost_ = 0;    // lines since then
};

void LogFile::close() {
  if (file_ >= 0) ::close(std::exchange(file_, -1));
  path_.clear();
}

uint32_t LogFile::newest_number(const std::string& directory) const {
  uint32_t newest = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    newest = std::max(newest, w3c_file_number(entry.path().filename().string()));
  }
  return newest;
}

std::string LogFile::name_for(const config::ProtocolLogSettings& settings, WallTime time) {
  if (settings.rotation == config::LogRotation::size) {
    if (number_ == 0) number_ = std::max(newest_number(settings.directory), 1U);
    if (file_ >= 0 && size_bytes_ >= settings.size_limit_bytes) ++number_;
  }
  return settings.directory + "/" + w3c_file_name(settings.rotation, time, number_);
}

// Files of ours that nobody has written to for `keep`.
void LogFile::remove_old(const config::ProtocolLogSettings& settings) {
  std::error_code ignored;
  const auto oldest = std::filesystem::file_time_type::clock::now() - settings.keep;
  for (const auto& entry : std::filesystem::directory_iterator(settings.directory, ignored)) {
    const std::string name = entry.path().filename().string();
    const bool is_ours = name.starts_with("ex") && name.ends_with(".log");
    if (!is_ours || !entry.is_regular_file(ignored) || entry.is_symlink(ignored)) continue;
    const auto written = entry.last_write_time(ignored);
    if (!ignored && written < oldest) std::filesystem::remove(entry.path(), ignored);
  }
}

bool LogFile::open(const config::ProtocolLogSettings& settings, const std::string& path,
                   WallTime time) {
  if (file_ >= 0 && path == path_ && fields_ == settings.fields) return true;
  close();
  std::error_code made;
  std::filesystem::create_directories(settings.directory, made);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
  file_ = ::open(path.c_str(), kFlags, 0640);
  if (file_ < 0) {
    problem_ = errno;
    return false;
  }
  struct stat status{};
  size_bytes_ = fstat(file_, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
  path_ = path;
  fields_ = settings.fields;
  std::string head = w3c_head(fields_, time);
  flush(head);
  remove_old(settings);
  return true;
}

void LogFile::flush(std::string& text) {
  for (size_t at = 0; at < text.size() && file_ >= 0;) {
    const ssize_t written = ::write(file_, text.data() + at, text.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      problem_ = written < 0 ? errno : EIO;
      close();
      break;
    }
    at += static_cast<size_t>(written);
    size_bytes_ += static_cast<uint64_t>(written);
  }
  text.clear();
}

void LogFile::complain(log::Sink& log, const config::ProtocolLogSettings& settings) {
  log.write(log::Event(log::Level::error, "protocol_log")
                .with("server", site_.site)
                .with("directory", settings.directory)
                .with("reason", std::strerror(problem_))
                .with("advice", "make it writable for the daemon; lines are lost until then"));
}

void LogFile::drain(log::Sink& log) {
  std::vector<log::ProtocolLine> lines;
  config::ProtocolLogSettings settings;
  uint64_t dropped = 0;
  {
    const std::lock_guard guard(mutex_);
    lines.swap(pending_);
    dropped = std::exchange(dropped_, 0);
    settings = settings_;
  }
  if (lines.empty() && dropped == 0) return;
  const WallTime now = wall_now();
  lost_ += dropped;
  if (problem_ != 0 && now < retry_at_) {
    lost_ += lines.size();
    return;
  }
  const bool had_problem = std::exchange(problem_, 0) != 0;
  std::string text;
  for (const log::ProtocolLine& line : lines) {
    const std::string path = name_for(settings, line.time);
    if (path != path_) flush(text);
    if (problem_ == 0 && open(settings, path, line.time)) {
      if (lost_ > 0)
        text += "#Remark: " + std::to_string(std::exchange(lost_, 0)) + " lines lost\n";
      append_w3c_line(text, line, site_, fields_);
      if (text.size() >= kProtocolWriteBytes) flush(text);
    } else {
      ++lost_;
    }
  }
  flush(text);
  if (problem_ == 0) return;
  retry_at_ = now + kProtocolRetry;
  if (!had_problem) complain(log, settings);
}

}  // namespace

struct ProtocolLogs::Impl {
  explicit Impl(log::Sink& sink) : log(sink) {}
  void run();
  void drain();

  log::Sink& log;
  std::mutex mutex;  // guards files and ending
  std::condition_variable ready;
  std::map<std::string, std::shared_ptr<LogFile>> files;
  bool ending = false;
  std::thread thread;
};

void ProtocolLogs::Impl::drain() {
  std::map<std::string, std::shared_ptr<LogFile>> known;
  {
    const std::lock_guard guard(mutex);
    known = files;
  }
  for (const auto& [id, file] : known) file->drain(log);
  // Of a server whose log was turned off, or that is gone: held here and in `files` alone.
  const std::lock_guard guard(mutex);
  for (const auto& [id, file] : known) {
    if (file.use_count() == 2 && file->is_drained()) files.erase(id);
  }
}

void ProtocolLogs::Impl::run() {
  std::unique_lock lock(mutex);
  while (!ending) {
    ready.wait_for(lock, kProtocolInterval);
    lock.unlock();
    drain();
    lock.lock();
  }
  lock.unlock();
  drain();
}

ProtocolLogs::ProtocolLogs(log::Sink& log) : impl_(std::make_unique<Impl>(log)) {
  impl_->thread = std::thread([this] { impl_->run(); });
}

ProtocolLogs::~ProtocolLogs() {
  {
    const std::lock_guard guard(impl_->mutex);
    impl_->ending = true;
  }
  impl_->ready.notify_one();
  impl_->thread.join();
}

std::shared_ptr<log::ProtocolLog> ProtocolLogs::of(const config::VirtualServer& server) {
  if (!server.protocol_log.enabled) return nullptr;
  const std::lock_guard guard(impl_->mutex);
  auto& file = impl_->files[server.id];
  if (file == nullptr) {
    file = std::make_shared<LogFile>(server);
  } else {
    file->use(server);
  }
  return file;
}

}  // namespace mailroot::control
