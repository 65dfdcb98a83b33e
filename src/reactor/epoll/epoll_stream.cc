// Connections: accept, receive, send, connect, close.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "../file_operation.h"
#include "epoll_backend.h"
#include "mailroot/base/assert.h"
#include "mailroot/reactor/limits.h"

namespace mailroot::reactor {

namespace {

constexpr int kAcceptsPerVisit = 16;
// Units of the second call for a socket whose first unit came out full.
constexpr size_t kUnitsMore = 3;

// A descriptor that came from elsewhere may be blocking, and accept4 has no flag against it.
void make_non_blocking(Descriptor descriptor) {
  const int flags = fcntl(descriptor, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) == 0) fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

// The peer was gone before we came to it (accept(2), "Error handling"): the next may be there.
bool is_stillborn(int system_errno) {
  switch (system_errno) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EINTR:
    case EPERM:
      return true;
    default:
      return false;
  }
}

ssize_t send_once(Descriptor descriptor, const GatherCursor& cursor) {
  constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
  std::array<iovec, kGatherMax> parts;
  const size_t count = cursor.fill(parts);
  if (count == 1) return send(descriptor, parts[0].iov_base, parts[0].iov_len, kFlags);
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  return sendmsg(descriptor, &message, kFlags);
}

}  // namespace

void EpollBackend::start_reading(Operation& operation) {
  const Descriptor descriptor = operation.descriptor;
  Entry& found = entry(descriptor);
  MAILROOT_ASSERT(found.reading == nullptr, "one reading operation per socket");
  if (operation.opcode == Opcode::accept && found.watched != Watched::always) {
    make_non_blocking(descriptor);
  }
  if (found.watched == Watched::no) found.readable = found.hung_up = false;
  // No call yet: registering reports what is there already.
  if (!watch(descriptor, Watched::always)) return complete(operation, -errno);
  found.is_socket = true;
  found.reading = &operation;
  if (found.readable) visit_later(descriptor);
}

// True when the socket may have more.
bool EpollBackend::receive_once(Descriptor descriptor, size_t units_max) {
  std::array<int32_t, kUnitsMore> units;
  std::array<iovec, kUnitsMore> parts;
  const size_t count = std::min(units_max, pool_.free_units());
  for (size_t i = 0; i < count; ++i) {
    units[i] = pool_.take();
    const MutableBytes bytes = pool_.unit(units[i]);
    parts[i] = iovec{bytes.data(), bytes.size()};
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  const ssize_t got = count == 1
                          ? recv(descriptor, parts[0].iov_base, kReceiveUnitBytes, MSG_DONTWAIT)
                          : recvmsg(descriptor, &message, MSG_DONTWAIT);
  const int why = errno;
  Entry& found = entry(descriptor);
  size_t left = got > 0 ? static_cast<size_t>(got) : 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t filled = std::min(left, kReceiveUnitBytes);
    left -= filled;
    if (filled == 0) {
      pool_.give_back(units[i]);
    } else {
      completed_.push_back(Completion{found.reading, static_cast<int32_t>(filled), true, units[i]});
    }
  }
  if (got == static_cast<ssize_t>(count * kReceiveUnitBytes)) return true;
  // A short read of a stream used it up (epoll(7)), unless an end or an error follows.
  if (got > 0 && found.hung_up) return true;
  if (got < 0 && why == EINTR) return true;
  found.readable = false;
  if (got > 0 || (got < 0 && why == EAGAIN)) return false;
  Operation& operation = *found.reading;
  found.reading = nullptr;
  complete(operation, got < 0 ? -why : 0);
  return false;
}

void EpollBackend::go_on_receiving(Descriptor descriptor) {
  for (const size_t units_max : {size_t{1}, kUnitsMore}) {
    if (!pool_.has_free()) {
      Entry& found = entry(descriptor);
      if (!found.starving) starving_.push_back(descriptor);
      found.starving = true;
      return;
    }
    if (!receive_once(descriptor, units_max)) return;
  }
  visit_later(descriptor);
}

void EpollBackend::go_on_accepting(Descriptor descriptor) {
  Operation& operation = *entry(descriptor).reading;
  for (int i = 0; i < kAcceptsPerVisit; ++i) {
    const int made = accept4(descriptor, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (made >= 0) {
      entry(made).is_socket = true;
      completed_.push_back(Completion{&operation, made, true, -1});
      continue;
    }
    if (is_stillborn(errno)) continue;
    const int why = errno;
    Entry& found = entry(descriptor);
    if (why == EAGAIN) {
      found.readable = false;
      return;
    }
    // Still readable: after the rest the next accept operation tries again without an edge.
    found.reading = nullptr;
    return complete(operation, -why);
  }
  visit_later(descriptor);
}

void EpollBackend::start_send(Operation& operation) {
  const Descriptor descriptor = operation.descriptor;
  Entry& found = entry(descriptor);
  MAILROOT_ASSERT(found.writing == nullptr, "one writing operation per socket");
  found.writing = &operation;
  found.cursor = GatherCursor(operation.buffers);
  if (found.watched == Watched::no) found.writable = true;
  if (found.writable) go_on_sending(descriptor);
}

void EpollBackend::go_on_sending(Descriptor descriptor) {
  Entry& found = entry(descriptor);
  Operation& operation = *found.writing;
  // A peer that reads as fast as we write must not keep us here: one call per visit and part.
  bool called = false;
  while (!found.cursor.at_end()) {
    if (called) return visit_later(descriptor);
    const ssize_t sent = send_once(descriptor, found.cursor);
    if (sent >= 0) {
      called = true;
      found.cursor.advance(static_cast<size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    int why = errno;
    if (why == EAGAIN) {
      found.writable = false;
      if (watch(descriptor, Watched::always)) return;
      why = errno;
    }
    found.writing = nullptr;
    return complete(operation, -why);
  }
  found.writing = nullptr;
  const uint64_t sent_bytes = found.cursor.done_bytes();
  complete(operation, static_cast<int32_t>(std::min<uint64_t>(sent_bytes, INT32_MAX)));
}

void EpollBackend::start_connect(Operation& operation) {
  const result<Descriptor> made =
      make_connecting_socket(*operation.address, operation.local_address);
  if (!made) return complete(operation, -made.error().system_errno);
  sockaddr_storage storage{};
  const socklen_t length = operation.address->to_sockaddr(reinterpret_cast<sockaddr*>(&storage));
  const int outcome = ::connect(*made, reinterpret_cast<sockaddr*>(&storage), length);
  const int why = outcome < 0 ? errno : 0;
  if ((why != 0 && why != EINPROGRESS) || !watch(*made, Watched::always)) {
    const int reason = why != 0 && why != EINPROGRESS ? why : errno;
    ::close(*made);
    return complete(operation, -reason);
  }
  Entry& found = entry(*made);
  found.is_socket = true;
  if (why == 0) return complete(operation, *made);
  operation.descriptor = *made;
  found.writing = &operation;
  found.writable = false;
}

void EpollBackend::finish_connect(Descriptor descriptor) {
  int why = 0;
  socklen_t length = sizeof(why);
  if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &why, &length) < 0) why = errno;
  Entry& found = entry(descriptor);
  Operation& operation = *found.writing;
  found.writing = nullptr;
  if (why == 0) return complete(operation, descriptor);
  forget(descriptor);
  ::close(descriptor);
  complete(operation, -why);
}

void EpollBackend::close_inline_or_later(Operation& operation) {
  // The last close of an unlinked file frees its blocks, which takes its time.
  const bool may_block = !entry(operation.descriptor).is_socket;
  forget(operation.descriptor);
  if (may_block) return workers_.submit(operation);
  complete(operation, run_file_operation(operation));
}

}  // namespace mailroot::reactor
