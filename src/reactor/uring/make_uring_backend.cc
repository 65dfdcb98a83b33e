#include "make_uring_backend.h"

#include <cerrno>

namespace mailroot::reactor {

result<std::unique_ptr<Backend>> make_uring_backend(const BackendOptions&, std::string& why) {
  why = "io_uring: not built in";
  return fail(Errc::unsupported, ENOSYS);
}

}  // namespace mailroot::reactor
