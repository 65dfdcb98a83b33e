#include "line_client.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace mailroot::ctl {

namespace {

using std::chrono::steady_clock;

std::unexpected<std::string> system_reason() {
  const bool timed_out = errno == EAGAIN || errno == EINPROGRESS;
  return std::unexpected<std::string>(std::strerror(timed_out ? ETIMEDOUT : errno));
}

}  // namespace

LineClient::~LineClient() {
  if (socket_ >= 0) ::close(socket_);
}

std::expected<void, std::string> LineClient::wait_until(steady_clock::time_point end, int option) {
  using std::chrono::microseconds;
  const auto rest = std::chrono::duration_cast<microseconds>(end - steady_clock::now());
  if (rest.count() <= 0) return std::unexpected<std::string>(std::strerror(ETIMEDOUT));
  const timeval time{rest.count() / 1'000'000, rest.count() % 1'000'000};
  setsockopt(socket_, SOL_SOCKET, option, &time, sizeof time);
  return {};
}

std::expected<void, std::string> LineClient::connect(const SocketAddress& peer,
                                                     std::chrono::seconds patience) {
  patience_ = patience;
  const int family = peer.ip.family() == IpFamily::v4 ? AF_INET : AF_INET6;
  socket_ = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return system_reason();
  // Counts for connect(2) too: socket(7).
  if (auto set = wait_until(steady_clock::now() + patience, SO_SNDTIMEO); !set) return set;
  sockaddr_storage storage{};
  auto* const generic = reinterpret_cast<sockaddr*>(&storage);
  const uint32_t length = peer.to_sockaddr(generic);
  if (::connect(socket_, generic, length) != 0) return system_reason();
  return {};
}

std::expected<smtp::Reply, std::string> LineClient::read_reply() {
  const auto end = steady_clock::now() + patience_;
  smtp::ReplyStatus status = smtp::ReplyStatus::incomplete;
  while (true) {
    const size_t consumed = parser_.feed(as_bytes(pending_), status);
    pending_.erase(0, consumed);
    if (status == smtp::ReplyStatus::complete) return parser_.reply();
    if (status == smtp::ReplyStatus::malformed) {
      return std::unexpected(fmt::format("it is no SMTP server: {}", parser_.error()));
    }
    if (auto set = wait_until(end, SO_RCVTIMEO); !set) return std::unexpected(set.error());
    char buffer[4096];
    const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_reason();
    if (count == 0) return std::unexpected<std::string>("it closed the connection");
    pending_.append(buffer, static_cast<size_t>(count));
  }
}

std::expected<void, std::string> LineClient::send(std::string_view bytes) {
  const auto end = steady_clock::now() + patience_;
  while (!bytes.empty()) {
    if (auto set = wait_until(end, SO_SNDTIMEO); !set) return set;
    const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_reason();
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return {};
}

std::expected<smtp::Reply, std::string> LineClient::ask(std::string_view line) {
  if (auto sent = send(std::string(line) + "\r\n"); !sent) return std::unexpected(sent.error());
  return read_reply();
}

std::string to_line(const smtp::Reply& reply) {
  std::string text = reply.text;
  std::replace(text.begin(), text.end(), '\n', ' ');
  return fmt::format("{}{}{} {}", reply.code, reply.enhanced.empty() ? "" : " ", reply.enhanced,
                     text);
}

}  // namespace mailroot::ctl
