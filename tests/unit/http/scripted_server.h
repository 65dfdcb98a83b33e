// An HTTP server on a loopback port that answers every connection with fixed octets, then closes,
// sends on for ever, or stays silent.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace mailroot::http {

class ScriptedServer {
 public:
  enum class Then : uint8_t { close, go_on, hang };
  explicit ScriptedServer(std::string says, Then then = Then::close)
      : says_(std::move(says)), then_(then) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 16);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedServer() {
    ends_ = true;
    thread_.join();
    ::close(listener_);
  }
  std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  static constexpr int kTickMs = 10;
  bool is_ready(int socket, short events) const {
    pollfd wanted{socket, events, 0};
    while (!ends_) {
      if (::poll(&wanted, 1, kTickMs) > 0) return true;
    }
    return false;
  }
  void serve() {
    while (is_ready(listener_, POLLIN)) {
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) return;
      answer(socket);
      ::close(socket);
    }
  }
  void answer(int socket) {
    std::string request;
    while (!is_whole(request) && is_ready(socket, POLLIN)) {
      char bytes[4096];
      const ssize_t got = ::recv(socket, bytes, sizeof bytes, 0);
      if (got <= 0) break;
      request.append(bytes, static_cast<size_t>(got));
    }
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    ::send(socket, says_.data(), says_.size(), MSG_NOSIGNAL);
    const std::string more(16384, 'x');
    while (then_ == Then::go_on && is_ready(socket, POLLOUT)) {
      if (::send(socket, more.data(), more.size(), MSG_NOSIGNAL) <= 0) break;
    }
    if (then_ == Then::hang) is_ready(socket, POLLIN);  // until the client has enough
  }
  static bool is_whole(const std::string& request) {
    if (request.starts_with('\x16')) return true;  // a TLS client
    const size_t end = request.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const size_t length = request.find("Content-Length: ");
    if (length == std::string::npos) return true;
    return request.size() >= end + 4 + std::stoul(request.substr(length + 16));
  }

  std::string says_;
  Then then_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> ends_ = false;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace mailroot::http
