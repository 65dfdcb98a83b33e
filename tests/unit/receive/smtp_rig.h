// A Listener on the loopback address, and clients that talk to it over real sockets.
#pragma once

#include <sys/socket.h>

#include "fakes.h"
#include "mailroot/receive/listener.h"

namespace mailroot::receive::test {

using reactor::Descriptor;

struct SmtpRig {
  Reactor& reactor;
  FakeService service;
  SocketAddress address;
  std::unique_ptr<Listener> listener;
  reactor::CancelScope scope{nullptr};
  reactor::TaskGroup connections, listening;

  explicit SmtpRig(Reactor& own_reactor) : reactor(own_reactor), service(own_reactor) {}

  // Socket buffers of accepted connections, when not 0, are that small.
  void start(int send_buffer_bytes = 0) {
    reactor::Backend& backend = reactor.backend();
    const auto bound = backend.bind_socket({IpAddress::v4(0x7F000001), 0}, {});
    REQUIRE(bound.has_value());
    if (send_buffer_bytes > 0) {
      REQUIRE(::setsockopt(*bound, SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes,
                           sizeof send_buffer_bytes) == 0);
    }
    REQUIRE(backend.listen(*bound, 64).has_value());
    address = *backend.local_address(*bound);
    listener = std::make_unique<Listener>(reactor, *bound, address, service,
                                          ConnectionHome{&scope, &connections});
    listening.spawn(listener->run());
  }
  // As a virtual server ends: no new connections, then the old ones.
  task<void> stop() {
    if (listener && listening.running() > 0) listener->retire(kRetireTime);
    co_await listening.join();
    scope.cancel();
    co_await connections.join();
    CHECK(service.admission().open() == 0);
    CHECK(service.counters().connections_open == 0);
  }

  FakeSpool& spool() { return service.fake_spool(); }
  task<void> pause(int ms) {
    co_await reactor.sleep_until(reactor.now() + std::chrono::milliseconds(ms), {});
  }
  // Until no connection is open; false after ten seconds.
  task<bool> until_alone() {
    for (int i = 0; i < 2000; ++i) {
      if (service.admission().open() == 0) co_return true;
      co_await pause(5);
    }
    co_return false;
  }
};

// One client. finish() before it dies.
class Client {
 public:
  explicit Client(SmtpRig& rig) : reactor_(rig.reactor), server_(rig.address) {}
  ~Client() { REQUIRE(socket_ == reactor::kNoDescriptor); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  task<void> connect() {
    auto connected = co_await reactor_.connect(server_, nullptr, soon());
    REQUIRE(connected.has_value());
    socket_ = *connected;
    stream_ = std::make_unique<reactor::ReceiveStream>(reactor_, socket_);
  }
  // False when the server does not take it.
  task<bool> send(std::string text) {
    auto sent = co_await send_until(std::move(text), reactor_.now() + std::chrono::seconds(20));
    co_return sent;
  }
  task<bool> send_until(std::string text, Instant deadline) {
    const iovec piece{text.data(), text.size()};
    auto sent = co_await reactor_.send(socket_, {&piece, 1}, {deadline, nullptr});
    co_return sent.has_value();
  }
  // The next reply, its lines joined by "|"; "closed" when the server ends the connection first.
  task<std::string> reply() {
    std::string lines;
    for (;;) {
      for (size_t end = unread_.find("\r\n"); end != std::string::npos;
           end = unread_.find("\r\n")) {
        const std::string line = unread_.substr(0, end);
        unread_.erase(0, end + 2);
        lines += (lines.empty() ? "" : "|") + line;
        if (line.size() < 4 || line[3] != '-') co_return lines;
      }
      auto received = co_await stream_->next(soon());
      if (!received) co_return "closed";
      unread_ += as_text(received->bytes());
    }
  }
  task<std::string> ask(std::string command) {
    const bool sent = co_await send(std::move(command) + "\r\n");
    if (!sent) co_return "closed";
    auto answer = co_await reply();
    co_return answer;
  }
  // EHLO, MAIL, RCPT; false if one of them is refused.
  task<bool> begin() {
    auto answer = co_await reply();
    for (const char* const command :
         {"EHLO client.example.org", "MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.net>"}) {
      if (!answer.starts_with('2')) co_return false;
      answer = co_await ask(command);
    }
    co_return answer.starts_with('2');
  }
  task<void> finish() {
    if (socket_ == reactor::kNoDescriptor) co_return;
    co_await stream_->stop();
    stream_.reset();
    co_await reactor_.close_now(socket_);
    socket_ = reactor::kNoDescriptor;
  }
  // Ends the connection with RST.
  task<void> reset() {
    const linger at_once{1, 0};
    REQUIRE(::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    co_await finish();
  }
  Descriptor socket() const { return socket_; }

 private:
  reactor::Wait soon() const { return {reactor_.now() + std::chrono::seconds(20), nullptr}; }

  Reactor& reactor_;
  SocketAddress server_;
  Descriptor socket_ = reactor::kNoDescriptor;
  std::unique_ptr<reactor::ReceiveStream> stream_;
  std::string unread_;
};

}  // namespace mailroot::receive::test
