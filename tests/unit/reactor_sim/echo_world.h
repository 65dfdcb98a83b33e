// A small program for simulated worlds: an echo server on every shard, and outside clients that
// check what comes back.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "doctest/doctest.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/reactor/sim.h"

namespace mailroot::reactor::sim {

inline const SocketAddress kEchoAddress{IpAddress::v4(0xC6336401), 7};  // 198.51.100.1

inline task<void> serve_one(Reactor& reactor, Descriptor socket, CancelScope& scope) {
  ReceiveStream stream(reactor, socket);
  while (true) {
    const result<BufferLease> lease = co_await stream.next(Wait{kNever, &scope});
    if (!lease) break;
    const ByteView bytes = lease->bytes();
    const iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
    const std::span<const iovec> pieces(&piece, 1);
    const result<void> sent = co_await reactor.send(socket, pieces, Wait{kNever, &scope});
    if (!sent) break;
  }
  co_await stream.stop();
  co_await reactor.close_now(socket);
}

inline task<void> serve(Reactor& reactor, CancelScope& scope) {
  const result<Descriptor> listener = reactor.backend().bind_socket(kEchoAddress, ListenOptions{});
  REQUIRE(listener.has_value());
  REQUIRE(reactor.backend().listen(*listener, 16).has_value());
  TaskGroup connections;
  AcceptStream accepts(reactor, *listener);
  while (true) {
    const result<Descriptor> socket = co_await accepts.next(Wait{kNever, &scope});
    if (!socket) break;
    connections.spawn(serve_one(reactor, *socket, scope));
  }
  co_await accepts.stop();
  co_await connections.join();
  co_await reactor.close_now(*listener);
}

struct EchoResult {
  bool connected = false;
  bool sent = false;
  std::string echoed;
};

// Sends `text`, ends its side, and reads to the end.
inline task<void> ask(Reactor& reactor, std::string text, EchoResult& outcome) {
  const Wait patience{reactor.now() + std::chrono::minutes(30), nullptr};
  const result<Descriptor> socket = co_await reactor.connect(kEchoAddress, nullptr, patience);
  outcome.connected = socket.has_value();
  if (!socket) co_return;
  ReceiveStream stream(reactor, *socket);
  const iovec piece{text.data(), text.size()};
  const std::span<const iovec> pieces(&piece, 1);
  const result<void> sent = co_await reactor.send(*socket, pieces, patience);
  outcome.sent = sent.has_value();
  co_await reactor.shut_down(*socket);
  while (true) {
    const result<BufferLease> lease = co_await stream.next(patience);
    if (!lease) break;
    outcome.echoed += as_text(lease->bytes());
  }
  co_await stream.stop();
  co_await reactor.close_now(*socket);
}

// The program: its reactors, and how it ends.
struct EchoProgram {
  EchoProgram(World& owner, uint32_t shards) : world(owner), scope(nullptr) {
    for (uint32_t shard = 0; shard < shards; ++shard) {
      reactors.push_back(std::make_unique<Reactor>(world.make_backend(shard), ReactorLimits{}));
      Reactor& reactor = *reactors.back();
      world.attach(reactor);
      reactor.post([this, &reactor] { group.spawn(serve(reactor, scope)); });
    }
  }
  // In order.
  void stop() {
    scope.cancel();
    const bool joined =
        world.run_until([this] { return group.running() == 0; }, std::chrono::hours(1));
    CHECK(joined);
    for (const auto& reactor : reactors) world.detach(*reactor);
  }
  // After crash() or kill().
  void unwind() {
    scope.cancel();
    std::vector<Reactor*> dead;
    for (const auto& reactor : reactors) dead.push_back(reactor.get());
    world.unwind(dead, [this] { return group.running() == 0; });
  }

  World& world;
  CancelScope scope;
  TaskGroup group;
  std::vector<std::unique_ptr<Reactor>> reactors;
};

inline std::string text_of(uint64_t seed, size_t size_bytes) {
  std::string text(size_bytes, '\0');
  for (size_t i = 0; i < size_bytes; ++i) text[i] = static_cast<char>('a' + (i * 31 + seed) % 26);
  return text;
}

}  // namespace mailroot::reactor::sim
