// Poll: once, on descriptors that are often not ours to close.
#include <poll.h>

#include <cerrno>

#include "epoll_backend.h"
#include "mailroot/base/assert.h"

namespace mailroot::reactor {

namespace {

int32_t ready_events(const Operation& operation) {
  pollfd asked{operation.descriptor, static_cast<short>(operation.flags), 0};
  if (::poll(&asked, 1, 0) < 0) return -errno;
  return asked.revents;
}

}  // namespace

void EpollBackend::start_poll(Operation& operation) {
  const int32_t events = ready_events(operation);
  if ((events & POLLNVAL) != 0) return complete(operation, -EBADF);
  if (events != 0) return complete(operation, events);
  Entry& found = entry(operation.descriptor);
  const bool writes = (operation.flags & POLLOUT) != 0;
  const bool reads = !writes || (operation.flags & (POLLIN | POLLPRI | POLLRDHUP)) != 0;
  MAILROOT_ASSERT(!reads || found.reading == nullptr, "one reading operation per socket");
  MAILROOT_ASSERT(!writes || found.writing == nullptr, "one writing operation per socket");
  if (!watch(operation.descriptor, Watched::for_poll)) return complete(operation, -errno);
  if (reads) found.reading = &operation;
  if (writes) found.writing = &operation;
}

void EpollBackend::check_poll(Operation& operation) {
  const int32_t events = ready_events(operation);
  if (events != 0) end_poll(operation, events);
}

void EpollBackend::end_poll(Operation& operation, int32_t outcome) {
  Entry& found = entry(operation.descriptor);
  if (found.reading == &operation) found.reading = nullptr;
  if (found.writing == &operation) found.writing = nullptr;
  const bool unused = found.reading == nullptr && found.writing == nullptr;
  if (unused && found.watched == Watched::for_poll) forget(operation.descriptor);
  complete(operation, outcome);
}

}  // namespace mailroot::reactor
