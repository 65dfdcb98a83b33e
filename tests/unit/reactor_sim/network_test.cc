// What a simulated network does to connections.
#include <cerrno>

#include "doctest/doctest.h"
#include "sim_world.h"

namespace mailroot::reactor::sim {

namespace {

const SocketAddress kOutside{IpAddress::v4(0xCB007119), 25};  // 203.0.113.25
const SocketAddress kMachine{IpAddress::v4(0xC6336401), 25};  // 198.51.100.1

struct TwoMachines {
  explicit TwoMachines(uint64_t seed, const WorldOptions& options = {})
      : world(seed, 1, options),
        inside_backend(world.make_backend(0)),
        outside_backend(world.make_outside_backend()),
        inside(*inside_backend),
        outside(*outside_backend) {}

  Descriptor listen(RawBackend& raw, const SocketAddress& address, int backlog) {
    const result<Descriptor> socket = raw->bind_socket(address, ListenOptions{});
    REQUIRE(socket.has_value());
    REQUIRE(raw->listen(*socket, backlog).has_value());
    return *socket;
  }
  int32_t connect(RawBackend& raw, const SocketAddress& address) {
    Operation operation;
    operation.opcode = Opcode::connect;
    operation.address = &address;
    return raw.run(operation);
  }

  World world;
  std::unique_ptr<Backend> inside_backend;
  std::unique_ptr<Backend> outside_backend;
  RawBackend inside;
  RawBackend outside;
};

Operation armed(Opcode opcode, Descriptor descriptor) {
  Operation operation;
  operation.opcode = opcode;
  operation.descriptor = descriptor;
  return operation;
}

}  // namespace

TEST_CASE("addresses belong to one machine") {
  TwoMachines machines(1);
  const ListenOptions options;
  CHECK(machines.inside->bind_socket(kOutside, options).error().code == Errc::address_missing);
  CHECK(machines.outside->bind_socket(kMachine, options).error().code == Errc::address_missing);
  const SocketAddress any{IpAddress::any(IpFamily::v4), 25};
  machines.listen(machines.inside, any, 4);
  CHECK(machines.connect(machines.outside, kMachine) >= 0);
  CHECK(machines.connect(machines.inside, kOutside) == -ECONNREFUSED);
  const SocketAddress over_v6{*IpAddress::parse("2001:db8::1"), 25};
  CHECK(machines.connect(machines.outside, over_v6) == -ECONNREFUSED);
}

TEST_CASE("equal addresses clash unless both share; the specific one wins over the wildcard") {
  TwoMachines machines(1);
  const Descriptor specific = machines.listen(machines.inside, kMachine, 4);
  ListenOptions alone;
  alone.reuse_port = false;
  CHECK(machines.inside->bind_socket(kMachine, alone).error().code == Errc::address_in_use);
  const SocketAddress any{IpAddress::any(IpFamily::v4), 25};
  const Descriptor wildcard = machines.listen(machines.inside, any, 4);
  Operation at_specific = armed(Opcode::accept, specific);
  Operation at_wildcard = armed(Opcode::accept, wildcard);
  machines.inside->submit(at_specific);
  machines.inside->submit(at_wildcard);
  CHECK(machines.connect(machines.outside, kMachine) >= 0);
  const Completion accepted = machines.inside.next(at_specific);
  CHECK(accepted.result >= 0);
  CHECK(machines.inside->peer_address(accepted.result)->ip == *IpAddress::parse("203.0.113.1"));
  CHECK(machines.inside->local_address(accepted.result).value() == kMachine);
  CHECK_FALSE(machines.inside.has(at_wildcard));
  machines.inside.stop(at_specific);
  machines.inside.stop(at_wildcard);
}

TEST_CASE("connects fail as told") {
  TwoMachines machines(1);
  machines.listen(machines.outside, kOutside, 4);
  CHECK(machines.connect(machines.inside, kOutside) >= 0);
  machines.world.set_unroutable(kOutside.ip, true);
  CHECK(machines.connect(machines.inside, kOutside) == -EHOSTUNREACH);
  machines.world.set_unroutable(kOutside.ip, false);
  machines.world.set_unanswered(kOutside.ip, true);
  Operation connect;
  connect.opcode = Opcode::connect;
  connect.address = &kOutside;
  machines.inside->submit(connect);
  for (int i = 0; i < 100; ++i) machines.inside.turn_once();
  CHECK_FALSE(machines.inside.has(connect));
  machines.inside->cancel(connect);
  CHECK(machines.inside.next(connect).result == -ECANCELED);
  machines.world.set_unanswered(kOutside.ip, false);
  CHECK(machines.connect(machines.inside, kOutside) >= 0);
  CHECK(machines.world.run_until_idle(100));
  CHECK(machines.world.open_descriptors() == 2);  // the cancelled one is free
}

TEST_CASE("a full backlog makes clients wait") {
  TwoMachines machines(1);
  const Descriptor listener = machines.listen(machines.outside, kOutside, 1);
  CHECK(machines.connect(machines.inside, kOutside) >= 0);
  Operation second;
  second.opcode = Opcode::connect;
  second.address = &kOutside;
  machines.inside->submit(second);
  for (int i = 0; i < 200; ++i) machines.inside.turn_once();
  CHECK_FALSE(machines.inside.has(second));
  Operation accept = armed(Opcode::accept, listener);
  machines.outside->submit(accept);
  CHECK(machines.outside.next(accept).result >= 0);
  CHECK(machines.inside.next(second).result >= 0);
  CHECK(machines.outside.next(accept).result >= 0);
  machines.outside.stop(accept);
}

TEST_CASE("tiny segments: the same bytes, one to three at a time") {
  WorldOptions options;
  options.faults.tiny_segments = 1;
  OneShard shard(1, options);
  RawBackend& raw = *shard.raw;
  ConnectedPair pair(raw);
  Operation receive = armed(Opcode::receive, pair.server);
  raw->submit(receive);
  CHECK(raw.send(pair.client, "EHLO client.example\r\n") == 21);
  std::string text;
  while (text.size() < 21) {
    const Completion completion = raw.next(receive);
    REQUIRE(completion.result > 0);
    CHECK(completion.result <= 3);
    text += as_text(raw->buffer(completion.buffer).first(completion.result));
    raw->release_buffer(completion.buffer);
  }
  CHECK(text == "EHLO client.example\r\n");
  raw->cancel(receive);
  CHECK(raw.next(receive).result == -ECANCELED);
  pair.close(raw);
}

TEST_CASE("a reader that does not read stops the sender, and nothing is lost") {
  WorldOptions options;
  options.socket_buffer_bytes = 1000;
  OneShard shard(1, options);
  RawBackend& raw = *shard.raw;
  ConnectedPair pair(raw);
  const std::string text(10'000, 't');
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  Operation send = armed(Opcode::send, pair.client);
  send.buffers = {&piece, 1};
  raw->submit(send);
  for (int i = 0; i < 10; ++i) raw.turn_once();
  CHECK_FALSE(raw.has(send));
  Operation receive = armed(Opcode::receive, pair.server);
  raw->submit(receive);
  size_t got = 0;
  while (got < text.size()) {
    const Completion completion = raw.next(receive);
    REQUIRE(completion.result > 0);
    got += static_cast<size_t>(completion.result);
    raw->release_buffer(completion.buffer);
  }
  CHECK(raw.next(send).result == 10'000);
  raw->cancel(receive);
  CHECK(raw.next(receive).result == -ECANCELED);
  pair.close(raw);
}

TEST_CASE("a reset in the middle of a send breaks both ends") {
  WorldOptions options;
  options.faults.reset = 1;
  OneShard shard(2, options);
  RawBackend& raw = *shard.raw;
  ConnectedPair pair(raw);
  Operation receive = armed(Opcode::receive, pair.server);
  raw->submit(receive);
  CHECK(raw.send(pair.client, std::string(5000, 'x')) == -ECONNRESET);
  CHECK(raw.send(pair.client, "more") == -EPIPE);
  Completion completion = raw.next(receive);
  while (completion.more) {
    raw->release_buffer(completion.buffer);
    completion = raw.next(receive);
  }
  CHECK(completion.result == -ECONNRESET);
  CHECK(raw.send(pair.server, "answer") == -EPIPE);
  pair.close(raw);
}

TEST_CASE("closing with unread bytes resets the peer; closing in order ends it") {
  OneShard shard(1);
  RawBackend& raw = *shard.raw;
  for (const bool unread : {true, false}) {
    ConnectedPair pair(raw);
    if (unread) CHECK(raw.send(pair.client, "never read") == 10);
    for (int i = 0; i < 3; ++i) raw.turn_once();
    CHECK(raw.close(pair.server) == 0);
    Operation receive = armed(Opcode::receive, pair.client);
    raw->submit(receive);
    const Completion end = raw.next(receive);
    CHECK(end.result == (unread ? -ECONNRESET : 0));
    CHECK_FALSE(end.more);
    raw->cancel(pair.accept);
    CHECK(raw.next(pair.accept).result == -ECANCELED);
    raw.close(pair.client);
    raw.close(pair.listener);
  }
}

TEST_CASE("the descriptor limit holds, for accepts as well") {
  WorldOptions options;
  options.descriptors_max = 3;
  TwoMachines machines(1, options);
  const Descriptor listener = machines.listen(machines.inside, kMachine, 4);
  CHECK(machines.inside.open(kNoDirectory, "/a", 0102) >= 0);
  CHECK(machines.inside.open(kNoDirectory, "/b", 0102) >= 0);
  CHECK(machines.inside.open(kNoDirectory, "/c", 0102) == -EMFILE);
  Operation accept = armed(Opcode::accept, listener);
  machines.inside->submit(accept);
  CHECK(machines.connect(machines.outside, kMachine) >= 0);
  const Completion full = machines.inside.next(accept);
  CHECK(full.result == -EMFILE);
  CHECK_FALSE(full.more);
  CHECK(machines.inside.close(4) == 0);
  machines.inside->submit(accept);
  CHECK(machines.inside.next(accept).result == 4);
  machines.inside.stop(accept);
}

TEST_CASE("peers of a machine that loses power are reset, whatever was under way") {
  size_t heard = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    TwoMachines machines(seed);
    const Descriptor listener = machines.listen(machines.inside, kMachine, 4);
    Operation accept = armed(Opcode::accept, listener);
    machines.inside->submit(accept);
    const int32_t client = machines.connect(machines.outside, kMachine);
    const int32_t server = machines.inside.next(accept).result;
    Operation receive = armed(Opcode::receive, client);
    machines.outside->submit(receive);
    CHECK(machines.inside.send(server, "250 ok\r\n") == 8);
    machines.world.crash();
    Completion completion = machines.outside.next(receive);
    if (completion.more) {
      CHECK(completion.result == 8);
      ++heard;
      completion = machines.outside.next(receive);
    }
    CHECK(completion.result == -ECONNRESET);
    CHECK(machines.inside.next(accept).result == -ECANCELED);
  }
  CHECK(heard > 0);
  CHECK(heard < kSeeds);
}

}  // namespace mailroot::reactor::sim
