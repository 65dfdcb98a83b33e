#include "client.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mailroot::ctl {

namespace {

constexpr size_t kReplyBytesMax = 256 * 1024 * 1024;

std::string reason(const std::string& path) {
  switch (errno) {
    case ENOENT:
      return "no control socket at " + path + ": is mailrootd running?";
    case ECONNREFUSED:
      return "nobody answers at " + path + ": mailrootd is not running";
    case EACCES:
      return "no permission to use " + path;
    default:
      return path + ": " + std::strerror(errno);
  }
}

}  // namespace

Client::~Client() {
  if (socket_ >= 0) ::close(socket_);
}

std::expected<void, std::string> Client::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return std::unexpected("socket path is too long: " + path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return std::unexpected(std::string(std::strerror(errno)));
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return std::unexpected(reason(path));
  }
  return {};
}

std::expected<std::string, std::string> Client::read_line() {
  size_t searched = 0;
  while (true) {
    const size_t end = pending_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return line;
    }
    searched = pending_.size();
    if (pending_.size() > kReplyBytesMax) return std::unexpected("the reply is too long");
    char buffer[64 * 1024];
    const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return std::unexpected("mailrootd closed the connection");
    pending_.append(buffer, static_cast<size_t>(count));
  }
}

std::expected<Reply, std::string> Client::ask(const std::string& command) {
  // Whoever was refused finds the reason in what was received, though nothing can be sent.
  const std::string line = command + "\n";
  [[maybe_unused]] const ssize_t sent = ::send(socket_, line.data(), line.size(), MSG_NOSIGNAL);
  Reply reply;
  while (true) {
    auto read = read_line();
    if (!read) return std::unexpected(read.error());
    if (read->size() < 4) return std::unexpected("mailrootd answered out of form");
    if ((*read)[3] == '-') {
      reply.lines.push_back(read->substr(4));
      continue;
    }
    reply.ok = read->starts_with("250");
    reply.may_succeed_later = read->starts_with("4");
    reply.last = read->substr(4);
    return reply;
  }
}

}  // namespace mailroot::ctl
