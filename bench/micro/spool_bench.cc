// What a durable message costs the spool alone: messages a second and CPU a message for several
// numbers of sessions that commit at once, on each backend. The whole process is counted: the
// shard's thread, its file helpers, the kernel's workers for the ring.
//
//   spool_bench [directory] [messages] [body bytes] [materialise ms] [backends] [sessions...]
#include <fmt/format.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "mailroot/reactor/reactor.h"
#include "mailroot/spool/spool.h"

namespace {

using namespace mailroot;
using reactor::Reactor;
using reactor::task;
using spool::CommitResult;

struct NoLog final : log::Sink {
  void write(log::Event&& event) override { fmt::print(stderr, "{}\n", event.name()); }
  bool enabled(log::Level) const override { return false; }
};

// accept: commit only. relay: commit, then settle at once. place: from memory into Queue, synced,
// as at an orderly end.
enum class Mode { accept, relay, place };

struct Setting {
  std::string directory = "/tmp";
  uint64_t messages = 20'000;
  size_t body_bytes = 4096;
  int materialise_ms = 2000;
};

struct Measure {
  double wall_s = 0;
  double cpu_us = 0;
  uint64_t groups = 0;
  std::vector<double> latency_us;
  bool failed = false;
};

double seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto one = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return one(usage.ru_utime) + one(usage.ru_stime);
}

struct Run {
  spool::Spool& spool;
  const Setting& setting;
  std::string body;
  smtp::Envelope envelope;
  uint64_t left = 0;
  Mode mode = Mode::accept;
  std::vector<QueueId> waiting;
  Measure measure;
};

task<void> settle(Run& run, QueueId id) {
  spool::Settlement settlement;
  settlement.id = id;
  settlement.status = "D";
  settlement.done = true;
  const CommitResult settled = co_await run.spool.settle(std::move(settlement), {});
  if (settled != CommitResult::durable) run.measure.failed = true;
}

// One session: receive, commit, and when asked deliver at once.
task<void> session(Run& run) {
  while (run.left > 0) {
    --run.left;
    auto draft = run.spool.begin_draft();
    const QueueId id = draft->id();
    std::string_view left = run.body;
    while (!left.empty()) {
      const std::string_view piece = left.substr(0, 4096);
      if (!draft->append(as_bytes(piece))) run.measure.failed = true;
      left.remove_prefix(piece.size());
      if (draft->wants_flush()) {
        const auto flushed = co_await draft->flush();
        if (!flushed) run.measure.failed = true;
      }
    }
    const double begun = seconds();
    const CommitResult outcome = co_await run.spool.commit(std::move(draft), run.envelope, {});
    run.measure.latency_us.push_back((seconds() - begun) * 1e6);
    if (outcome != CommitResult::durable) run.measure.failed = true;
    if (run.mode == Mode::relay) {
      co_await settle(run, id);
    } else {
      run.waiting.push_back(id);
    }
  }
}

// Empties the spool, so that closing it is not part of the time.
task<void> drain(Run& run) {
  while (!run.waiting.empty()) {
    const QueueId id = run.waiting.back();
    run.waiting.pop_back();
    co_await settle(run, id);
  }
}

task<void> measure(Reactor& reactor, const Setting& setting, std::string home_path, size_t sessions,
                   Mode mode, Measure& out) {
  NoLog log;
  SlabPool slabs(SlabPoolLimits{kGiB, kGiB});
  auto home = co_await spool::open_home(reactor, home_path, {});
  if (!home) {
    fmt::print(stderr, "{}\n", home.error().sentence);
    out.failed = true;
    reactor.stop();
    co_return;
  }
  spool::SpoolOptions options;
  options.materialise_after = std::chrono::milliseconds(setting.materialise_ms);
  auto spool = spool::make_spool(reactor, slabs, **home, 0, 1, options, log);
  Run run{*spool, setting, std::string(setting.body_bytes, 'x'), {}, 0, mode, {}, {}};
  run.envelope.reverse_path = {"ann", "example.com"};
  run.envelope.recipients.push_back({{"bob", "example.org"}, {}, ""});
  // The first tenth warms up: segments grow, memory is taken.
  for (const uint64_t messages : {setting.messages / 10, setting.messages}) {
    run.left = messages;
    run.measure = {};
    const uint64_t groups = spool->counters().groups;
    const double begun = seconds();
    const double cpu = cpu_seconds();
    reactor::TaskGroup group;
    for (size_t i = 0; i < sessions; ++i) group.spawn(session(run));
    co_await group.join();
    run.measure.wall_s = seconds() - begun;
    run.measure.cpu_us = (cpu_seconds() - cpu) * 1e6;
    run.measure.groups = spool->counters().groups - groups;
    if (mode == Mode::place) continue;
    for (int i = 0; i < 256; ++i) group.spawn(drain(run));
    co_await group.join();
  }
  const double closing = seconds();
  const double cpu = cpu_seconds();
  co_await spool->close();
  if (mode == Mode::place) {
    run.measure.wall_s = seconds() - closing;
    run.measure.cpu_us = (cpu_seconds() - cpu) * 1e6;
  }
  spool.reset();
  co_await spool::close_home(reactor, **home);
  out = std::move(run.measure);
  reactor.stop();
}

void report(std::string_view backend, const Setting& setting, size_t sessions, Mode mode) {
  std::string why;
  const auto choice =
      backend == "epoll" ? reactor::BackendChoice::epoll : reactor::BackendChoice::io_uring;
  auto made = reactor::make_backend(choice, reactor::BackendOptions{}, why);
  if (!made) {
    fmt::print("{:8} {}\n", backend, why);
    return;
  }
  std::string home = setting.directory + "/spool-bench-XXXXXX";
  if (mkdtemp(home.data()) == nullptr) std::abort();
  Measure result;
  {
    Reactor reactor(std::move(*made), reactor::ReactorLimits{});
    reactor::TaskGroup group;
    reactor.post(
        [&] { group.spawn(measure(reactor, setting, home + "/home", sessions, mode, result)); });
    reactor.run();
  }
  std::filesystem::remove_all(home);
  if (result.failed || result.latency_us.empty()) {
    fmt::print("{:8} {:4} FAILED\n", backend, sessions);
    return;
  }
  constexpr const char* kNames[] = {"accept", "relay", "place"};
  std::sort(result.latency_us.begin(), result.latency_us.end());
  const auto count = static_cast<double>(result.latency_us.size());
  fmt::print("{:8} {:7} {:8} {:>9.0f} {:>9.1f} {:>9.1f} {:>9.0f} {:>9.0f} {:>9.1f}\n", backend,
             kNames[static_cast<size_t>(mode)], sessions, count / result.wall_s,
             result.cpu_us / count,
             count * static_cast<double>(setting.body_bytes) / result.wall_s / 1e6,
             result.latency_us[result.latency_us.size() / 2],
             result.latency_us[result.latency_us.size() * 99 / 100],
             count / static_cast<double>(std::max<uint64_t>(result.groups, 1)));
}

}  // namespace

int main(int count, char** arguments) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  Setting setting;
  if (count > 1) setting.directory = arguments[1];
  if (count > 2) setting.messages = std::strtoull(arguments[2], nullptr, 10);
  if (count > 3) setting.body_bytes = std::strtoull(arguments[3], nullptr, 10);
  if (count > 4) setting.materialise_ms = static_cast<int>(std::strtol(arguments[4], nullptr, 10));
  const std::string backends = count > 5 ? arguments[5] : "io_uring,epoll";
  std::vector<size_t> sessions;
  for (int i = 6; i < count; ++i) sessions.push_back(std::strtoull(arguments[i], nullptr, 10));
  if (sessions.empty()) sessions = {1, 16, 64, 256};
  fmt::print("{} messages of {} bytes in {}, placed after {} ms\n", setting.messages,
             setting.body_bytes, setting.directory, setting.materialise_ms);
  fmt::print("{:8} {:7} {:8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "backend", "what", "sessions",
             "msg/s", "CPU us", "MB/s", "p50 us", "p99 us", "per group");
  for (const std::string_view backend : {"io_uring", "epoll"}) {
    if (backends.find(backend) == std::string::npos) continue;
    for (const Mode mode : {Mode::accept, Mode::relay}) {
      for (const size_t number : sessions) report(backend, setting, number, mode);
    }
    report(backend, setting, sessions.back(), Mode::place);
  }
  return 0;
}
