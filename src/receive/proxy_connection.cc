// Connections through a balancer (PROXY protocol), and who is admitted.
#include <algorithm>

#include "arrivals.h"
#include "limits.h"
#include "proxy_header.h"

namespace mailroot::receive {

using reactor::task;

namespace {

using State = ProxyHeader::State;

void log_no_header(Service& service, const SocketAddress& local, const SocketAddress& balancer,
                   std::string_view reason) {
  service.counters().connections_refused.fetch_add(1, std::memory_order_relaxed);
  service.log().write(log::Event(log::Level::warning, "refused")
                          .with("server", service.settings()->id)
                          .with("peer", balancer.to_string())
                          .with("local", local.to_string())
                          .with("reason", reason));
}

// Until the header is whole: its words and what came behind them. Nothing: no such header.
task<std::optional<ProxyHeader>> read_header(reactor::Reactor& reactor,
                                             reactor::ReceiveStream& stream, std::string& read,
                                             reactor::CancelScope* scope) {
  const reactor::Wait wait{reactor.now() + kProxyHeaderTimeout, scope};
  while (true) {
    auto received = co_await stream.next(wait);
    if (!received) co_return std::nullopt;
    read += as_text(received->bytes());
    const ProxyHeader header = parse_proxy_header(as_bytes(read));
    if (header.state == State::invalid) co_return std::nullopt;
    if (header.state == State::complete) co_return header;
  }
}

}  // namespace

std::optional<std::string> why_not_admitted(Service& service, const SocketAddress& local,
                                            const SocketAddress& peer, bool retiring) {
  auto reply = service.refusal(local, peer);
  if (retiring) reply = "421 4.3.2 Service not available, closing transmission channel";
  std::string_view reason = "refused";
  if (!reply) {
    const auto settings = service.settings();
    const auto verdict =
        service.admission().enter(peer.ip, settings->connections_limit, settings->per_client_limit);
    if (verdict == Admission::Verdict::server_full) {
      reason = "connections.limit reached";
      reply = "421 4.7.0 Too many connections to this server, try again later";
    } else if (verdict == Admission::Verdict::client_full) {
      reason = "connections.per_client_limit reached";
      reply = "421 4.7.0 Too many connections from your address, try again later";
    }
  }
  if (!reply) return std::nullopt;
  service.counters().connections_refused.fetch_add(1, std::memory_order_relaxed);
  service.log().write(log::Event(log::Level::info, "refused")
                          .with("server", service.settings()->id)
                          .with("peer", peer.to_string())
                          .with("local", local.to_string())
                          .with("reason", reason)
                          .with("reply", *reply));
  return reply;
}

bool speaks_for_others(const config::VirtualServer& settings, const IpAddress& peer) {
  return std::ranges::any_of(settings.access.proxy_protocol,
                             [&](const Network& network) { return network.contains(peer); });
}

task<void> serve(std::unique_ptr<Connection> connection) { co_await connection->run(); }

task<void> serve_behind(reactor::Reactor& reactor, Service& service, reactor::Descriptor socket,
                        SocketAddress local, SocketAddress balancer, reactor::CancelScope* scope) {
  auto stream = std::make_unique<reactor::ReceiveStream>(reactor, socket);
  std::string read;
  const auto header = co_await read_header(reactor, *stream, read, scope);
  const SocketAddress peer = header && header->client ? *header->client : balancer;
  std::string farewell;
  if (!header) {
    log_no_header(service, local, balancer, "no PROXY header (access.proxy_protocol)");
  } else if (auto reply = why_not_admitted(service, local, peer, false)) {
    farewell = std::move(*reply) + "\r\n";
  } else {
    Arrived arrived{socket, local, peer, balancer, std::move(stream)};
    arrived.early = read.substr(header->size_bytes);
    co_await serve(std::make_unique<Connection>(reactor, service, std::move(arrived), scope));
    co_return;
  }
  if (!farewell.empty()) {
    const iovec piece{farewell.data(), farewell.size()};
    co_await reactor.send(socket, {&piece, 1}, {reactor.now() + kRefusalTimeout, nullptr});
  }
  co_await stream->stop();
  co_await reactor.shut_down(socket);
  co_await reactor.close_now(socket);
}

}  // namespace mailroot::receive
