#include "uring_backend.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "limits.h"
#include "mailroot/base/assert.h"
#include "user_data.h"

namespace mailroot::reactor {

namespace {

// io_uring answers EAGAIN for O_NONBLOCK descriptors (some operations, some kernels) where it
// should wait; it never blocks on the others either.
Descriptor make_waitable(Descriptor socket) {
  fcntl(socket, F_SETFL, 0);
  return socket;
}

}  // namespace

UringBackend::UringBackend(const BackendOptions& options)
    : options_(options),
      workers_(std::make_unique<FileWorkers>(std::max(1U, options.file_workers_max),
                                             [this] { wake(); })) {}

// Operations still in flight point into memory that may soon be another's: all are called off and
// awaited before the ring closes.
UringBackend::~UringBackend() {
  std::vector<Completion> ended;
  for (int round = 0; slots_.used() > 0 && round < kDrainRoundsMax; ++round) {
    for (uint32_t index = 0; index < slots_.size(); ++index) {
      Slot& slot = slots_.at(index);
      if (slot.state != SlotState::free && !slot.cancelled) cancel(*slot.operation);
    }
    wait(monotonic_now() + std::chrono::milliseconds(100), ended);
  }
  MAILROOT_ASSERT(slots_.used() == 0, "operations end when they are cancelled");
  workers_.reset();
  closing_ = true;
  if (wake_armed_) wake();
  while (wake_armed_) wait(kNever, ended);
  if (wake_descriptor_ >= 0) ::close(wake_descriptor_);
}

result<void> UringBackend::start(std::string& why) {
  const result<void> created = ring_.create(options_.queue_entries, why);
  if (!created) return created;
  const result<void> buffers = buffers_.create(ring_.get(), options_.receive_buffers, why);
  if (!buffers) return buffers;
  const result<void> enabled = ring_.enable(options_.file_workers_max, why);
  if (!enabled) return enabled;
  wake_descriptor_ = eventfd(0, EFD_CLOEXEC);
  if (wake_descriptor_ < 0) {
    why = std::string("eventfd: ") + strerror(errno);
    return fail(Errc::too_many_files, errno);
  }
  now_ = monotonic_now();
  arm_wake();
  return {};
}

void UringBackend::submit(Operation& operation) {
  MAILROOT_ASSERT(operation.slot == UINT32_MAX, "an operation is submitted once at a time");
  start_operation(slots_.acquire(operation));
}

void UringBackend::start_operation(uint32_t index) {
  Slot& slot = slots_.at(index);
  Operation& operation = *slot.operation;
  int status = 0;
  switch (operation.opcode) {
    case Opcode::shut_down:
      // Never blocks on a socket; IORING_OP_SHUTDOWN would go through a worker thread.
      status = ::shutdown(operation.descriptor, SHUT_WR);
      return finish_locally(index, status == 0 ? 0 : -errno);
    case Opcode::sync:
      if (operation.flags != static_cast<uint32_t>(SyncKind::file_system)) break;
      [[fallthrough]];
    case Opcode::list_directory:
    case Opcode::truncate:
    case Opcode::file_system_status:
    case Opcode::lock:
    case Opcode::list_page:
    case Opcode::set_access:
      slot.state = SlotState::helper;
      return workers_->submit(operation);
    case Opcode::connect:
      status = open_socket(slot);
      if (status < 0) return finish_locally(index, status);
      break;
    case Opcode::stat_at:
      slot.scratch.status = {};
      break;
    default:
      break;
  }
  hand_to_kernel(index);
}

void UringBackend::hand_to_kernel(uint32_t index) {
  Slot& slot = slots_.at(index);
  io_uring_sqe* entry = next_entry();
  if (entry == nullptr) {
    slot.state = SlotState::queued;
    queued_.push_back(index);
    return;
  }
  slot.state = SlotState::kernel;
  prepare(entry, slot);
  io_uring_sqe_set_data64(entry, slots_.user_data(index));
}

// Null when the kernel takes nothing more for now (completions overflow, no memory).
io_uring_sqe* UringBackend::next_entry() {
  io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
  if (entry != nullptr) return entry;
  io_uring_submit(ring_.get());
  return io_uring_get_sqe(ring_.get());
}

void UringBackend::cancel(Operation& operation) {
  const uint32_t index = operation.slot;
  if (index == UINT32_MAX) return;
  Slot& slot = slots_.at(index);
  MAILROOT_ASSERT(slot.operation == &operation, "an operation in flight keeps its slot");
  slot.cancelled = true;
  switch (slot.state) {
    case SlotState::queued:
      std::erase(queued_, index);
      return finish_locally(index, -ECANCELED);
    case SlotState::starved:
      std::erase(starved_, index);
      return finish_locally(index, -ECANCELED);
    case SlotState::kernel: {
      io_uring_sqe* entry = next_entry();
      if (entry == nullptr) {
        cancels_waiting_.push_back(slots_.user_data(index));
        return;
      }
      io_uring_prep_cancel64(entry, slots_.user_data(index), 0);
      io_uring_sqe_set_data64(entry, kCancelUserData);
      return;
    }
    case SlotState::helper:
      return workers_->cancel(operation);
    default:
      return;  // finished is finished
  }
}

void UringBackend::arm_wake() {
  io_uring_sqe* entry = next_entry();
  wake_armed_ = entry != nullptr;
  if (entry == nullptr) return;
  io_uring_prep_read(entry, wake_descriptor_, &wake_count_, sizeof wake_count_, 0);
  io_uring_sqe_set_data64(entry, kWakeUserData);
}

// Everything that could not go to the kernel when it was asked for.
void UringBackend::resume_waiting() {
  buffers_.publish();
  const std::vector<uint64_t> cancels = std::exchange(cancels_waiting_, {});
  for (uint64_t user_data : cancels) {
    Slot* slot = slots_.find(user_data);
    if (slot != nullptr && slot->state == SlotState::kernel) cancel(*slot->operation);
  }
  const std::vector<uint32_t> queued = std::exchange(queued_, {});
  for (uint32_t index : queued) hand_to_kernel(index);
  // One receive per free unit: more would only be told ENOBUFS again.
  uint32_t units = buffers_.free_units();
  while (units > 0 && !starved_.empty()) {
    const uint32_t index = starved_.front();
    starved_.pop_front();
    hand_to_kernel(index);
    --units;
  }
}

void UringBackend::wait(Instant until, std::vector<Completion>& ready) {
  if (!wake_armed_ && !closing_) arm_wake();
  resume_waiting();
  const size_t before = ready.size();
  ready.insert(ready.end(), finished_.begin(), finished_.end());
  for (const Completion& completion : finished_) slots_.release(completion.operation->slot);
  finished_.clear();
  collect_helper_results(ready);
  const bool may_sleep = ready.size() == before;
  enter(may_sleep ? until : Instant::min());
  reap(ready);
  now_ = monotonic_now();
}

void UringBackend::enter(Instant until) {
  io_uring* ring = ring_.get();
  int status = 0;
  const Instant now = monotonic_now();
  if (until > now && io_uring_cq_ready(ring) == 0) {
    const auto left = std::min<Duration>(until - now, std::chrono::hours(1));
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    __kernel_timespec timeout{seconds.count(), (left - seconds).count()};
    io_uring_cqe* first = nullptr;
    status = io_uring_submit_and_wait_timeout(ring, &first, 1, &timeout, nullptr);
  } else if (io_uring_sq_ready(ring) > 0 || ring_.has_pending_work()) {
    status = io_uring_submit_and_get_events(ring);
  }
  // EBUSY, EAGAIN, ENOMEM: entries stay queued and go with the next turn, after this one reaped.
  const bool expected = status >= 0 || status == -ETIME || status == -EINTR || status == -EBUSY ||
                        status == -EAGAIN || status == -ENOMEM;
  MAILROOT_ASSERT(expected, "io_uring_enter accepts a ring of this thread");
}

void UringBackend::wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the wake-up is already there.
  [[maybe_unused]] const ssize_t written = ::write(wake_descriptor_, &one, sizeof one);
}

result<Descriptor> UringBackend::bind_socket(const SocketAddress& address,
                                             const ListenOptions& options) {
  const result<Descriptor> made = make_bound_socket(address, options);
  if (!made) return made;
  return make_waitable(*made);
}

int UringBackend::open_socket(Slot& slot) {
  const Operation& operation = *slot.operation;
  const result<Descriptor> made =
      make_connecting_socket(*operation.address, operation.local_address);
  if (!made) return -made.error().system_errno;
  slot.socket = make_waitable(*made);
  return 0;
}

}  // namespace mailroot::reactor
