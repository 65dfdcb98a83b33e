// A set-up io_uring of the calling thread: flags from best to plain, bounded workers, and a list
// of the only opcodes it will ever run.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <string>

#include "mailroot/base/result.h"

namespace mailroot::reactor {

class Ring {
 public:
  Ring() = default;
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Creates the ring, disabled where the kernel allows it. Fails with unsupported and `why` when
  // io_uring is denied (seccomp, sysctl) or misses something we need.
  result<void> create(uint32_t entries, std::string& why);
  // Bounds io-wq, forbids every opcode the backend does not use, enables the ring and registers
  // its descriptor. Buffer rings are registered before this.
  result<void> enable(uint32_t file_workers_max, std::string& why);

  io_uring* get() { return &ring_; }
  uint32_t setup_flags() const { return ring_.flags; }
  // Completions wait in the kernel until this thread enters it with GETEVENTS.
  bool has_pending_work() const;

 private:
  result<void> check_opcodes(std::string& why);
  result<void> restrict_opcodes();

  io_uring ring_{};
  bool created_ = false;
};

}  // namespace mailroot::reactor
