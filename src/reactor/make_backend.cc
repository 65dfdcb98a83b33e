#include <fmt/format.h>

#include <cerrno>

#include "epoll/epoll_backend.h"
#include "mailroot/reactor/backend.h"
#include "uring/make_uring_backend.h"

namespace mailroot::reactor {

namespace {

result<std::unique_ptr<Backend>> make_epoll_backend(const BackendOptions& options,
                                                    std::string& why) {
  result<std::unique_ptr<EpollBackend>> made = EpollBackend::make(options);
  if (made) return std::unique_ptr<Backend>(std::move(*made));
  why = fmt::format("epoll: {}", describe(made.error().code));
  return std::unexpected(made.error());
}

// What says that io_uring is not to be had here (seccomp, sysctl, kernel, memory), rather than that
// something is broken.
bool is_refusal(const Error& error) {
  switch (error.system_errno) {
    case EPERM:
    case EACCES:
    case ENOSYS:
    case EINVAL:
    case ENOMEM:
    case EOPNOTSUPP:
      return true;
    default:
      return false;
  }
}

}  // namespace

result<std::unique_ptr<Backend>> make_backend(BackendChoice choice, const BackendOptions& options,
                                              std::string& why) {
  why.clear();
  if (choice == BackendChoice::epoll) return make_epoll_backend(options, why);
  result<std::unique_ptr<Backend>> ring = make_uring_backend(options, why);
  if (ring || choice == BackendChoice::io_uring || !is_refusal(ring.error())) return ring;
  std::string epoll_why;
  result<std::unique_ptr<Backend>> fallback = make_epoll_backend(options, epoll_why);
  if (!fallback) why = fmt::format("{}; {}", why, epoll_why);
  return fallback;
}

}  // namespace mailroot::reactor
