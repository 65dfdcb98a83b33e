#include "mailroot/control/log_hub.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "limits.h"
#include "log_format.h"

namespace mailroot::control {

namespace {

WallTime wall_now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return WallTime(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

struct Entry {
  log::Event event;
  WallTime time;
};

// The mutex is held for a push or a swap, a few dozen nanoseconds, and contended once in
// kLogInterval: nothing that could stall a shard.
class Ring final : public log::Sink {
 public:
  Ring(log::Level level, std::condition_variable& ready) : level_(level), ready_(ready) {}

  void write(log::Event&& event) override {
    if (!enabled(event.level())) return;
    const bool urgent = event.level() >= log::Level::warning;
    {
      const std::lock_guard guard(mutex_);
      if (entries_.size() >= kLogRingMax) {
        ++dropped_;
        return;
      }
      entries_.push_back({std::move(event), wall_now()});
    }
    if (urgent) ready_.notify_one();
  }

  bool enabled(log::Level level) const override {
    return level >= level_.load(std::memory_order_relaxed);
  }

  void set_level(log::Level level) { level_.store(level, std::memory_order_relaxed); }

  std::vector<Entry> take(uint64_t& dropped) {
    std::vector<Entry> out;
    const std::lock_guard guard(mutex_);
    out.swap(entries_);
    dropped = std::exchange(dropped_, 0);
    return out;
  }

 private:
  std::atomic<log::Level> level_;
  std::condition_variable& ready_;
  std::mutex mutex_;
  std::vector<Entry> entries_;
  uint64_t dropped_ = 0;
};

}  // namespace

struct LogHub::Impl {
  LogOptions options;
  std::shared_ptr<spdlog::logger> logger;
  std::condition_variable ready;
  std::mutex mutex;  // guards rings and ending
  std::deque<Ring> rings;
  bool ending = false;
  std::thread thread;

  void run();
  void drain();
  void write(const Entry& entry);
};

void LogHub::Impl::write(const Entry& entry) {
  const bool for_journal = options.target == config::LogTarget::journal;
  logger->info(options.format == config::LogFormat::json
                   ? format_json(entry.event, entry.time)
                   : format_text(entry.event, entry.time, for_journal));
}

void LogHub::Impl::drain() {
  std::vector<Ring*> known;
  {
    const std::lock_guard guard(mutex);
    for (Ring& ring : rings) known.push_back(&ring);
  }
  for (Ring* ring : known) {
    uint64_t dropped = 0;
    for (const Entry& entry : ring->take(dropped)) write(entry);
    if (dropped == 0) continue;
    log::Event event(log::Level::warning, "log-overflow");
    event.with("dropped", static_cast<int64_t>(dropped));
    write({std::move(event), wall_now()});
  }
  logger->flush();
}

void LogHub::Impl::run() {
  std::unique_lock lock(mutex);
  while (!ending) {
    ready.wait_for(lock, kLogInterval);
    lock.unlock();
    drain();
    lock.lock();
  }
  lock.unlock();
  drain();
}

LogHub::LogHub(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

std::expected<std::unique_ptr<LogHub>, std::string> LogHub::open(const LogOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  try {
    std::shared_ptr<spdlog::sinks::sink> sink;
    if (options.target == config::LogTarget::file) {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
    } else {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    }
    sink->set_pattern("%v");
    impl->logger = std::make_shared<spdlog::logger>("mailroot", std::move(sink));
  } catch (const spdlog::spdlog_ex& problem) {
    return std::unexpected(std::string(problem.what()));
  }
  Impl* running = impl.get();
  impl->thread = std::thread([running] { running->run(); });
  return std::unique_ptr<LogHub>(new LogHub(std::move(impl)));
}

LogHub::~LogHub() {
  {
    const std::lock_guard guard(impl_->mutex);
    impl_->ending = true;
  }
  impl_->ready.notify_one();
  impl_->thread.join();
}

log::Sink& LogHub::make_sink() {
  const std::lock_guard guard(impl_->mutex);
  return impl_->rings.emplace_back(impl_->options.level, impl_->ready);
}

void LogHub::set_level(log::Level level) {
  const std::lock_guard guard(impl_->mutex);
  impl_->options.level = level;
  for (Ring& ring : impl_->rings) ring.set_level(level);
}

}  // namespace mailroot::control
