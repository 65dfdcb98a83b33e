#include "ring.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "limits.h"

namespace mailroot::reactor {

namespace {

// Best first. DEFER_TASKRUN (6.1) runs completions only when this thread asks for them;
// COOP_TASKRUN (5.19) at least spares the interrupt. TASKRUN_FLAG shows waiting work in shared
// memory, so that an idle turn needs no system call. R_DISABLED is needed for restrictions.
constexpr uint32_t kBase = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL;
constexpr std::array kFlagSets = {
    kBase | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_R_DISABLED,
    kBase | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_R_DISABLED,
    kBase | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED,
    kBase | IORING_SETUP_R_DISABLED,
};

constexpr uint32_t kFeatures = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
                               IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG |
                               IORING_FEAT_NATIVE_WORKERS;

constexpr std::array<uint8_t, 18> kOpcodes = {
    IORING_OP_ACCEPT,   IORING_OP_RECV,        IORING_OP_SENDMSG,   IORING_OP_CONNECT,
    IORING_OP_POLL_ADD, IORING_OP_CLOSE,       IORING_OP_OPENAT2,   IORING_OP_READV,
    IORING_OP_WRITEV,   IORING_OP_FSYNC,       IORING_OP_RENAMEAT,  IORING_OP_UNLINKAT,
    IORING_OP_MKDIRAT,  IORING_OP_STATX,       IORING_OP_FALLOCATE, IORING_OP_READ,
    IORING_OP_SEND,     IORING_OP_ASYNC_CANCEL};

std::string failure(const char* what, int negative_errno) {
  return std::string(what) + ": " + strerror(-negative_errno);
}

}  // namespace

Ring::~Ring() {
  if (created_) io_uring_queue_exit(&ring_);
}

result<void> Ring::create(uint32_t entries, std::string& why) {
  int status = -EINVAL;
  for (uint32_t flags : kFlagSets) {
    io_uring_params params{};
    params.flags = flags;
    params.cq_entries = entries * kCompletionsPerEntry;
    status = io_uring_queue_init_params(entries, &ring_, &params);
    if (status == 0) {
      created_ = true;
      if ((params.features & kFeatures) != kFeatures) {
        why = "io_uring of this kernel is too old";
        return fail(Errc::unsupported, EOPNOTSUPP);
      }
      return check_opcodes(why);
    }
    if (status != -EINVAL) break;  // denied or out of memory: fewer flags will not help
  }
  why = failure("io_uring_setup", status);
  return fail(Errc::unsupported, -status);
}

result<void> Ring::check_opcodes(std::string& why) {
  io_uring_probe* probe = io_uring_get_probe_ring(&ring_);
  if (probe == nullptr) {
    why = "io_uring cannot be probed";
    return fail(Errc::unsupported, EOPNOTSUPP);
  }
  const auto missing = std::ranges::find_if(
      kOpcodes, [probe](uint8_t opcode) { return !io_uring_opcode_supported(probe, opcode); });
  io_uring_free_probe(probe);
  if (missing == kOpcodes.end()) return {};
  why = "io_uring opcode " + std::to_string(*missing) + " is missing";
  return fail(Errc::unsupported, EOPNOTSUPP);
}

result<void> Ring::restrict_opcodes() {
  std::vector<io_uring_restriction> rules;
  for (uint8_t opcode : kOpcodes) {
    io_uring_restriction rule{};
    rule.opcode = IORING_RESTRICTION_SQE_OP;
    rule.sqe_op = opcode;
    rules.push_back(rule);
  }
  io_uring_restriction flags{};
  flags.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
  flags.sqe_flags = IOSQE_BUFFER_SELECT;
  rules.push_back(flags);
  // The last two registrations come after the ring is enabled: its own descriptor.
  for (uint8_t opcode : {IORING_REGISTER_RING_FDS, IORING_UNREGISTER_RING_FDS}) {
    io_uring_restriction rule{};
    rule.opcode = IORING_RESTRICTION_REGISTER_OP;
    rule.register_op = opcode;
    rules.push_back(rule);
  }
  // Debian's liburing 2.3 declares io_uring_register_restrictions and io_uring_enable_rings but
  // does not export them.
  const int status =
      io_uring_register(static_cast<unsigned>(ring_.ring_fd), IORING_REGISTER_RESTRICTIONS,
                        rules.data(), static_cast<unsigned>(rules.size()));
  if (status < 0) return fail(Errc::unsupported, -status);
  return {};
}

result<void> Ring::enable(uint32_t file_workers_max, std::string& why) {
  unsigned workers[2] = {std::max(1U, file_workers_max), kSocketWorkersMax};
  int status = io_uring_register_iowq_max_workers(&ring_, workers);
  if (status < 0) {
    why = failure("io_uring worker limit", status);
    return fail(Errc::unsupported, -status);
  }
  const result<void> restricted = restrict_opcodes();
  if (!restricted) {
    why = failure("io_uring restrictions", -restricted.error().system_errno);
    return restricted;
  }
  status = io_uring_register(static_cast<unsigned>(ring_.ring_fd), IORING_REGISTER_ENABLE_RINGS,
                             nullptr, 0);
  if (status < 0) {
    why = failure("io_uring enable", status);
    return fail(Errc::unsupported, -status);
  }
  // Spares a reference count per system call (5.18); without it everything works the same.
  io_uring_register_ring_fd(&ring_);
  return {};
}

bool Ring::has_pending_work() const {
  return (io_uring_smp_load_acquire(ring_.sq.kflags) &
          (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

}  // namespace mailroot::reactor
