// The io_uring backend's only door.
#pragma once

#include <memory>
#include <string>

#include "mailroot/reactor/backend.h"

namespace mailroot::reactor {

// Probes the kernel and makes the ring of the calling thread. Fails with the errno of the step that
// failed, and `why` names that step ("io_uring_setup: Operation not permitted").
result<std::unique_ptr<Backend>> make_uring_backend(const BackendOptions& options,
                                                    std::string& why);

}  // namespace mailroot::reactor
