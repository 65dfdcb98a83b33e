#include "mailroot/receive/listener.h"

#include "connection.h"
#include "limits.h"

namespace mailroot::receive {

namespace {

using reactor::Descriptor;
using reactor::Reactor;
using reactor::task;

// Owns the connection for as long as its driver runs.
task<void> serve(std::unique_ptr<Connection> connection) { co_await connection->run(); }

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
  auto& counters = service_->counters();
  counters.connections.fetch_add(1, std::memory_order_relaxed);
  auto reply = service_->refusal(*local, *peer);
  if (retire_at_ != kNever) reply = "421 4.3.2 Service not available, closing transmission channel";
  std::string_view reason = "refused";
  if (!reply) {
    const auto settings = service_->settings();
    const auto verdict = service_->admission().enter(peer->ip, settings->connections_limit,
                                                     settings->per_client_limit);
    if (verdict == Admission::Verdict::server_full) {
      reason = "connections.limit reached";
      reply = "421 4.7.0 Too many connections to this server, try again later";
    } else if (verdict == Admission::Verdict::client_full) {
      reason = "connections.per_client_limit reached";
      reply = "421 4.7.0 Too many connections from your address, try again later";
    }
  }
  if (reply) {
    counters.connections_refused.fetch_add(1, std::memory_order_relaxed);
    service_->log().write(log::Event(log::Level::info, "refused")
                              .with("server", service_->settings()->id)
                              .with("peer", peer->to_string())
                              .with("local", local->to_string())
                              .with("reason", reason)
                              .with("reply", *reply));
    refuse(connection, std::move(*reply));
    return;
  }
  reactor_.backend().set_no_delay(connection);
  home_.group->spawn(serve(
      std::make_unique<Connection>(reactor_, *service_, connection, *local, *peer, home_.scope)));
}

void Listener::refuse(Descriptor connection, std::string reply) {
  if (refusals_.running() >= kRefusalsInFlightMax) {
    reactor_.close(connection);
    return;
  }
  refusals_.spawn(send_and_close(reactor_, connection, std::move(reply) + "\r\n"));
}

}  // namespace mailroot::receive
