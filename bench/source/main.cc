#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "text.h"
#include "worker.h"

namespace mailroot::bench {
namespace {

double seconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

struct Result {
  Statistics total;
  double wall_s = 0;  // first connect to last answer
  double per_second = 0;
  double cpu_us = 0;     // per message accepted
  double cpu_share = 0;  // of one core, of the busiest possible: CPU / (wall * threads)
};

Result summarize(const Options& options, const Statistics& total) {
  Result result{.total = total};
  uint64_t end_ns = total.last_ns > total.first_ns ? total.last_ns : total.first_ns + total.wall_ns;
  result.wall_s = seconds(end_ns - total.first_ns);
  auto accepted = static_cast<double>(total.accepted);
  result.per_second = result.wall_s > 0 ? accepted / result.wall_s : 0;
  result.cpu_us = total.accepted > 0 ? static_cast<double>(total.cpu_ns) / 1000.0 / accepted : 0;
  double wall_ns = static_cast<double>(total.wall_ns) * options.threads;
  result.cpu_share = wall_ns > 0 ? static_cast<double>(total.cpu_ns) / wall_ns : 0;
  return result;
}

void print_json(const Options& options, const Result& result) {
  const Statistics& total = result.total;
  std::string samples;
  for (const std::string& sample : total.samples) {
    samples += (samples.empty() ? "" : ",") + json_string(sample);
  }
  fmt::print(R"({{"tool":"mailroot-source","run":{},"connections":{},"threads":{},"size_bytes":{},)"
             R"("accepted":{},"refused":{},"recipients_refused":{},"unanswered":{},"errors":{},)"
             R"("connects":{},"opened":{},"closed_early":{},"started_s":{:.6f},"seconds":{:.6f},)"
             R"("messages_per_s":{:.1f},)"
             R"("bytes_per_s":{:.0f},"accept_us":{},"transaction_us":{},"opening_us":{},)"
             R"("cpu_s":{:.6f},"cpu_us_per_message":{:.2f},"cpu_share":{:.3f},"samples":[{}]}})"
             "\n",
             json_string(options.run), options.connections, options.threads, options.size_bytes,
             total.accepted, total.refused, total.recipients_refused, total.unanswered,
             total.errors, total.connects, total.opened, total.closed_early,
             seconds(total.first_ns), result.wall_s, result.per_second,
             result.wall_s > 0 ? static_cast<double>(total.bytes) / result.wall_s : 0,
             total.accept.to_json_us(), total.transaction.to_json_us(), total.opening.to_json_us(),
             seconds(total.cpu_ns), result.cpu_us, result.cpu_share, samples);
}

void print_line(std::string_view name, const Histogram& histogram) {
  auto us = [&](double fraction) {
    return static_cast<double>(histogram.quantile(fraction)) / 1000.0;
  };
  fmt::print("  {:<22} p50 {:>9.0f}  p90 {:>9.0f}  p99 {:>9.0f}  max {:>9.0f} us\n", name, us(0.5),
             us(0.9), us(0.99), us(1.0));
}

void print_text(const Options& options, const Result& result) {
  const Statistics& total = result.total;
  if (options.idle) {
    fmt::print("{} of {} connections opened, {} closed early, {} errors\n", total.opened,
               options.connections, total.closed_early, total.errors);
    print_line("connect -> EHLO reply", total.opening);
  } else {
    fmt::print(
        "{} accepted in {:.3f} s: {:.0f} messages/s ({} refused, {} unanswered, {} errors)\n",
        total.accepted, result.wall_s, result.per_second, total.refused, total.unanswered,
        total.errors);
    print_line("end of data -> 250", total.accept);
    print_line("whole transaction", total.transaction);
    fmt::print("  own CPU                {:.1f} us/message, {:.0f} % of a core per thread\n",
               result.cpu_us, result.cpu_share * 100);
  }
  for (const std::string& sample : total.samples) {
    fmt::print("  ! {}\n", sample);
  }
}

/// Says on stderr when all idle connections are open, then lets them be for --hold seconds.
void hold_idle(Run& run, const std::atomic<uint32_t>& working) {
  const Options& options = run.options;
  uint64_t until_ns = 0;
  uint64_t seen = 0;
  uint64_t seen_ns = now_ns();
  while (!run.stop.load() && working.load() > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    uint64_t open = run.idle_open.load();
    uint64_t now = now_ns();
    if (open != seen) {
      seen = open;
      seen_ns = now;
    }
    // A server that takes no more connections never lets the count become full.
    bool stuck = run.still_opening.load() == 0 && now - seen_ns > 5'000'000'000U;
    if (until_ns == 0 && (open >= options.connections || stuck)) {
      fmt::print(stderr, "holding {}\n", open);
      until_ns = now + options.hold_s * 1'000'000'000ULL;
    }
    if (until_ns != 0 && now >= until_ns) {
      run.stop.store(true);
    }
  }
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

/// SIGINT and SIGTERM end the run early and still print it.
void watch_signals(Run& run) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::thread([&run, set] {
    int signal = 0;
    sigwait(&set, &signal);
    run.stop.store(true);
  }).detach();
}

int run_load(const Options& options) {
  static Run run{.options = options};  // static: the signal thread may outlive this function
  if (!options.accept_log.empty()) {
    run.accept_log =
        open(options.accept_log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (run.accept_log < 0) {
      fmt::print(stderr, "mailroot-source: --accept-log {}: {}\n", options.accept_log,
                 std::strerror(errno));
      return 2;
    }
  }
  watch_signals(run);
  std::vector<std::unique_ptr<Worker>> workers;
  uint32_t count = std::min(options.threads, options.connections);
  for (uint32_t i = 0, first = 0; i < count; ++i) {
    uint32_t share = options.connections / count + (i < options.connections % count ? 1 : 0);
    workers.push_back(std::make_unique<Worker>(run, first, share));
    first += share;
  }
  run.still_opening.store(count);
  std::atomic<uint32_t> working{count};
  std::vector<std::jthread> threads;
  for (auto& worker : workers) {
    threads.emplace_back([&worker, &working] {
      worker->work();
      working.fetch_sub(1);
    });
  }
  if (options.idle) {
    hold_idle(run, working);
  }
  threads.clear();
  Statistics total;
  for (auto& worker : workers) {
    total.merge(worker->statistics());
  }
  Result result = summarize(options, total);
  options.json ? print_json(options, result) : print_text(options, result);
  bool clean = total.errors == 0 && total.refused == 0 && total.unanswered == 0;
  return clean || options.tolerate ? 0 : 1;
}

}  // namespace
}  // namespace mailroot::bench

int main(int argc, char** argv) {
  int exit_code = 0;
  auto options = mailroot::bench::read_options(argc, argv, exit_code);
  if (!options) {
    return exit_code;
  }
  mailroot::bench::raise_descriptor_limit();
  return mailroot::bench::run_load(*options);
}
