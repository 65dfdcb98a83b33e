// The io_uring backend: what reactor/ needs to know of it.
#pragma once

#include <memory>
#include <string>

#include "mailroot/base/result.h"
#include "mailroot/reactor/backend.h"

namespace mailroot::reactor {

// True when this kernel, under this process's restrictions, runs everything the backend uses:
// asked by setting up a small ring and receiving a byte through it, never by version. Otherwise
// `why` says what is missing. Any thread; takes a few system calls.
bool probe_uring(std::string& why);

// Makes the backend; the calling thread becomes the only one that may use it (except wake()).
result<std::unique_ptr<Backend>> make_uring_backend(const BackendOptions& options,
                                                    std::string& why);

}  // namespace mailroot::reactor
