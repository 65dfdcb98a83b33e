#include "mailroot/receive/listener.h"

#include "arrivals.h"
#include "connection.h"
#include "limits.h"

namespace mailroot::receive {

namespace {

using reactor::Descriptor;
using reactor::Reactor;
using reactor::task;

task<void> send_and_close(Reactor& reactor, Descriptor socket, std::string line) {
  const iovec piece{line.data(), line.size()};
  co_await reactor.send(socket, {&piece, 1}, {reactor.now() + kRefusalTimeout, nullptr});
  co_await reactor.shut_down(socket);
  co_await reactor.close_now(socket);
}

}  // namespace

Listener::Listener(Reactor& reactor, Descriptor socket, SocketAddress address, Service& service,
                   ConnectionHome home)
    : reactor_(reactor),
      socket_(socket),
      address_(address),
      service_(&service),
      home_(home),
      accepting_(nullptr) {}

void Listener::adopt(Service& service, ConnectionHome home) {
  service_ = &service;
  home_ = home;
}

void Listener::retire(std::chrono::milliseconds answering) {
  retire_at_ = reactor_.now() + answering;
  accepting_.cancel();
}

task<void> Listener::run() {
  reactor::AcceptStream arriving(reactor_, socket_, [this](Error reason) { note_rest(reason); });
  while (true) {
    // After retire() the scope is off and only the deadline ends the wait.
    const bool retiring = retire_at_ != kNever;
    const reactor::Wait wait{retire_at_, retiring ? nullptr : &accepting_};
    auto connection = co_await arriving.next(wait);
    if (connection) {
      take(*connection);
    } else if (retiring) {
      break;
    } else if (arriving.has_ended()) {
      co_await rest_until_retired();
      break;
    }
  }
  co_await arriving.stop();
  while (arriving.has_ready()) {
    auto connection = co_await arriving.next({});
    if (connection) take(*connection);
  }
  co_await refusals_.join();
  co_await reactor_.close_now(socket_);
}

// No descriptor or no memory for one more connection: clients wait in the kernel's queue. Said at
// once and then once an interval, as long as it lasts.
void Listener::note_rest(Error reason) {
  const Instant now = reactor_.now();
  if (now < rest_said_until_) return;
  rest_said_until_ = now + kRestLogInterval;
  service_->log().write(
      log::Event(log::Level::error, "accept_paused")
          .with("server", service_->settings()->id)
          .with("local", address_.to_string())
          .with("reason", describe(reason.code))
          .with("errno", reason.system_errno)
          .with("advice",
                "raise the limit of open files (LimitNOFILE) or lower connections.limit"));
}

// The socket is beyond use: asking it again would only keep the processor busy.
task<void> Listener::rest_until_retired() {
  service_->log().write(log::Event(log::Level::error, "listen")
                            .with("server", service_->settings()->id)
                            .with("local", address_.to_string())
                            .with("reason", "the listening socket failed; nothing is accepted"));
  co_await reactor_.sleep_until(kNever, {kNever, &accepting_});
}

void Listener::take(Descriptor connection) {
  const auto local = reactor_.backend().local_address(connection);
  const auto peer = reactor_.backend().peer_address(connection);
  if (!local || !peer) {  // gone before we looked
    reactor_.close(connection);
    return;
  }
  service_->counters().connections.fetch_add(1, std::memory_order_relaxed);
  const bool retiring = retire_at_ != kNever;
  const auto settings = service_->settings();
  if (!retiring && speaks_for_others(*settings, peer->ip)) {
    reactor_.backend().set_no_delay(connection);
    home_.group->spawn(serve_behind(reactor_, *service_, connection, *local, *peer, home_.scope));
    return;
  }
  if (auto reply = why_not_admitted(*service_, *local, *peer, retiring)) {
    refuse(connection, std::move(*reply));
    return;
  }
  reactor_.backend().set_no_delay(connection);
  auto stream = std::make_unique<reactor::ReceiveStream>(reactor_, connection);
  Arrived arrived{connection, *local, *peer, std::nullopt, std::move(stream)};
  home_.group->spawn(
      serve(std::make_unique<Connection>(reactor_, *service_, std::move(arrived), home_.scope)));
}

void Listener::refuse(Descriptor connection, std::string reply) {
  if (refusals_.running() >= kRefusalsInFlightMax) {
    reactor_.close(connection);
    return;
  }
  refusals_.spawn(send_and_close(reactor_, connection, std::move(reply) + "\r\n"));
}

}  // namespace mailroot::receive
