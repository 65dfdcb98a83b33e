// Conformance: connections.
#include <cerrno>
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

TEST_CASE_TEMPLATE("bytes go both ways", World, MAILROOT_KERNEL_WORLDS) { run_in<World>(exchange); }

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
  CHECK(!end.has_value());
  CHECK(end.error().code == Errc::end_of_stream);
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

TEST_CASE_TEMPLATE("half close ends one direction", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World>(half_close);
}

task<void> refused(Reactor& reactor) {
  const Listening listening = listen_on_loopback(reactor);
  co_await reactor.close_now(listening.socket);
  const result<Descriptor> made =
      co_await reactor.connect(listening.address, nullptr, soon(reactor));
  CHECK(!made.has_value());
  CHECK(made.error().code == Errc::refused);
}

TEST_CASE_TEMPLATE("nobody listens", World, MAILROOT_KERNEL_WORLDS) { run_in<World>(refused); }

}  // namespace
}  // namespace mailroot::reactor::test
