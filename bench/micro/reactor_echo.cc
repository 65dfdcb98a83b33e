// What one small exchange over a socket costs in each backend: N connections over the loopback,
// both ends in one reactor on one thread, each sending a request and waiting for its reply.
//
//   reactor_echo [backend: epoll|io_uring|all] [connections] [seconds] [bytes]
#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "mailroot/reactor/reactor.h"

namespace {

using namespace mailroot;
using namespace mailroot::reactor;

struct Plan {
  int connections = 64;
  int seconds = 2;
  size_t bytes = 64;
  bool is_over = false;
  uint64_t exchanges = 0;
};

[[noreturn]] void give_up(const char* what) {
  fmt::print(stderr, "reactor_echo: {} failed\n", what);
  std::exit(1);
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

task<void> serve(Reactor& reactor, Descriptor socket) {
  reactor.backend().set_no_delay(socket);
  ReceiveStream stream(reactor, socket);
  while (true) {
    const Wait wait{reactor.now() + std::chrono::minutes(5), nullptr};
    const result<BufferLease> lease = co_await stream.next(wait);
    if (!lease) break;
    const ByteView bytes = lease->bytes();
    const iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    const result<void> sent = co_await reactor.send(socket, std::span(&part, 1), wait);
    if (!sent) break;
  }
  co_await stream.stop();
  reactor.close(socket);
}

task<void> ask(Reactor& reactor, SocketAddress server, Plan& plan) {
  const result<Descriptor> socket = co_await reactor.connect(server, nullptr, Wait{});
  if (!socket) give_up("connect");
  reactor.backend().set_no_delay(*socket);
  ReceiveStream stream(reactor, *socket);
  std::string request(plan.bytes, 'x');
  const iovec part{request.data(), request.size()};
  while (!plan.is_over) {
    const Wait wait{reactor.now() + std::chrono::minutes(5), nullptr};
    const result<void> sent = co_await reactor.send(*socket, std::span(&part, 1), wait);
    if (!sent) give_up("send");
    for (size_t received = 0; received < request.size();) {
      const result<BufferLease> lease = co_await stream.next(wait);
      if (!lease) give_up("receive");
      received += lease->bytes().size();
    }
    ++plan.exchanges;
  }
  co_await stream.stop();
  reactor.close(*socket);
}

task<void> accept_all(Reactor& reactor, AcceptStream& accepts, TaskGroup& servers) {
  while (true) {
    const result<Descriptor> socket = co_await accepts.next(Wait{});
    if (!socket) break;
    servers.spawn(serve(reactor, *socket));
  }
}

task<void> measure(Reactor& reactor, Plan& plan) {
  Backend& backend = reactor.backend();
  const result<Descriptor> listener =
      backend.bind_socket({IpAddress::v4(0x7f000001), 0}, ListenOptions{});
  if (!listener || !backend.listen(*listener, 4096)) give_up("listen");
  const result<SocketAddress> address = backend.local_address(*listener);
  AcceptStream accepts(reactor, *listener);
  TaskGroup servers;
  TaskGroup clients;
  servers.spawn(accept_all(reactor, accepts, servers));
  for (int i = 0; i < plan.connections; ++i) clients.spawn(ask(reactor, *address, plan));
  co_await reactor.sleep_until(reactor.now() + std::chrono::milliseconds(200), Wait{});
  const uint64_t exchanges_before = plan.exchanges;
  const double cpu_before = cpu_seconds();
  const Instant begin = reactor.now();
  co_await reactor.sleep_until(begin + std::chrono::seconds(plan.seconds), Wait{});
  const double elapsed = std::chrono::duration<double>(reactor.now() - begin).count();
  const double cpu = cpu_seconds() - cpu_before;
  const double count = static_cast<double>(plan.exchanges - exchanges_before);
  fmt::print("{:9} connections {:5} bytes {:6}  {:9.0f} exchanges/s  {:6.2f} us CPU each\n",
             backend.name(), plan.connections, plan.bytes, count / elapsed, cpu * 1e6 / count);
  plan.is_over = true;
  co_await clients.join();
  co_await accepts.stop();
  co_await servers.join();
  co_await reactor.close_now(*listener);
  reactor.stop();
}

void run(BackendChoice choice, Plan plan) {
  std::string why;
  result<std::unique_ptr<Backend>> backend = make_backend(choice, BackendOptions{}, why);
  if (!backend) {
    fmt::print("skipped: {}\n", why);
    return;
  }
  Reactor reactor(std::move(*backend), ReactorLimits{});
  TaskGroup group;
  reactor.post([&] { group.spawn(measure(reactor, plan)); });
  reactor.run();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string which = argc > 1 ? argv[1] : "all";
  Plan plan;
  if (argc > 2) plan.connections = std::atoi(argv[2]);
  if (argc > 3) plan.seconds = std::atoi(argv[3]);
  if (argc > 4) plan.bytes = static_cast<size_t>(std::atol(argv[4]));
  if (which != "io_uring") run(BackendChoice::epoll, plan);
  if (which != "epoll") run(BackendChoice::io_uring, plan);
  return 0;
}
