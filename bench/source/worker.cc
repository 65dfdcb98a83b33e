#include "worker.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace mailroot::bench {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;
constexpr size_t kEventsMax = 256;
constexpr size_t kPiecesMax = 64;
// The listen backlog of a server must not be what an idle run measures.
constexpr uint32_t kOpeningMax = 256;
constexpr uint64_t kRetryNs = 20'000'000;
constexpr uint64_t kSecondNs = 1'000'000'000;

}  // namespace

Worker::Worker(Run& run, uint32_t first_connection, uint32_t connections)
    : Shared(run.options, messages_, counted_),
      run_(run),
      messages_({run.options.size_bytes, run.options.recipients, run.options.domains,
                 run.options.run, run.options.sender, run.options.recipient}),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      unopened_(connections),
      buffer_(std::make_unique<char[]>(kBufferBytes)) {
  for (uint32_t i = 0; i < connections; ++i) {
    links_.push_back(std::make_unique<Link>(*this));
    links_.back()->index = first_connection + i;
  }
}

Worker::~Worker() {
  for (auto& link : links_) {
    if (link->socket >= 0) {
      close(link->socket);
    }
  }
  close(epoll_);
}

bool Worker::take_sequence(uint64_t& sequence) {
  if (expired_ || run_.stop.load(std::memory_order_relaxed)) {
    return false;
  }
  sequence = run_.next_sequence.fetch_add(1, std::memory_order_relaxed);
  return sequence < options.messages;
}

bool Worker::may_connect_again() const {
  return !expired_ && !run_.stop.load(std::memory_order_relaxed) && !options.idle &&
         run_.next_sequence.load(std::memory_order_relaxed) < options.messages;
}

void Worker::work() {
  uint64_t started_ns = now_ns();
  uint64_t cpu_ns = thread_cpu_ns();
  counted_.first_ns = started_ns;
  limit_ns_ = started_ns + options.time_limit_s * kSecondNs;
  tended_ns_ = started_ns;
  open_more(started_ns);
  std::array<epoll_event, kEventsMax> events;
  while (live_ > 0 || !retries_.empty() || unopened_ > 0) {
    int count = epoll_wait(epoll_, events.data(), kEventsMax, wait_ms());
    for (int i = 0; i < count; ++i) {
      on_event(*static_cast<Link*>(events[static_cast<size_t>(i)].data.ptr),
               events[static_cast<size_t>(i)].events);
    }
    tend(now_ns());
    flush_accept_log();
  }
  counted_.cpu_ns = thread_cpu_ns() - cpu_ns;
  counted_.wall_ns = now_ns() - started_ns;
}

int Worker::wait_ms() const { return retries_.empty() ? 100 : 5; }

/// Opens what may be opened, looks after time: once per turn.
void Worker::tend(uint64_t now_ns) {
  open_more(now_ns);
  while (!retries_.empty() && retries_.begin()->first <= now_ns) {
    Link& link = *retries_.begin()->second;
    retries_.erase(retries_.begin());
    if (may_connect_again()) {
      connect_link(link, now_ns);
    }
  }
  if (now_ns - tended_ns_ < kSecondNs / 10) {
    return;
  }
  tended_ns_ = now_ns;
  expired_ = expired_ || now_ns > limit_ns_;
  bool stopping = expired_ || run_.stop.load(std::memory_order_relaxed);
  for (auto& link : links_) {
    if (link->socket < 0) {
      continue;
    }
    if (stopping && options.idle && !link->opening) {
      link->conversation.quit();
      write(*link);
    } else if (stopping && !link->conversation.waiting()) {
      link->conversation.fill(now_ns);
      write(*link);
    }
    uint64_t limit_ns = (stopping ? 5 : options.reply_limit_s) * kSecondNs;
    bool waits = link->conversation.waiting() || link->connecting;
    if (link->socket >= 0 && waits && now_ns > link->last_ns + limit_ns) {
      fail(*link, stopping ? "no answer when the time was up" : "no answer from the server");
    }
  }
}

void Worker::open_more(uint64_t now_ns) {
  bool stopping = expired_ || run_.stop.load(std::memory_order_relaxed);
  if (stopping) {
    unopened_ = 0;
  }
  while (unopened_ > 0 && opening_ < kOpeningMax) {
    connect_link(*links_[links_.size() - unopened_], now_ns);
    --unopened_;
    if (unopened_ == 0) {
      run_.still_opening.fetch_sub(1);
    }
  }
}

void Worker::connect_link(Link& link, uint64_t now_ns) {
  Address client = loopback_client(link.index % std::max(options.source_addresses, 1U));
  ++counted_.connects;
  link.socket = start_connect(options.to, options.source_addresses > 0 ? &client : nullptr);
  if (link.socket < 0) {
    fail(link, fmt::format("connect: {}", std::strerror(errno)));
    return;
  }
  ++live_;
  ++opening_;
  link.opening = link.connecting = true;
  link.interest = 0;
  link.last_ns = now_ns;
  link.conversation.begin(now_ns);
  epoll_event event{.events = EPOLLIN | EPOLLOUT, .data = {.ptr = &link}};
  link.interest = event.events;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, link.socket, &event);
}

void Worker::watch(Link& link, uint32_t interest) {
  if (link.interest == interest) {
    return;
  }
  link.interest = interest;
  epoll_event event{.events = interest, .data = {.ptr = &link}};
  epoll_ctl(epoll_, EPOLL_CTL_MOD, link.socket, &event);
}

void Worker::on_event(Link& link, uint32_t events) {
  if (link.socket < 0) {
    return;
  }
  uint64_t now = now_ns();
  if (link.connecting) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(link.socket, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      fail(link, fmt::format("connect: {}", std::strerror(error)));
      return;
    }
    link.connecting = false;
    watch(link, EPOLLIN);
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    read(link, now);
  }
  if (link.socket >= 0 && (events & EPOLLOUT) != 0) {
    write(link);
  }
}

void Worker::read(Link& link, uint64_t now) {
  ssize_t size = recv(link.socket, buffer_.get(), kBufferBytes, 0);
  if (size < 0) {
    if (errno != EAGAIN && errno != EINTR) {
      fail(link, fmt::format("receive: {}", std::strerror(errno)));
    }
    return;
  }
  if (size == 0) {
    fail(link, "the server closed the connection");
    return;
  }
  link.last_ns = now;
  settle(link, link.conversation.receive({buffer_.get(), static_cast<size_t>(size)}, now));
}

void Worker::settle(Link& link, Conversation::Outcome outcome) {
  switch (outcome) {
    case Conversation::Outcome::broken:
      fail(link, link.conversation.failure());
      return;
    case Conversation::Outcome::finished:
      close_link(link);
      if (may_connect_again()) {
        connect_link(link, now_ns());
      }
      return;
    case Conversation::Outcome::idle:
      end_opening(link);
      run_.idle_open.fetch_add(1, std::memory_order_relaxed);
      return;
    case Conversation::Outcome::open:
      break;
  }
  if (link.opening && !link.conversation.has_output() && !link.conversation.waiting()) {
    end_opening(link);
  }
  link.conversation.fill(now_ns());
  write(link);
}

void Worker::end_opening(Link& link) {
  if (link.opening) {
    link.opening = false;
    --opening_;
  }
}

void Worker::write(Link& link) {
  std::array<Conversation::Chunk, kPiecesMax> chunks;
  while (link.conversation.has_output()) {
    std::array<iovec, kPiecesMax> pieces;
    size_t count = link.conversation.output(chunks.data(), kPiecesMax);
    for (size_t i = 0; i < count; ++i) {
      pieces[i] = {const_cast<char*>(chunks[i].data), chunks[i].size};
    }
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    ssize_t size = sendmsg(link.socket, &message, MSG_NOSIGNAL);
    if (size < 0 && errno == EAGAIN) {
      watch(link, EPOLLIN | EPOLLOUT);
      return;
    }
    if (size < 0) {
      fail(link, fmt::format("send: {}", std::strerror(errno)));
      return;
    }
    uint64_t now = now_ns();
    link.last_ns = now;
    link.conversation.sent(static_cast<size_t>(size), now);
    if (!link.conversation.has_output()) {
      link.conversation.fill(now);
    }
  }
  watch(link, EPOLLIN);
}

void Worker::fail(Link& link, std::string_view reason) {
  ++counted_.errors;
  counted_.sample(reason);
  if (options.idle && link.socket >= 0 && !link.opening) {
    ++counted_.closed_early;
    run_.idle_open.fetch_sub(1, std::memory_order_relaxed);
  }
  link.conversation.abandon();
  close_link(link);
  if (options.tolerate && may_connect_again()) {
    retries_.emplace(now_ns() + kRetryNs, &link);
  }
}

void Worker::close_link(Link& link) {
  end_opening(link);
  if (link.socket >= 0) {
    close(link.socket);
    link.socket = -1;
    --live_;
  }
}

void Worker::flush_accept_log() {
  if (accept_lines.empty()) {
    return;
  }
  ssize_t written = ::write(run_.accept_log, accept_lines.data(), accept_lines.size());
  if (written != static_cast<ssize_t>(accept_lines.size())) {
    counted_.sample(fmt::format("--accept-log: {}", std::strerror(errno)));
    ++counted_.errors;
  }
  accept_lines.clear();
}

}  // namespace mailroot::bench
