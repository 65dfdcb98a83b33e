#include "mailroot/control/control_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "commands.h"
#include "limits.h"
#include "mailroot/base/assert.h"
#include "peer.h"

namespace mailroot::control {

using reactor::Descriptor;
using reactor::task;

namespace {

// Idle ones go after kControlIdleTimeout.
constexpr const char* kTooMany =
    "500 too many programs are connected to the control socket; try again when some have ended\n";

}  // namespace

struct ControlServer::Impl {
  Impl(reactor::Reactor& control_reactor, server::Supervisor& the_supervisor, log::Sink& sink)
      : control(control_reactor), supervisor(the_supervisor), log(sink) {}

  task<void> serve(Descriptor connection, Right right);
  task<bool> answer_lines(Descriptor connection, std::string& pending, Right right);
  task<bool> send(Descriptor connection, std::string reply);

  reactor::Reactor& control;
  server::Supervisor& supervisor;
  log::Sink& log;
  std::string path;
  Descriptor listener = reactor::kNoDescriptor;
  reactor::CancelScope scope{nullptr};
  reactor::TaskGroup connections;
};

ControlServer::ControlServer(reactor::Reactor& control, server::Supervisor& supervisor,
                             log::Sink& log)
    : impl_(std::make_unique<Impl>(control, supervisor, log)) {}

ControlServer::~ControlServer() {
  if (impl_->listener == reactor::kNoDescriptor) return;
  ::close(impl_->listener);
  ::unlink(impl_->path.c_str());
}

std::expected<void, std::string> ControlServer::open(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return std::unexpected("control socket path is too long (107 bytes at most): " + path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool alive = probe >= 0 && ::connect(probe, generic, sizeof address) == 0;
  if (probe >= 0) ::close(probe);
  if (alive) return std::unexpected("another mailrootd answers at " + path);
  ::unlink(path.c_str());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) return std::unexpected(std::string("control socket: ") + std::strerror(errno));
  // Everybody may connect; who may do what is decided by credentials (peer.h).
  const mode_t before = ::umask(0);
  const bool bound = ::bind(socket, generic, sizeof address) == 0;
  const int bind_errno = errno;
  ::umask(before);
  if (!bound || ::listen(socket, static_cast<int>(kControlConnectionsMax)) != 0) {
    const int reason = bound ? errno : bind_errno;
    ::close(socket);
    return std::unexpected("cannot listen at " + path + ": " + std::strerror(reason));
  }
  impl_->path = path;
  impl_->listener = socket;
  return {};
}

task<void> ControlServer::run() {
  Impl& impl = *impl_;
  MAILROOT_ASSERT(impl.listener != reactor::kNoDescriptor, "open() comes before run()");
  reactor::AcceptStream arriving(impl.control, impl.listener);
  while (!impl.scope.is_cancelled()) {
    auto connection = co_await arriving.next({kNever, &impl.scope});
    if (!connection) continue;
    const Right right = right_of_peer(*connection);
    const size_t most = right == Right::none ? kControlStrangersMax : kControlConnectionsMax;
    if (impl.connections.running() < most) {
      impl.connections.spawn(impl.serve(*connection, right));
      continue;
    }
    co_await impl.send(*connection, kTooMany);
    impl.control.close(*connection);
  }
  co_await arriving.stop();
  co_await impl.connections.join();
}

void ControlServer::stop() { impl_->scope.cancel(); }

task<void> ControlServer::Impl::serve(Descriptor connection, Right right) {
  reactor::ReceiveStream stream(control, connection);
  std::string pending;
  bool open = true;
  while (open) {
    auto received = co_await stream.next({control.now() + kControlIdleTimeout, &scope});
    if (!received) break;
    pending += as_text(received->bytes());
    open = co_await answer_lines(connection, pending, right);
    if (open && pending.size() > kCommandBytesMax) {
      co_await send(connection, "500 a command has at most 4096 bytes\n");
      open = false;
    }
  }
  co_await stream.stop();
  co_await control.close_now(connection);
}

task<bool> ControlServer::Impl::answer_lines(Descriptor connection, std::string& pending,
                                             Right right) {
  size_t end = 0;
  while ((end = pending.find('\n')) != std::string::npos) {
    std::string line = pending.substr(0, end);
    pending.erase(0, end + 1);
    if (line.starts_with("quit")) co_return false;
    std::string reply = co_await run_command(control, supervisor, std::move(line), right);
    const bool sent = co_await send(connection, std::move(reply));
    if (!sent) co_return false;
  }
  co_return true;
}

task<bool> ControlServer::Impl::send(Descriptor connection, std::string reply) {
  const iovec piece{reply.data(), reply.size()};
  auto sent = co_await control.send(connection, {&piece, 1},
                                    {control.now() + kControlReplyTimeout, nullptr});
  co_return sent.has_value();
}

}  // namespace mailroot::control
