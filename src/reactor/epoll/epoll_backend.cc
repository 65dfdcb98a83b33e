#include "epoll_backend.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "../file_operation.h"
#include "mailroot/base/assert.h"

namespace mailroot::reactor {

namespace {

constexpr uint64_t kWakeMark = UINT64_MAX;
constexpr uint32_t kAllEdges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;

uint64_t mark_of(Descriptor descriptor, uint32_t generation) {
  return (static_cast<uint64_t>(generation) << 32) | static_cast<uint32_t>(descriptor);
}

}  // namespace

result<std::unique_ptr<EpollBackend>> EpollBackend::make(const BackendOptions& options) {
  OwnedDescriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  if (epoll.get() < 0) return std::unexpected(error_from_errno(errno));
  OwnedDescriptor wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (wake.get() < 0) return std::unexpected(error_from_errno(errno));
  // Edge-triggered: each write is an edge, so that nobody need read the counter.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kWakeMark;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) < 0) {
    return std::unexpected(error_from_errno(errno));
  }
  return std::unique_ptr<EpollBackend>(
      new EpollBackend(options, std::move(epoll), std::move(wake)));
}

EpollBackend::EpollBackend(const BackendOptions& options, OwnedDescriptor epoll,
                           OwnedDescriptor wake)
    : epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      pool_(options.receive_buffers),
      now_(monotonic_now()),
      workers_(options.file_workers_max, [this] { this->wake(); }) {}

// References to entries do not survive a call that may grow the table.
EpollBackend::Entry& EpollBackend::entry(Descriptor descriptor) {
  MAILROOT_ASSERT(descriptor >= 0, "an operation has a descriptor");
  const size_t index = static_cast<size_t>(descriptor);
  if (index >= entries_.size()) entries_.resize(std::max(index + 1, entries_.size() * 2));
  return entries_[index];
}

void EpollBackend::complete(Operation& operation, int32_t outcome) {
  completed_.push_back(Completion{&operation, outcome, false, -1});
}

void EpollBackend::submit(Operation& operation) {
  switch (operation.opcode) {
    case Opcode::accept:
    case Opcode::receive:
      return start_reading(operation);
    case Opcode::send:
      return start_send(operation);
    case Opcode::connect:
      return start_connect(operation);
    case Opcode::poll:
      return start_poll(operation);
    case Opcode::shut_down:
      return complete(operation, shutdown(operation.descriptor, SHUT_WR) < 0 ? -errno : 0);
    case Opcode::close:
      return close_inline_or_later(operation);
    default:
      return workers_.submit(operation);
  }
}

void EpollBackend::cancel(Operation& operation) {
  if (is_file_operation(operation.opcode)) {
    // A close is never called off: the descriptor would leak.
    if (operation.opcode != Opcode::close) workers_.cancel(operation);
    return;
  }
  if (operation.opcode == Opcode::shut_down || operation.descriptor < 0) return;
  Entry& found = entry(operation.descriptor);
  if (found.reading != &operation && found.writing != &operation) return;  // completed already
  if (operation.opcode == Opcode::poll) return end_poll(operation, -ECANCELED);
  if (found.reading == &operation) found.reading = nullptr;
  if (found.writing == &operation) found.writing = nullptr;
  if (operation.opcode == Opcode::connect) {
    forget(operation.descriptor);
    ::close(operation.descriptor);
  }
  complete(operation, -ECANCELED);
}

bool EpollBackend::watch(Descriptor descriptor, Watched how) {
  Entry& found = entry(descriptor);
  if (found.watched == Watched::no) {
    epoll_event event{};
    event.events = kAllEdges;
    event.data.u64 = mark_of(descriptor, found.generation);
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) < 0) return false;
  }
  found.watched = std::max(found.watched, how);
  return true;
}

// Explicitly, since closing does not unregister what another descriptor still refers to.
void EpollBackend::unwatch(Descriptor descriptor) {
  Entry& found = entry(descriptor);
  if (found.watched == Watched::no) return;
  epoll_event ignored{};
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, &ignored);
  found.watched = Watched::no;
}

// The number is about to get another meaning.
void EpollBackend::forget(Descriptor descriptor) {
  Entry& found = entry(descriptor);
  MAILROOT_ASSERT(found.reading == nullptr && found.writing == nullptr,
                  "a descriptor is closed after its operations have completed");
  unwatch(descriptor);
  const uint32_t next_generation = found.generation + 1;
  const bool listed = found.listed;
  const bool starving = found.starving;
  found = Entry{};
  found.generation = next_generation;
  found.listed = listed;
  found.starving = starving;
}

void EpollBackend::visit_later(Descriptor descriptor) {
  Entry& found = entry(descriptor);
  if (found.listed) return;
  found.listed = true;
  to_visit_.push_back(descriptor);
}

void EpollBackend::visit(Descriptor descriptor) {
  const Entry& found = entry(descriptor);
  if (found.reading != nullptr && found.readable) {
    switch (found.reading->opcode) {
      case Opcode::accept:
        go_on_accepting(descriptor);
        break;
      case Opcode::receive:
        go_on_receiving(descriptor);
        break;
      default:
        check_poll(*found.reading);
    }
  }
  const Entry& again = entry(descriptor);
  if (again.writing == nullptr || !again.writable) return;
  switch (again.writing->opcode) {
    case Opcode::send:
      return go_on_sending(descriptor);
    case Opcode::connect:
      return finish_connect(descriptor);
    default:
      return check_poll(*again.writing);
  }
}

void EpollBackend::visit_listed() {
  visiting_.swap(to_visit_);
  for (const Descriptor descriptor : visiting_) {
    entry(descriptor).listed = false;
    visit(descriptor);
  }
  visiting_.clear();
}

void EpollBackend::feed_starving() {
  for (size_t units = pool_.free_units(); units > 0 && !starving_.empty(); --units) {
    const Descriptor descriptor = starving_.front();
    starving_.pop_front();
    entry(descriptor).starving = false;
    visit_later(descriptor);
  }
}

void EpollBackend::on_event(const epoll_event& event) {
  if (event.data.u64 == kWakeMark) return;
  const Descriptor descriptor = static_cast<Descriptor>(event.data.u64 & UINT32_MAX);
  Entry& found = entry(descriptor);
  if (event.data.u64 != mark_of(descriptor, found.generation)) return;
  const uint32_t ends = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if ((event.events & (EPOLLIN | EPOLLPRI | ends)) != 0) found.readable = true;
  if ((event.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) found.writable = true;
  if ((event.events & ends) != 0) found.hung_up = true;
  visit(descriptor);
}

int EpollBackend::timeout_ms(Instant until) const {
  if (until == kNever) return -1;
  const Instant now = monotonic_now();
  if (until <= now) return 0;
  // Rounded up: waking early would only mean to look, and sleep again.
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now);
  return static_cast<int>(std::min<int64_t>(left.count(), INT_MAX));
}

void EpollBackend::wait(Instant until, std::vector<Completion>& ready) {
  feed_starving();
  visit_listed();
  workers_.collect(completed_);
  const bool has_work = !completed_.empty() || !to_visit_.empty();
  // What completed at once is worth a turn of its own, but not twice in a row: others wait too.
  looked_last_time_ = !has_work || !looked_last_time_;
  if (looked_last_time_) {
    const int timeout = has_work || until == Instant::min() ? 0 : timeout_ms(until);
    const int count =
        epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), timeout);
    for (int i = 0; i < count; ++i) on_event(events_[static_cast<size_t>(i)]);
    workers_.collect(completed_);
  }
  now_ = monotonic_now();
  ready.insert(ready.end(), completed_.begin(), completed_.end());
  completed_.clear();
}

void EpollBackend::wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then an edge is due anyway.
  static_cast<void>(!write(wake_.get(), &one, sizeof(one)));
}

result<Descriptor> EpollBackend::bind_socket(const SocketAddress& address,
                                             const ListenOptions& options) {
  const result<Descriptor> made = make_bound_socket(address, options);
  if (made) entry(*made).is_socket = true;
  return made;
}

result<void> EpollBackend::listen(Descriptor socket, int backlog) {
  return listen_on(socket, backlog);
}

result<SocketAddress> EpollBackend::local_address(Descriptor socket) {
  return local_address_of(socket);
}

result<SocketAddress> EpollBackend::peer_address(Descriptor socket) {
  return peer_address_of(socket);
}

}  // namespace mailroot::reactor
