#include "daemon.h"

#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "mailroot/config/load.h"
#include "mailroot/control/control_server.h"
#include "mailroot/control/log_hub.h"
#include "mailroot/control/metrics_server.h"
#include "mailroot/control/protocol_logs.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/server/supervisor.h"
#include "service_manager.h"

namespace mailroot {

namespace {

using reactor::task;
using Snapshot = std::shared_ptr<const config::ConfigSnapshot>;

void complain(const std::string& text) { std::fprintf(stderr, "mailrootd: %s\n", text.c_str()); }

Snapshot load_or_complain(const std::string& file) {
  auto loaded = config::load(file, {});
  if (loaded) return std::make_shared<const config::ConfigSnapshot>(std::move(*loaded));
  for (const config::Problem& problem : loaded.error()) complain(problem.to_string());
  complain("not started: the configuration has " + std::to_string(loaded.error().size()) +
           " error(s); mend them, then check with mailrootd --config " + file + " --check");
  return nullptr;
}

// Signals come as bytes to the control thread; every other thread blocks them.
int take_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

// Every connection is a descriptor: take what the system allows.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

uint32_t shard_count(const config::Service& service) {
  if (service.shards != 0) return service.shards;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<uint32_t>(CPU_COUNT(&set));
}

struct Daemon {
  reactor::Reactor& control;
  server::Supervisor& supervisor;
  control::ControlServer& socket;
  control::MetricsServer& metrics;
  log::Sink& log;
  ServiceManager& manager;
  int signals;
  int exit_code = 0;
  uint32_t reloads_waiting = 0;
  bool complained = false;  // that the manager could not be told: once is enough
  std::string refused_reload = {};
  reactor::CancelScope reporting{nullptr};

  task<void> live(std::vector<log::Sink*> shard_logs, Snapshot snapshot);
  task<void> obey_signals();
  task<void> reload();
  task<void> report();
  void note(bool told);
};

// systemd waits for the READY after a RELOADING: it comes with the end of the last reload in line.
task<void> Daemon::reload() {
  ++reloads_waiting;
  note(manager.reloading());
  const auto outcome = co_await supervisor.reload();
  refused_reload = outcome.applied ? "" : outcome.problems.front();
  const auto servers = co_await supervisor.servers();
  if (--reloads_waiting == 0) note(manager.ready(status_line(servers, refused_reload)));
}

// Tells the service manager that we live, when every shard has answered: with one that is stuck
// this waits for it, says nothing, and the watchdog's time runs out.
task<void> Daemon::report() {
  if (!manager.is_there()) co_return;
  while (true) {
    auto slept =
        co_await control.sleep_until(control.now() + manager.interval(), {kNever, &reporting});
    if (!slept) co_return;
    co_await supervisor.ask_shards();
    const auto servers = co_await supervisor.servers();
    if (reporting.is_cancelled()) co_return;
    note(manager.alive());
    if (reloads_waiting == 0) note(manager.status(status_line(servers, refused_reload)));
  }
}

void Daemon::note(bool told) {
  if (told || complained) return;
  complained = true;
  log.write(log::Event(log::Level::warning, "service-manager")
                .with("reason", std::strerror(errno))
                .with("advice", "it cannot be told; see $NOTIFY_SOCKET"));
}

// SIGHUP reloads, SIGTERM and SIGINT end. A second one ends at once: accepted mail is on disk.
task<void> Daemon::obey_signals() {
  reactor::TaskGroup reloads;
  bool ending = false;
  while (!ending) {
    auto ready = co_await control.poll(signals, POLLIN, {});
    signalfd_siginfo info{};
    while (ready && ::read(signals, &info, sizeof info) == sizeof info) {
      if (info.ssi_signo == SIGHUP) {
        // SIGHUPs coalesce: one that waits its turn will read the newest files (decisions 30).
        if (reloads.running() < 2) reloads.spawn(reload());
      } else {
        ending = true;
      }
    }
  }
  co_await reloads.join();
}

task<void> Daemon::live(std::vector<log::Sink*> shard_logs, Snapshot snapshot) {
  auto started = co_await supervisor.start(std::move(shard_logs), std::move(snapshot));
  if (!started) {
    for (const std::string& problem : started.error()) complain(problem);
    exit_code = 1;
    control.stop();
    co_return;
  }
  reactor::TaskGroup serving;
  serving.spawn(socket.run());
  serving.spawn(metrics.run());
  log.write(log::Event(log::Level::info, "ready")
                .with("version", MAILROOT_VERSION)
                .with("io", supervisor.service().io));
  const auto servers = co_await supervisor.servers();
  note(manager.ready(status_line(servers, refused_reload)));
  serving.spawn(report());
  co_await obey_signals();
  log.write(log::Event(log::Level::info, "stopping"));
  note(manager.stopping());
  reporting.cancel();
  sigset_t final_signals;
  sigemptyset(&final_signals);
  sigaddset(&final_signals, SIGTERM);
  sigaddset(&final_signals, SIGINT);
  pthread_sigmask(SIG_UNBLOCK, &final_signals, nullptr);
  socket.stop();
  metrics.stop();
  co_await serving.join();
  co_await supervisor.stop_all();
  log.write(log::Event(log::Level::info, "stopped"));
  control.stop();
}

task<void> run_live(Daemon& daemon, std::vector<log::Sink*> shard_logs, Snapshot snapshot) {
  co_await daemon.live(std::move(shard_logs), std::move(snapshot));
}

int run_with(const std::string& config_file, Snapshot snapshot, control::LogHub& hub, int signals) {
  std::string why;
  // The control thread needs no speed; epoll works everywhere.
  auto backend = reactor::make_backend(reactor::BackendChoice::epoll, {}, why);
  if (!backend) {
    complain("cannot start the control thread: " + why);
    return 1;
  }
  reactor::Reactor control(std::move(*backend), {});
  log::Sink& log = hub.make_sink();
  server::Supervisor::Options options;
  options.config_file = config_file;
  options.on_reload = [&hub](const config::Service& service) { hub.set_level(service.log_level); };
  control::ProtocolLogs protocol_logs(hub.make_sink());
  options.protocol_log = [&protocol_logs](const config::VirtualServer& virtual_server) {
    return protocol_logs.of(virtual_server);
  };
  ServiceManager manager;
  if (manager.is_there()) options.socket_store = &manager;
  server::Supervisor supervisor(control, std::move(options), log);
  control::ControlServer socket(control, supervisor, log);
  auto opened = socket.open(snapshot->service.control_socket);
  if (!opened) {
    complain(opened.error());
    return 1;
  }
  std::vector<log::Sink*> shard_logs;
  const uint32_t shards = shard_count(snapshot->service);
  for (uint32_t i = 0; i < shards; ++i) shard_logs.push_back(&hub.make_sink());
  control::MetricsServer metrics(control, supervisor, log, snapshot->service.metrics_listen);
  Daemon daemon{control, supervisor, socket, metrics, log, manager, signals};
  reactor::TaskGroup life;
  life.spawn(run_live(daemon, std::move(shard_logs), std::move(snapshot)));
  control.run();
  return daemon.exit_code;
}

}  // namespace

int run_daemon(const std::string& config_file) {
  Snapshot snapshot = load_or_complain(config_file);
  if (snapshot == nullptr) return 1;
  raise_descriptor_limit();
  const int signals = take_signals();
  if (signals < 0) {
    complain(std::string("signalfd: ") + std::strerror(errno));
    return 1;
  }
  control::LogOptions options;
  options.level = snapshot->service.log_level;
  options.target = snapshot->service.log_target;
  options.file = snapshot->service.log_file;
  options.format = snapshot->service.log_format;
  auto hub = control::LogHub::open(options);
  if (!hub) {
    complain("cannot open the log: " + hub.error());
    return 1;
  }
  return run_with(config_file, std::move(snapshot), **hub, signals);
}

}  // namespace mailroot
