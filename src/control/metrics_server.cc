#include "mailroot/control/metrics_server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "http_request.h"
#include "limits.h"
#include "mailroot/base/address.h"
#include "metric_text.h"

namespace mailroot::control {

using reactor::Descriptor;
using reactor::task;

std::string_view status_of(std::string_view head) {
  const std::string_view line = head.substr(0, head.find_first_of("\r\n"));
  const size_t method_end = line.find(' ');
  const size_t target_end = line.rfind(' ');
  if (method_end == std::string_view::npos || target_end <= method_end) return "400 Bad Request";
  if (!line.substr(target_end + 1).starts_with("HTTP/1.")) return "400 Bad Request";
  const std::string_view method = line.substr(0, method_end);
  std::string_view target = line.substr(method_end + 1, target_end - method_end - 1);
  target = target.substr(0, target.find('?'));
  if (target != "/metrics") return "404 Not Found";
  if (method != "GET" && method != "HEAD") return "405 Method Not Allowed";
  return "200 OK";
}

std::string response_head(std::string_view status, size_t body_bytes) {
  std::string out = "HTTP/1.1 " + std::string(status) + "\r\n";
  out += status.starts_with("200") ? "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                                   : "Content-Type: text/plain; charset=utf-8\r\n";
  if (status.starts_with("405")) out += "Allow: GET, HEAD\r\n";
  out += "Content-Length: " + std::to_string(body_bytes) + "\r\nConnection: close\r\n\r\n";
  return out;
}

struct MetricsServer::Impl {
  Impl(reactor::Reactor& control_reactor, server::Supervisor& the_supervisor, log::Sink& sink,
       std::string address)
      : control(control_reactor),
        supervisor(the_supervisor),
        log(sink),
        listen(std::move(address)) {}

  int open();
  task<bool> open_patiently();
  task<void> serve(Descriptor connection);
  task<std::string> read_head(reactor::ReceiveStream& stream);
  task<void> answer(Descriptor connection, std::string head);
  task<std::shared_ptr<const std::string>> text();

  reactor::Reactor& control;
  server::Supervisor& supervisor;
  log::Sink& log;
  std::string listen;
  Descriptor listener = reactor::kNoDescriptor;
  reactor::CancelScope scope{nullptr};
  reactor::TaskGroup connections;
  // Written for one, given to all who ask while it is fresh, or is being written.
  std::shared_ptr<const std::string> latest;
  Instant written_at{};
  bool writing = false;
  reactor::Event written;
};

MetricsServer::MetricsServer(reactor::Reactor& control, server::Supervisor& supervisor,
                             log::Sink& log, std::string listen)
    : impl_(std::make_unique<Impl>(control, supervisor, log, std::move(listen))) {}

MetricsServer::~MetricsServer() {
  if (impl_->listener != reactor::kNoDescriptor) ::close(impl_->listener);
}

void MetricsServer::stop() { impl_->scope.cancel(); }

// 0, or the errno. Without SO_REUSEPORT: the port is never shared.
int MetricsServer::Impl::open() {
  const auto address = SocketAddress::parse(listen);
  if (!address) return EINVAL;
  sockaddr_in6 storage{};
  auto* generic = reinterpret_cast<sockaddr*>(&storage);
  const socklen_t size = address->to_sockaddr(generic);
  const int socket =
      ::socket(generic->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (socket < 0) return errno;
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket, generic, size) != 0 ||
      ::listen(socket, static_cast<int>(kMetricsConnectionsMax)) != 0) {
    const int reason = errno;
    ::close(socket);
    return reason;
  }
  listener = socket;
  return 0;
}

task<bool> MetricsServer::Impl::open_patiently() {
  bool warned = false;
  while (!scope.is_cancelled()) {
    const int problem = open();
    if (problem == 0) {
      log.write(log::Event(log::Level::info, "metrics").with("listen", listen));
      co_return true;
    }
    if (!warned) {
      log.write(log::Event(log::Level::warning, "metrics")
                    .with("listen", listen)
                    .with("reason", std::strerror(problem))
                    .with("advice", "mail goes on; tried again every 10 seconds; metrics.listen"));
    }
    warned = true;
    co_await control.sleep_until(control.now() + kMetricsBindRetry, {kNever, &scope});
  }
  co_return false;
}

task<void> MetricsServer::run() {
  Impl& impl = *impl_;
  if (impl.listen == "off") co_return;
  const bool opened = co_await impl.open_patiently();
  if (!opened) co_return;
  reactor::AcceptStream arriving(impl.control, impl.listener);
  while (!impl.scope.is_cancelled()) {
    auto connection = co_await arriving.next({kNever, &impl.scope});
    if (!connection) continue;
    if (impl.connections.running() < kMetricsConnectionsMax) {
      impl.connections.spawn(impl.serve(*connection));
    } else {
      impl.control.close(*connection);
    }
  }
  co_await arriving.stop();
  co_await impl.connections.join();
}

task<void> MetricsServer::Impl::serve(Descriptor connection) {
  reactor::ReceiveStream stream(control, connection);
  std::string head = co_await read_head(stream);
  if (!head.empty()) {
    co_await answer(connection, std::move(head));
  }
  co_await stream.stop();
  co_await control.close_now(connection);
}

// Empty when the client went, or took too long; too long a head is given as it is, incomplete.
task<std::string> MetricsServer::Impl::read_head(reactor::ReceiveStream& stream) {
  const Instant deadline = control.now() + kMetricsRequestTimeout;
  std::string head;
  while (!is_complete_head(head) && head.size() <= kMetricsRequestMax) {
    auto received = co_await stream.next({deadline, &scope});
    if (!received) co_return std::string();
    head += as_text(received->bytes());
  }
  co_return head;
}

task<void> MetricsServer::Impl::answer(Descriptor connection, std::string head) {
  const std::string_view status =
      head.size() > kMetricsRequestMax ? "431 Request Header Fields Too Large" : status_of(head);
  std::shared_ptr<const std::string> body;
  if (status == "200 OK") {
    body = co_await text();
  } else {
    body = std::make_shared<const std::string>(std::string(status) + "; see /metrics\n");
  }
  std::string first = response_head(status, body->size());
  const size_t body_bytes = wants_body(head) ? body->size() : 0;
  const iovec pieces[] = {{first.data(), first.size()},
                          {const_cast<char*>(body->data()), body_bytes}};
  const Instant deadline = control.now() + kMetricsReplyTimeout;
  auto sent = co_await control.send(connection, {pieces, 2}, {deadline, &scope});
  if (sent) {
    co_await control.shut_down(connection);
  }
}

task<std::shared_ptr<const std::string>> MetricsServer::Impl::text() {
  while (writing) {
    co_await written.wait(control, {});
  }
  if (latest != nullptr && control.now() - written_at < kMetricsFresh) co_return latest;
  writing = true;
  std::string fresh = co_await metrics_text(control, supervisor);
  latest = std::make_shared<const std::string>(std::move(fresh));
  written_at = control.now();
  writing = false;
  written.notify_all();
  co_return latest;
}

}  // namespace mailroot::control
