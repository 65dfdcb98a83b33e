// The worlds that the conformance suite runs on: one type per backend.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include "mailroot/reactor/reactor.h"
#include "mailroot/reactor/sim.h"

namespace mailroot::reactor::test {

// A directory for one test, removed with all it holds.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct EpollWorld {
  static constexpr BackendChoice kChoice = BackendChoice::epoll;
};

struct UringWorld {
  static constexpr BackendChoice kChoice = BackendChoice::io_uring;
};

// Virtual time, a network and a disk of its own.
struct SimWorld {
  static constexpr const char* kDirectory = "/test";
};

// Small pools, so that tests can exhaust them.
inline constexpr uint32_t kTestReceiveBuffers = 16;

inline BackendOptions test_options() {
  BackendOptions options;
  options.receive_buffers = kTestReceiveBuffers;
  options.queue_entries = 64;
  return options;
}

// Null when this machine does not have it.
template <class World>
std::unique_ptr<Backend> make_world() {
  std::string why;
  result<std::unique_ptr<Backend>> made = make_backend(World::kChoice, test_options(), why);
  if (made) return std::move(*made);
  MESSAGE("skipped, " << why);
  return nullptr;
}

template <>
inline std::unique_ptr<Backend> make_world<SimWorld>() {
  sim::WorldOptions options;
  options.receive_buffers = kTestReceiveBuffers;
  options.directories = {SimWorld::kDirectory};
  options.socket_buffer_bytes = 256 * 1024;  // as much as a kernel takes unread
  return sim::make_lone_backend(1, options);
}

// Ends a test that hangs: a deadline nobody should need.
class Watchdog final : public Timer {
 public:
  void on_timer() override {
    std::fputs("the test hangs\n", stderr);
    std::abort();
  }
};

// Why it failed; nothing when it did not.
template <class T>
std::optional<Errc> failure_of(const result<T>& outcome) {
  if (outcome) return std::nullopt;
  return outcome.error().code;
}

using Body = task<void> (*)(Reactor&);

inline task<void> run_body(Reactor& reactor, Body body) {
  co_await body(reactor);
  reactor.stop();
}

// Runs the coroutine to its end in a reactor of its own.
inline void run_on(std::unique_ptr<Backend> backend, Body body) {
  if (backend == nullptr) return;
  Reactor reactor(std::move(backend), ReactorLimits{});
  Watchdog watchdog;
  TaskGroup group;
  reactor.add_timer(watchdog, reactor.now() + std::chrono::seconds(60));
  reactor.post([&reactor, &group, body] { group.spawn(run_body(reactor, body)); });
  reactor.run();
  CHECK(group.running() == 0);
  reactor.cancel_timer(watchdog);
}

template <class World>
void run_in(Body body) {
  run_on(make_world<World>(), body);
}

using DirectoryBody = task<void> (*)(Reactor&, Descriptor directory, std::string path);

// Hands the coroutine an open, empty directory of this world and its path.
template <class World>
void run_in_directory(DirectoryBody body) {
  static thread_local DirectoryBody current;
  static thread_local std::string path;
  const TemporaryDirectory directory;
  current = body;
  path = directory.path();
  if constexpr (std::is_same_v<World, SimWorld>) path = SimWorld::kDirectory;
  run_in<World>([](Reactor& reactor) -> task<void> {
    const result<Descriptor> opened =
        co_await reactor.open_at(kNoDirectory, path, O_DIRECTORY | O_RDONLY, 0);
    REQUIRE(opened.has_value());
    co_await current(reactor, *opened, path);
    co_await reactor.close_now(*opened);
  });
}

inline Wait soon(Reactor& reactor) { return Wait{reactor.now() + std::chrono::seconds(30)}; }

inline Wait within_ms(Reactor& reactor, int ms) {
  return Wait{reactor.now() + std::chrono::milliseconds(ms)};
}

// A listening socket on the loopback address and where it listens.
struct Listening {
  Descriptor socket;
  SocketAddress address;
};

inline Listening listen_on_loopback(Reactor& reactor) {
  Backend& backend = reactor.backend();
  const SocketAddress any{IpAddress::v4(0x7f000001), 0};
  const result<Descriptor> bound = backend.bind_socket(any, ListenOptions{});
  REQUIRE(bound.has_value());
  REQUIRE(backend.listen(*bound, 16).has_value());
  const result<SocketAddress> address = backend.local_address(*bound);
  REQUIRE(address.has_value());
  return {*bound, *address};
}

// Both ends of a TCP connection over the loopback.
struct Pair {
  Descriptor client = kNoDescriptor;
  Descriptor server = kNoDescriptor;
};

inline task<Pair> connected_pair(Reactor& reactor) {
  const Listening listening = listen_on_loopback(reactor);
  AcceptStream accepts(reactor, listening.socket);
  Pair pair;
  const result<Descriptor> client =
      co_await reactor.connect(listening.address, nullptr, soon(reactor));
  REQUIRE(client.has_value());
  pair.client = *client;
  const result<Descriptor> server = co_await accepts.next(soon(reactor));
  REQUIRE(server.has_value());
  pair.server = *server;
  co_await accepts.stop();
  co_await reactor.close_now(listening.socket);
  co_return pair;
}

inline task<void> close_pair(Reactor& reactor, Pair pair) {
  co_await reactor.close_now(pair.client);
  co_await reactor.close_now(pair.server);
}

inline task<void> sleep_ms(Reactor& reactor, int ms) {
  const result<void> slept =
      co_await reactor.sleep_until(reactor.now() + std::chrono::milliseconds(ms), Wait{});
  CHECK(slept.has_value());
}

inline task<result<void>> send_text(Reactor& reactor, Descriptor socket, std::string text) {
  const iovec part{text.data(), text.size()};
  const result<void> sent = co_await reactor.send(socket, std::span(&part, 1), soon(reactor));
  co_return sent;
}

// Reads `size_bytes` bytes, or until the end.
inline task<std::string> receive_text(Reactor& reactor, ReceiveStream& stream, size_t size_bytes) {
  std::string text;
  while (text.size() < size_bytes) {
    const result<BufferLease> lease = co_await stream.next(soon(reactor));
    if (!lease) break;
    text += as_text(lease->bytes());
  }
  co_return text;
}

}  // namespace mailroot::reactor::test

// Tests that reach for the kernel beside the reactor run on these, all others on all worlds.
#define MAILROOT_KERNEL_WORLDS \
  ::mailroot::reactor::test::EpollWorld, ::mailroot::reactor::test::UringWorld
#define MAILROOT_WORLDS MAILROOT_KERNEL_WORLDS, ::mailroot::reactor::test::SimWorld
