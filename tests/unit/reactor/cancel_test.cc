// Conformance: deadlines, scopes, and that every operation completes exactly once.
#include <poll.h>

#include <array>
#include <vector>

#include "worlds.h"

namespace mailroot::reactor::test {
namespace {

// An operation by hand, which counts what it hears.
struct Counting : Operation {
  explicit Counting(Opcode code) {
    opcode = code;
    on_completion = [](Operation& operation, const Completion& completion) {
      Counting& self = static_cast<Counting&>(operation);
      ++(completion.more ? self.items : self.ends);
      self.last = completion.result;
      if (completion.buffer >= 0) {
        Reactor::current()->backend().release_buffer(completion.buffer);
      }
    };
  }
  int items = 0;
  int ends = 0;
  int32_t last = 0;
};

// Submits, cancels twice, and waits for the one end and for nothing after it.
task<void> cancel_and_count(Reactor& reactor, Counting& operation) {
  reactor.submit(operation);
  reactor.cancel(operation);
  reactor.cancel(operation);
  for (int i = 0; i < 500 && operation.ends == 0; ++i) {
    co_await sleep_ms(reactor, 4);
  }
  REQUIRE(operation.ends == 1);
  co_await sleep_ms(reactor, 10);
  CHECK(operation.ends == 1);
}

task<void> cancel_network(Reactor& reactor) {
  const Listening listening = listen_on_loopback(reactor);
  const Pair pair = co_await connected_pair(reactor);
  Counting accept(Opcode::accept);
  accept.descriptor = listening.socket;
  co_await cancel_and_count(reactor, accept);
  CHECK(accept.last == -ECANCELED);
  Counting receive(Opcode::receive);
  receive.descriptor = pair.server;
  co_await cancel_and_count(reactor, receive);
  CHECK(receive.last == -ECANCELED);
  Counting poll(Opcode::poll);
  poll.descriptor = pair.server;
  poll.flags = POLLIN;
  co_await cancel_and_count(reactor, poll);
  CHECK(poll.last == -ECANCELED);
  Counting connect(Opcode::connect);
  connect.address = &listening.address;
  co_await cancel_and_count(reactor, connect);
  CHECK((connect.last == -ECANCELED || connect.last >= 0));
  if (connect.last >= 0) {
    co_await reactor.close_now(connect.last);
  }
  Counting shut_down(Opcode::shut_down);
  shut_down.descriptor = pair.client;
  co_await cancel_and_count(reactor, shut_down);
  co_await close_pair(reactor, pair);
  co_await reactor.close_now(listening.socket);
}

TEST_CASE_TEMPLATE("a cancelled network operation completes exactly once", World, MAILROOT_WORLDS) {
  run_in<World>(cancel_network);
}

task<void> cancel_blocked_send(Reactor& reactor) {
  const Pair pair = co_await connected_pair(reactor);
  std::vector<char> bytes(32 << 20);
  const iovec part{bytes.data(), bytes.size()};
  Counting send(Opcode::send);
  send.descriptor = pair.client;
  send.buffers = std::span(&part, 1);
  reactor.submit(send);
  co_await sleep_ms(reactor, 30);
  CHECK(send.ends == 0);
  reactor.cancel(send);
  for (int i = 0; i < 500 && send.ends == 0; ++i) {
    co_await sleep_ms(reactor, 4);
  }
  CHECK(send.ends == 1);
  CHECK(send.last == -ECANCELED);
  co_await close_pair(reactor, pair);
}

TEST_CASE_TEMPLATE("a send that waits for its reader can be cancelled", World, MAILROOT_WORLDS) {
  run_in<World>(cancel_blocked_send);
}

task<void> cancel_files(Reactor& reactor, Descriptor directory, std::string) {
  const result<Descriptor> file =
      co_await reactor.open_at(directory, "file", O_CREAT | O_RDWR, 0600);
  REQUIRE(file.has_value());
  std::array<char, 100> bytes{};
  const iovec part{bytes.data(), bytes.size()};
  FileStatus status;
  FileSystemStatus file_system;
  std::vector<DirectoryEntry> entries;
  for (const Opcode code :
       {Opcode::write_at, Opcode::read_at, Opcode::sync, Opcode::stat_at, Opcode::list_directory,
        Opcode::truncate, Opcode::allocate, Opcode::file_system_status, Opcode::lock,
        Opcode::rename_at, Opcode::unlink_at, Opcode::make_directory_at}) {
    Counting operation(code);
    operation.buffers = std::span(&part, 1);
    operation.length = 100;
    const bool names = code == Opcode::rename_at || code == Opcode::unlink_at ||
                       code == Opcode::make_directory_at || code == Opcode::list_directory;
    operation.descriptor = names ? directory : *file;
    operation.descriptor2 = directory;
    operation.path = code == Opcode::stat_at ? "" : "other";
    operation.path2 = "third";
    operation.mode = 0700;
    if (code == Opcode::stat_at) operation.output = &status;
    if (code == Opcode::list_directory) operation.output = &entries;
    if (code == Opcode::file_system_status) operation.output = &file_system;
    CAPTURE(static_cast<int>(code));
    co_await cancel_and_count(reactor, operation);
    // It ended with what came first: the cancel or the operation.
    CHECK((operation.last == -ECANCELED || operation.last >= 0 || operation.last == -ENOENT));
  }
  Counting open(Opcode::open_at);
  open.descriptor = directory;
  open.path = "file";
  co_await cancel_and_count(reactor, open);
  if (open.last >= 0) {
    co_await reactor.close_now(open.last);
  }
  // A close is never called off: the descriptor would leak.
  Counting close(Opcode::close);
  close.descriptor = *file;
  co_await cancel_and_count(reactor, close);
  CHECK(close.last == 0);
}

TEST_CASE_TEMPLATE("a cancelled file operation completes exactly once", World, MAILROOT_WORLDS) {
  run_in_directory<World>(cancel_files);
}

task<void> deadlines(Reactor& reactor) {
  const Listening listening = listen_on_loopback(reactor);
  const Pair pair = co_await connected_pair(reactor);
  AcceptStream accepts(reactor, listening.socket);
  const Instant begin = reactor.now();
  const result<Descriptor> accepted = co_await accepts.next(within_ms(reactor, 20));
  CHECK(failure_of(accepted) == Errc::timed_out);
  CHECK(reactor.now() - begin >= std::chrono::milliseconds(20));
  const result<uint32_t> polled =
      co_await reactor.poll(pair.server, POLLIN, within_ms(reactor, 20));
  CHECK(failure_of(polled) == Errc::timed_out);
  std::vector<char> bytes(32 << 20);
  const iovec part{bytes.data(), bytes.size()};
  const result<void> sent =
      co_await reactor.send(pair.client, std::span(&part, 1), within_ms(reactor, 20));
  CHECK(failure_of(sent) == Errc::timed_out);
  // A deadline that has passed begins nothing.
  const result<Descriptor> never =
      co_await reactor.connect(listening.address, nullptr, Wait{begin});
  CHECK(failure_of(never) == Errc::timed_out);
  Event event;
  const result<void> waited = co_await event.wait(reactor, within_ms(reactor, 8));
  CHECK(failure_of(waited) == Errc::timed_out);
  CHECK(!event.has_waiters());
  co_await accepts.stop();
  co_await reactor.close_now(listening.socket);
  co_await close_pair(reactor, pair);
}

TEST_CASE_TEMPLATE("each call keeps its deadline", World, MAILROOT_WORLDS) {
  run_in<World>(deadlines);
}

struct Ends {
  int cancelled = 0;
  int others = 0;
  void count(std::optional<Errc> code) { ++(code == Errc::cancelled ? cancelled : others); }
};

task<void> wait_receive(Reactor& reactor, ReceiveStream& stream, CancelScope& scope, Ends& ends) {
  const result<BufferLease> lease = co_await stream.next(Wait{kNever, &scope});
  ends.count(failure_of(lease));
  co_await stream.stop();
  static_cast<void>(reactor);
}

task<void> wait_accept(AcceptStream& stream, CancelScope& scope, Ends& ends) {
  const result<Descriptor> accepted = co_await stream.next(Wait{kNever, &scope});
  ends.count(failure_of(accepted));
  co_await stream.stop();
}

task<void> wait_poll(Reactor& reactor, Descriptor socket, CancelScope& scope, Ends& ends) {
  const result<uint32_t> polled = co_await reactor.poll(socket, POLLIN, Wait{kNever, &scope});
  ends.count(failure_of(polled));
}

task<void> wait_send(Reactor& reactor, Descriptor socket, CancelScope& scope, Ends& ends) {
  std::vector<char> bytes(32 << 20);
  const iovec part{bytes.data(), bytes.size()};
  const result<void> sent =
      co_await reactor.send(socket, std::span(&part, 1), Wait{kNever, &scope});
  ends.count(failure_of(sent));
}

task<void> wait_sleep(Reactor& reactor, CancelScope& scope, Ends& ends) {
  const result<void> slept =
      co_await reactor.sleep_until(reactor.now() + std::chrono::hours(1), Wait{kNever, &scope});
  ends.count(failure_of(slept));
}

task<void> wait_event(Reactor& reactor, Event& event, CancelScope& scope, Ends& ends) {
  const result<void> waited = co_await event.wait(reactor, Wait{kNever, &scope});
  ends.count(failure_of(waited));
}

task<void> scope_tree(Reactor& reactor) {
  const Listening listening = listen_on_loopback(reactor);
  const Pair first = co_await connected_pair(reactor);
  const Pair second = co_await connected_pair(reactor);
  const Pair third = co_await connected_pair(reactor);
  CancelScope root(nullptr);
  CancelScope middle(&root);
  CancelScope leaf(&middle);
  CancelScope beside(nullptr);
  ReceiveStream receives(reactor, first.server);
  AcceptStream accepts(reactor, listening.socket);
  Event event;
  Ends ends;
  Ends untouched;
  TaskGroup group;
  group.spawn(wait_receive(reactor, receives, leaf, ends));
  group.spawn(wait_accept(accepts, middle, ends));
  group.spawn(wait_poll(reactor, second.server, leaf, ends));
  group.spawn(wait_send(reactor, third.client, root, ends));
  group.spawn(wait_sleep(reactor, leaf, ends));
  group.spawn(wait_event(reactor, event, middle, ends));
  group.spawn(wait_event(reactor, event, beside, untouched));
  co_await sleep_ms(reactor, 10);
  CHECK(ends.cancelled == 0);
  root.cancel();
  root.cancel();
  CHECK(leaf.is_cancelled());
  co_await sleep_ms(reactor, 20);
  CHECK(ends.cancelled == 6);
  CHECK(ends.others == 0);
  CHECK(untouched.cancelled == 0);
  CHECK(group.running() == 1);
  // Later waits under it, and under children born later, end at once.
  CancelScope born_later(&middle);
  CHECK(born_later.is_cancelled());
  co_await wait_sleep(reactor, born_later, ends);
  co_await wait_event(reactor, event, leaf, ends);
  CHECK(ends.cancelled == 8);
  beside.cancel();
  co_await group.join();
  CHECK(untouched.cancelled == 1);
  co_await reactor.close_now(listening.socket);
  co_await close_pair(reactor, first);
  co_await close_pair(reactor, second);
  co_await close_pair(reactor, third);
}

TEST_CASE_TEMPLATE("a scope calls off all that waits below it, and nothing beside it", World,
                   MAILROOT_WORLDS) {
  run_in<World>(scope_tree);
}

task<void> cancelled_reader(Reactor& reactor) {
  const Pair pair = co_await connected_pair(reactor);
  ReceiveStream stream(reactor, pair.server);
  CancelScope scope(nullptr);
  const result<void> sent = co_await send_text(reactor, pair.client, "here already");
  CHECK(sent.has_value());
  const result<BufferLease> nothing = co_await stream.next(within_ms(reactor, 1));
  co_await sleep_ms(reactor, 20);
  scope.cancel();
  const result<BufferLease> lease = co_await stream.next(Wait{kNever, &scope});
  CHECK(failure_of(lease) == Errc::cancelled);
  static_cast<void>(nothing.has_value());
  co_await stream.stop();
  co_await close_pair(reactor, pair);
}

TEST_CASE_TEMPLATE("a cancelled reader gets no more bytes", World, MAILROOT_WORLDS) {
  run_in<World>(cancelled_reader);
}

}  // namespace
}  // namespace mailroot::reactor::test
