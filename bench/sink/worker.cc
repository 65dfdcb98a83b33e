#include "worker.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace mailroot::bench {
namespace {

constexpr size_t kBufferBytes = 256 * 1024;
constexpr size_t kEventsMax = 256;
// A client that never reads is not read from any more.
constexpr size_t kOutputMax = 1024 * 1024;

}  // namespace

Worker::Worker(Service& service, int listener, uint64_t number)
    : service_(service),
      shared_{service.options, counted_,         Mischief(service.options.misbehaviour, number),
              service.names,   service.messages, std::string()},
      listener_(listener),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      buffer_(std::make_unique<char[]>(kBufferBytes)) {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
}

Worker::~Worker() {
  for (auto& [key, link] : links_) {
    close(link->socket);
  }
  close(listener_);
  close(epoll_);
}

bool Worker::done() const {
  uint64_t expect = service_.options.expect;
  return service_.stop.load(std::memory_order_relaxed) ||
         (expect != 0 && service_.messages.load(std::memory_order_relaxed) >= expect);
}

void Worker::work() {
  uint64_t started_ns = now_ns();
  uint64_t cpu_ns = thread_cpu_ns();
  std::array<epoll_event, kEventsMax> events;
  while (!done()) {
    int count = epoll_wait(epoll_, events.data(), kEventsMax, timers_.empty() ? 50 : 1);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      if (event.data.ptr == nullptr) {
        accept_all();
      } else {
        on_event(*static_cast<Link*>(event.data.ptr), event.events);
      }
    }
    while (!timers_.empty() && timers_.begin()->first <= now_ns()) {
      Link& link = *timers_.begin()->second;
      timers_.erase(timers_.begin());
      link.timed = false;
      on_timer(link);
    }
  }
  counted_.cpu_ns = thread_cpu_ns() - cpu_ns;
  counted_.wall_ns = now_ns() - started_ns;
}

void Worker::accept_all() {
  for (int i = 0; i < 64; ++i) {
    Address client;
    client.length = sizeof client.storage;
    int socket = accept4(listener_, reinterpret_cast<sockaddr*>(&client.storage), &client.length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) {
      return;
    }
    ++counted_.connections;
    auto owned = std::make_unique<Link>(shared_, to_text(client), socket);
    Link& link = *owned;
    links_.emplace(&link, std::move(owned));
    counted_.open_most = std::max<uint64_t>(counted_.open_most, links_.size());
    link.interest = EPOLLIN;
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &link}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
    take(link, {});
  }
}

void Worker::on_event(Link& link, uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    send_output(link);
    settle(link);
    return;
  }
  if (link.blocked) {
    // Only EPOLLHUP and EPOLLERR are reported to a link that is not read from.
    remove(link, false);
    return;
  }
  read(link);
}

void Worker::read(Link& link) {
  ssize_t size = recv(link.socket, buffer_.get(), kBufferBytes, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (size <= 0) {
    remove(link, false);
    return;
  }
  take(link, {buffer_.get(), static_cast<size_t>(size)});
}

void Worker::take(Link& link, std::string_view bytes) {
  if (!link.input.empty()) {
    link.input += bytes;
    bytes = link.input;
  }
  Session::Next next = link.session.feed(bytes, link.output);
  if (bytes.empty()) {
    link.input.clear();
  } else {
    link.input = std::string(bytes);
  }
  switch (next) {
    case Session::Next::wait:
      link.blocked = true;
      set_timer(link, link.session.wait_ms());
      break;
    case Session::Next::stall:
      link.blocked = true;
      break;
    case Session::Next::close:
      link.closing = true;
      break;
    case Session::Next::reset:
      remove(link, true);
      return;
    case Session::Next::read:
    case Session::Next::proceed:
      break;
  }
  send_output(link);
  settle(link);
}

void Worker::send_output(Link& link) {
  flush_log();
  if (service_.options.misbehaviour.byte_interval_ms != 0) {
    send_slowly(link);
    return;
  }
  while (link.sent < link.output.size()) {
    ssize_t size = send(link.socket, link.output.data() + link.sent, link.output.size() - link.sent,
                        MSG_NOSIGNAL);
    if (size < 0) {
      if (errno != EAGAIN) {
        link.output.clear();
        link.sent = 0;
        link.closing = true;
      }
      return;
    }
    link.sent += static_cast<size_t>(size);
  }
  link.output.clear();
  link.sent = 0;
}

void Worker::send_slowly(Link& link) {
  if (link.timed || link.sent >= link.output.size()) {
    return;
  }
  ssize_t size = send(link.socket, link.output.data() + link.sent, 1, MSG_NOSIGNAL);
  if (size < 0 && errno != EAGAIN) {
    link.output.clear();
    link.sent = 0;
    link.closing = true;
    return;
  }
  link.sent += size > 0 ? 1 : 0;
  if (link.sent == link.output.size()) {
    link.output.clear();
    link.sent = 0;
  } else {
    set_timer(link, service_.options.misbehaviour.byte_interval_ms);
  }
}

/// Closes a finished link; else asks epoll for what it needs now.
void Worker::settle(Link& link) {
  bool unsent = link.sent < link.output.size();
  if (link.closing && !unsent) {
    remove(link, false);
    return;
  }
  bool slow = service_.options.misbehaviour.byte_interval_ms != 0;
  bool readable = !link.blocked && !link.closing && link.output.size() - link.sent < kOutputMax;
  uint32_t interest = (readable ? EPOLLIN : 0U) | (unsent && !slow ? EPOLLOUT : 0U);
  if (interest != link.interest) {
    link.interest = interest;
    epoll_event event{.events = interest, .data = {.ptr = &link}};
    epoll_ctl(epoll_, EPOLL_CTL_MOD, link.socket, &event);
  }
}

void Worker::set_timer(Link& link, uint64_t delay_ms) {
  if (link.timed) {
    return;
  }
  link.timed = true;
  timers_.emplace(now_ns() + delay_ms * 1'000'000U, &link);
}

void Worker::on_timer(Link& link) {
  if (link.sent < link.output.size()) {
    send_output(link);
    if (link.timed) {
      return;
    }
  }
  if (link.blocked) {
    link.blocked = false;
    std::string input = std::move(link.input);
    link.input.clear();
    take(link, input);
    return;
  }
  settle(link);
}

void Worker::remove(Link& link, bool reset) {
  if (reset) {
    linger on{.l_onoff = 1, .l_linger = 0};
    setsockopt(link.socket, SOL_SOCKET, SO_LINGER, &on, sizeof on);
  }
  counted_.lost += link.session.abandoned() ? 1 : 0;
  std::erase_if(timers_, [&link](const auto& entry) { return entry.second == &link; });
  close(link.socket);
  links_.erase(&link);
}

/// A reply must not be seen before its line is in the log.
void Worker::flush_log() {
  if (shared_.log_lines.empty()) {
    return;
  }
  ssize_t written = write(service_.log, shared_.log_lines.data(), shared_.log_lines.size());
  if (written != static_cast<ssize_t>(shared_.log_lines.size())) {
    fmt::print(stderr, "mailroot-sink: --log: {}\n", std::strerror(errno));
  }
  shared_.log_lines.clear();
}

}  // namespace mailroot::bench
