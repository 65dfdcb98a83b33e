#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <thread>
#include <vector>

#include "worker.h"

namespace mailroot::bench {
namespace {

constexpr int kBacklog = 4096;

double seconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

void print_totals(const Options& options, const Statistics& total) {
  double span_s = seconds(total.last_ns - total.first_ns);
  double rate = span_s > 0 ? static_cast<double>(total.messages) / span_s : 0;
  double cpu_us = total.messages > 0 ? static_cast<double>(total.cpu_ns) / 1000.0 /
                                           static_cast<double>(total.messages)
                                     : 0;
  double busy_s = span_s > 0 ? span_s : seconds(total.wall_ns);
  double share = busy_s > 0 ? seconds(total.cpu_ns) / (busy_s * options.threads) : 0;
  if (options.json) {
    fmt::print(
        R"({{"tool":"mailroot-sink","threads":{},"connections":{},"open_most":{},"messages":{},)"
        R"("recipients":{},"bytes":{},"refused":{},"faults":{},"violations":{},"damaged":{},)"
        R"("lost":{},"first_s":{:.6f},"last_s":{:.6f},"seconds":{:.6f},"messages_per_s":{:.1f},)"
        R"("latency_us":{},"cpu_s":{:.6f},"cpu_us_per_message":{:.2f},"cpu_share":{:.3f}}})"
        "\n",
        options.threads, total.connections, total.open_most, total.messages, total.recipients,
        total.bytes, total.refused, total.faults, total.violations, total.damaged, total.lost,
        seconds(total.first_ns), seconds(total.last_ns), span_s, rate, total.latency.to_json_us(),
        seconds(total.cpu_ns), cpu_us, share);
    return;
  }
  fmt::print("{} messages, {} recipients in {} connections; {:.3f} s: {:.0f} messages/s\n",
             total.messages, total.recipients, total.connections, span_s, rate);
  fmt::print(
      "{} refused, {} faults applied, {} violations, {} damaged, {} lost inside a "
      "transaction\n",
      total.refused, total.faults, total.violations, total.damaged, total.lost);
  fmt::print("own CPU {:.1f} us/message, {:.0f} % of a core per thread\n", cpu_us, share * 100);
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

/// SIGINT and SIGTERM end the service and print the totals; SIGUSR1 prints the count so far.
void watch_signals(Service& service) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGUSR1}) {
    sigaddset(&set, signal);
  }
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::thread([&service, set] {
    int signal = 0;
    while (sigwait(&set, &signal) == 0 && signal == SIGUSR1) {
      fmt::print("{{\"messages\":{}}}\n", service.messages.load());
      std::fflush(stdout);
    }
    service.stop.store(true);
  }).detach();
}

bool open_files(const Options& options, Service& service) {
  if (!options.capture.empty() && mkdir(options.capture.c_str(), 0755) < 0 && errno != EEXIST) {
    fmt::print(stderr, "mailroot-sink: --capture {}: {}\n", options.capture, std::strerror(errno));
    return false;
  }
  if (!options.log.empty()) {
    service.log = open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (service.log < 0) {
      fmt::print(stderr, "mailroot-sink: --log {}: {}\n", options.log, std::strerror(errno));
      return false;
    }
  }
  return true;
}

/// One listener per thread, all on the port the first one got.
bool make_workers(const Options& options, Service& service,
                  std::vector<std::unique_ptr<Worker>>& workers, Address& bound) {
  Address at = options.listen;
  for (uint32_t i = 0; i < options.threads; ++i) {
    int listener = start_listen(at, kBacklog);
    if (listener < 0) {
      fmt::print(stderr, "mailroot-sink: {}: {}\n", to_text(at), std::strerror(errno));
      return false;
    }
    at = local_address(listener);
    workers.push_back(std::make_unique<Worker>(service, listener, i));
  }
  bound = at;
  return true;
}

int serve(const Options& options) {
  static Service service{.options = options, .names = {}};  // outlives the signal thread's use
  service.names.start = static_cast<uint64_t>(std::time(nullptr));
  std::vector<std::unique_ptr<Worker>> workers;
  Address bound;
  if (!open_files(options, service) || !make_workers(options, service, workers, bound)) {
    return 2;
  }
  watch_signals(service);
  fmt::print("listening on {}\n", to_text(bound));
  std::fflush(stdout);
  std::vector<std::jthread> threads;
  for (auto& worker : workers) {
    threads.emplace_back([&worker] { worker->work(); });
  }
  threads.clear();
  Statistics total;
  for (auto& worker : workers) {
    total.merge(worker->statistics());
  }
  print_totals(options, total);
  return 0;
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
  return mailroot::bench::serve(*options);
}
