#include "make_uring_backend.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "buffer_ring.h"
#include "ring.h"
#include "uring_backend.h"

namespace mailroot::reactor {

namespace {

constexpr uint32_t kProbeEntries = 8;
constexpr uint32_t kProbeBuffers = 2;
constexpr __kernel_timespec kProbePatience{1, 0};

// One byte through a multishot receive with a provided buffer. Kernels where this fails: no buffer
// rings (before 5.19), no multishot receive (before 6.0), or a filter that lets only setup pass.
bool receives_one_byte(Ring& ring, BufferRing& buffers, const int (&pair)[2]) {
  io_uring_sqe* entry = io_uring_get_sqe(ring.get());
  io_uring_prep_recv_multishot(entry, pair[0], nullptr, 0, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = kBufferGroup;
  if (::send(pair[1], "x", 1, MSG_NOSIGNAL) != 1) return false;
  io_uring_cqe* cqe = nullptr;
  __kernel_timespec patience = kProbePatience;
  io_uring_submit_and_wait_timeout(ring.get(), &cqe, 1, &patience, nullptr);
  if (io_uring_cq_ready(ring.get()) == 0) return false;
  io_uring_peek_cqe(ring.get(), &cqe);
  const uint32_t wanted = IORING_CQE_F_BUFFER | IORING_CQE_F_MORE;
  if (cqe->res != 1 || (cqe->flags & wanted) != wanted) return false;
  const auto index = static_cast<int32_t>(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
  return index < static_cast<int32_t>(kProbeBuffers) &&
         buffers.unit(index).front() == std::byte{'x'};
}

result<void> try_small_ring(std::string& why) {
  BufferRing buffers;  // outlives the ring
  Ring ring;
  result<void> step = ring.create(kProbeEntries, why);
  if (step) step = buffers.create(ring.get(), kProbeBuffers, why);
  if (step) step = ring.enable(1, why);
  if (!step) return step;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    why = std::string("socketpair: ") + strerror(errno);
    return fail(Errc::too_many_files, errno);
  }
  const bool works = receives_one_byte(ring, buffers, pair);
  ::close(pair[1]);  // ends the receive
  ::close(pair[0]);
  if (works) return {};
  why = "io_uring: a multishot receive into a buffer ring does not work";
  return fail(Errc::unsupported, EOPNOTSUPP);
}

}  // namespace

bool probe_uring(std::string& why) { return try_small_ring(why).has_value(); }

result<std::unique_ptr<Backend>> make_uring_backend(const BackendOptions& options,
                                                    std::string& why) {
  const result<void> tried = try_small_ring(why);
  if (!tried) return std::unexpected(tried.error());
  auto backend = std::make_unique<UringBackend>(options);
  const result<void> started = backend->start(why);
  if (!started) return std::unexpected(started.error());
  return backend;
}

}  // namespace mailroot::reactor
