// Conformance: connections.
#include <algorithm>
#include <vector>

#include "worlds.h"

namespace mailroot::reactor::test {
namespace {

task<void> exchange(Reactor& reactor) {
  const Pair pair = co_await connected_pair(reactor);
  ReceiveStream at_server(reactor, pair.server);
  ReceiveStream at_client(reactor, pair.client);
  const result<void> asked = co_await send_text(reactor, pair.client, "EHLO a\r\n");
  CHECK(asked.has_value());
  const std::string question = co_await receive_text(reactor, at_server, 8);
  CHECK(question == "EHLO a\r\n");
  const result<void> answered = co_await send_text(reactor, pair.server, "250 b\r\n");
  CHECK(answered.has_value());
  const std::string answer = co_await receive_text(reactor, at_client, 7);
  CHECK(answer == "250 b\r\n");
  co_await at_server.stop();
  co_await at_client.stop();
  co_await reactor.close_now(pair.client);
  co_await reactor.close_now(pair.server);
}

TEST_CASE_TEMPLATE("bytes go both ways", World, MAILROOT_WORLDS) { run_in<World>(exchange); }

task<void> half_close(Reactor& reactor) {
  const Pair pair = co_await connected_pair(reactor);
  ReceiveStream at_server(reactor, pair.server);
  ReceiveStream at_client(reactor, pair.client);
  const result<void> sent = co_await send_text(reactor, pair.client, "last words");
  CHECK(sent.has_value());
  co_await reactor.shut_down(pair.client);
  const std::string text = co_await receive_text(reactor, at_server, 10);
  CHECK(text == "last words");
  const result<BufferLease> end = co_await at_server.next(soon(reactor));
  CHECK(failure_of(end) == Errc::end_of_stream);
  // The other direction is still open.
  const result<void> answered = co_await send_text(reactor, pair.server, "heard");
  CHECK(answered.has_value());
  const std::string answer = co_await receive_text(reactor, at_client, 5);
  CHECK(answer == "heard");
  CHECK(at_server.has_ended());
  const result<BufferLease> again = co_await at_server.next(soon(reactor));
  CHECK(!again.has_value());
  co_await at_client.stop();
  reactor.close(pair.client);
  reactor.close(pair.server);
}

TEST_CASE_TEMPLATE("half close ends one direction", World, MAILROOT_WORLDS) {
  run_in<World>(half_close);
}

task<void> refused(Reactor& reactor) {
  const Listening listening = listen_on_loopback(reactor);
  co_await reactor.close_now(listening.socket);
  const result<Descriptor> made =
      co_await reactor.connect(listening.address, nullptr, soon(reactor));
  CHECK(failure_of(made) == Errc::refused);
}

TEST_CASE_TEMPLATE("nobody listens", World, MAILROOT_WORLDS) { run_in<World>(refused); }

// A pattern that shows lost, doubled and exchanged bytes.
char pattern_at(uint64_t offset) { return static_cast<char>((offset * 2654435761u) >> 13); }

constexpr size_t kLargeBytes = 24 << 20;  // more than both socket buffers

struct Large {
  std::vector<char> bytes;
  std::vector<iovec> parts;
  bool is_sent = false;
};

Large make_large() {
  Large large;
  large.bytes.resize(kLargeBytes);
  for (size_t i = 0; i < kLargeBytes; ++i) large.bytes[i] = pattern_at(i);
  // Parts of many sizes, some of them empty.
  size_t offset = 0;
  for (size_t i = 0; offset < kLargeBytes; ++i) {
    const size_t size = std::min(i % 7 == 3 ? 0 : i * 977 % 300000, kLargeBytes - offset);
    large.parts.push_back(iovec{large.bytes.data() + offset, size});
    offset += size;
  }
  return large;
}

task<void> send_large(Reactor& reactor, Descriptor socket, Large& large) {
  const result<void> sent = co_await reactor.send(socket, large.parts, soon(reactor));
  CHECK(sent.has_value());
  large.is_sent = true;
  co_await reactor.shut_down(socket);
}

task<void> slow_reader(Reactor& reactor) {
  const Pair pair = co_await connected_pair(reactor);
  Large large = make_large();
  TaskGroup group;
  group.spawn(send_large(reactor, pair.client, large));
  co_await sleep_ms(reactor, 100);
  CHECK(!large.is_sent);
  ReceiveStream stream(reactor, pair.server);
  uint64_t received = 0;
  uint64_t wrong = 0;
  while (true) {
    const result<BufferLease> lease = co_await stream.next(soon(reactor));
    if (!lease) {
      CHECK(failure_of(lease) == Errc::end_of_stream);
      break;
    }
    for (const char c : as_text(lease->bytes())) wrong += c != pattern_at(received++) ? 1 : 0;
    if (received % 1000 == 0) {
      co_await reactor.yield();
    }
  }
  CHECK(received == kLargeBytes);
  CHECK(wrong == 0);
  co_await group.join();
  CHECK(large.is_sent);
  co_await close_pair(reactor, pair);
}

TEST_CASE_TEMPLATE("a large send waits for a slow reader and is never short", World,
                   MAILROOT_WORLDS) {
  run_in<World>(slow_reader);
}

task<void> unread_stream(Reactor& reactor) {
  const Pair greedy = co_await connected_pair(reactor);
  const Pair modest = co_await connected_pair(reactor);
  ReceiveStream unread(reactor, greedy.server);
  const result<void> first = co_await send_text(reactor, greedy.client, "first");
  CHECK(first.has_value());
  const std::string begun = co_await receive_text(reactor, unread, 5);
  CHECK(begun == "first");
  // More than the whole pool, and nobody reads it: the others must still get theirs.
  const std::string flood(kTestReceiveBuffers * kReceiveUnitBytes * 2, 'x');
  const result<void> flooded = co_await send_text(reactor, greedy.client, flood);
  CHECK(flooded.has_value());
  co_await sleep_ms(reactor, 50);
  ReceiveStream other(reactor, modest.server);
  for (int i = 0; i < 5; ++i) {
    const result<void> sent = co_await send_text(reactor, modest.client, "hello");
    CHECK(sent.has_value());
    const std::string text = co_await receive_text(reactor, other, 5);
    CHECK(text == "hello");
  }
  // And the flood is all there when asked for.
  const std::string all = co_await receive_text(reactor, unread, flood.size());
  CHECK(all == flood);
  CHECK(reactor.spilled_bytes() == 0);
  co_await unread.stop();
  co_await other.stop();
  co_await close_pair(reactor, greedy);
  co_await close_pair(reactor, modest);
}

TEST_CASE_TEMPLATE("an unread stream does not take the receive pool", World, MAILROOT_WORLDS) {
  run_in<World>(unread_stream);
}

// Takes every unit of the pool out of it, over one connection.
task<std::vector<BufferLease>> lease_all(Reactor& reactor, const Pair& pair,
                                         ReceiveStream& stream) {
  std::vector<BufferLease> leases;
  const std::string flood(kTestReceiveBuffers * kReceiveUnitBytes, 'x');
  const result<void> sent = co_await send_text(reactor, pair.client, flood);
  CHECK(sent.has_value());
  while (true) {
    result<BufferLease> lease = co_await stream.next(within_ms(reactor, 200));
    if (!lease) {
      CHECK(failure_of(lease) == Errc::timed_out);
      break;
    }
    leases.push_back(std::move(*lease));
  }
  co_return leases;
}

task<void> exhausted_pool(Reactor& reactor) {
  const Pair holder = co_await connected_pair(reactor);
  const Pair starved = co_await connected_pair(reactor);
  ReceiveStream held(reactor, holder.server);
  ReceiveStream waiting(reactor, starved.server);
  std::vector<BufferLease> leases = co_await lease_all(reactor, holder, held);
  CHECK(leases.size() >= kTestReceiveBuffers / 2);
  CHECK(leases.size() <= kTestReceiveBuffers);
  // Whatever is left of the pool goes to short messages, each a unit.
  while (leases.size() < kTestReceiveBuffers) {
    const result<void> sent = co_await send_text(reactor, holder.client, "y");
    CHECK(sent.has_value());
    result<BufferLease> lease = co_await held.next(within_ms(reactor, 200));
    if (!lease) break;
    leases.push_back(std::move(*lease));
  }
  const result<void> sent = co_await send_text(reactor, starved.client, "at last");
  CHECK(sent.has_value());
  const result<BufferLease> none = co_await waiting.next(within_ms(reactor, 60));
  CHECK(failure_of(none) == Errc::timed_out);
  leases.clear();
  const std::string text = co_await receive_text(reactor, waiting, 7);
  CHECK(text == "at last");
  co_await held.stop();
  co_await waiting.stop();
  co_await close_pair(reactor, holder);
  co_await close_pair(reactor, starved);
}

TEST_CASE_TEMPLATE("an exhausted pool makes receives wait, and they go on", World,
                   MAILROOT_WORLDS) {
  run_in<World>(exhausted_pool);
}

task<void> stopped_while_starving(Reactor& reactor) {
  const Pair holder = co_await connected_pair(reactor);
  const Pair starved = co_await connected_pair(reactor);
  ReceiveStream held(reactor, holder.server);
  ReceiveStream waiting(reactor, starved.server);
  std::vector<BufferLease> leases = co_await lease_all(reactor, holder, held);
  const result<void> sent = co_await send_text(reactor, starved.client, "never read");
  CHECK(sent.has_value());
  const result<BufferLease> maybe = co_await waiting.next(within_ms(reactor, 60));
  CHECK((maybe.has_value() || failure_of(maybe) == Errc::timed_out));
  co_await waiting.stop();
  co_await held.stop();
  co_await close_pair(reactor, holder);
  co_await close_pair(reactor, starved);
}

TEST_CASE_TEMPLATE("a receive that waits for a buffer can be stopped", World, MAILROOT_WORLDS) {
  run_in<World>(stopped_while_starving);
}

task<void> late_bytes(Reactor& reactor) {
  const Pair pair = co_await connected_pair(reactor);
  ReceiveStream stream(reactor, pair.server);
  CHECK(!stream.has_ready());
  const result<BufferLease> nothing = co_await stream.next(within_ms(reactor, 20));
  CHECK(failure_of(nothing) == Errc::timed_out);
  const result<void> sent = co_await send_text(reactor, pair.client, "late");
  CHECK(sent.has_value());
  co_await sleep_ms(reactor, 20);
  CHECK(stream.has_ready());
  const std::string text = co_await receive_text(reactor, stream, 4);
  CHECK(text == "late");
  co_await stream.stop();
  const result<BufferLease> stopped = co_await stream.next(soon(reactor));
  CHECK(failure_of(stopped) == Errc::cancelled);
  co_await close_pair(reactor, pair);
}

TEST_CASE_TEMPLATE("a deadline of next() loses no bytes", World, MAILROOT_WORLDS) {
  run_in<World>(late_bytes);
}

task<void> read_until_stopped(Reactor& reactor, ReceiveStream& stream, Errc& seen) {
  const result<BufferLease> lease = co_await stream.next(soon(reactor));
  CHECK(!lease.has_value());
  seen = failure_of(lease).value_or(Errc::io);
}

task<void> stop_under_reader(Reactor& reactor) {
  const Pair pair = co_await connected_pair(reactor);
  ReceiveStream stream(reactor, pair.server);
  Errc seen = Errc::io;
  TaskGroup group;
  group.spawn(read_until_stopped(reactor, stream, seen));
  co_await sleep_ms(reactor, 5);
  co_await stream.stop();
  co_await group.join();
  CHECK(seen == Errc::cancelled);
  co_await close_pair(reactor, pair);
}

TEST_CASE_TEMPLATE("stop() ends a waiting reader", World, MAILROOT_WORLDS) {
  run_in<World>(stop_under_reader);
}

task<void> many_connections(Reactor& reactor) {
  const Listening listening = listen_on_loopback(reactor);
  AcceptStream accepts(reactor, listening.socket);
  std::vector<Pair> pairs;
  for (int i = 0; i < 40; ++i) {
    Pair pair;
    const result<Descriptor> client =
        co_await reactor.connect(listening.address, nullptr, soon(reactor));
    REQUIRE(client.has_value());
    pair.client = *client;
    const result<Descriptor> server = co_await accepts.next(soon(reactor));
    REQUIRE(server.has_value());
    pair.server = *server;
    const result<SocketAddress> far_end = reactor.backend().peer_address(*server);
    const result<SocketAddress> near_end = reactor.backend().local_address(*client);
    CHECK(far_end.value() == near_end.value());
    reactor.backend().set_no_delay(*server);
    pairs.push_back(pair);
  }
  for (const Pair& pair : pairs) {
    co_await close_pair(reactor, pair);
  }
  co_await accepts.stop();
  const result<Descriptor> after = co_await accepts.next(soon(reactor));
  CHECK(failure_of(after) == Errc::cancelled);
  co_await reactor.close_now(listening.socket);
}

TEST_CASE_TEMPLATE("accept goes on and on", World, MAILROOT_WORLDS) {
  run_in<World>(many_connections);
}

task<void> bound_connection(Reactor& reactor) {
  const Listening listening = listen_on_loopback(reactor);
  const SocketAddress local{IpAddress::v4(0x7f000002), 0};
  const result<Descriptor> client =
      co_await reactor.connect(listening.address, &local, soon(reactor));
  CHECK(client.has_value());
  if (client) {
    const result<SocketAddress> near_end = reactor.backend().local_address(*client);
    CHECK(near_end.value().ip == local.ip);
    co_await reactor.close_now(*client);
  }
  const SocketAddress not_ours{IpAddress::v4(0xc0000201), 0};  // 192.0.2.1
  const result<Descriptor> failed =
      co_await reactor.connect(listening.address, &not_ours, soon(reactor));
  CHECK(failure_of(failed) == Errc::address_missing);
  const result<Descriptor> bound =
      reactor.backend().bind_socket(listening.address, ListenOptions{.reuse_port = false});
  CHECK(failure_of(bound) == Errc::address_in_use);
  co_await reactor.close_now(listening.socket);
}

TEST_CASE_TEMPLATE("connections from an address of choice", World, MAILROOT_WORLDS) {
  run_in<World>(bound_connection);
}

task<void> send_to_nobody(Reactor& reactor) {
  const Pair pair = co_await connected_pair(reactor);
  co_await reactor.close_now(pair.server);
  // The first may still be taken by the kernel; the peer's reset answers it.
  result<void> sent;
  for (int i = 0; i < 100 && sent; ++i) {
    sent = co_await send_text(reactor, pair.client, "anybody?");
    co_await sleep_ms(reactor, 4);
  }
  CHECK(failure_of(sent) == Errc::reset);
  co_await reactor.close_now(pair.client);
}

TEST_CASE_TEMPLATE("a send to a closed peer fails", World, MAILROOT_WORLDS) {
  run_in<World>(send_to_nobody);
}

task<void> empty_send(Reactor& reactor) {
  const Pair pair = co_await connected_pair(reactor);
  const result<void> nothing =
      co_await reactor.send(pair.client, std::span<const iovec>(), soon(reactor));
  CHECK(nothing.has_value());
  const result<void> empty = co_await send_text(reactor, pair.client, "");
  CHECK(empty.has_value());
  co_await close_pair(reactor, pair);
}

TEST_CASE_TEMPLATE("a send of nothing is done", World, MAILROOT_WORLDS) {
  run_in<World>(empty_send);
}

}  // namespace
}  // namespace mailroot::reactor::test
