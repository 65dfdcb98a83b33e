// What each completion of the kernel means for its operation.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "../file_operation.h"
#include "uring_backend.h"
#include "user_data.h"

namespace mailroot::reactor {

namespace {

// What remains of `buffers` after their first `done_bytes` bytes.
std::vector<iovec> remainder(std::span<const iovec> buffers, uint64_t done_bytes) {
  std::vector<iovec> rest;
  for (const iovec& buffer : buffers) {
    if (done_bytes >= buffer.iov_len) {
      done_bytes -= buffer.iov_len;
      continue;
    }
    rest.push_back({static_cast<std::byte*>(buffer.iov_base) + done_bytes,
                    buffer.iov_len - static_cast<size_t>(done_bytes)});
    done_bytes = 0;
  }
  return rest;
}

}  // namespace

void UringBackend::reap(std::vector<Completion>& ready) {
  unsigned head = 0;
  unsigned seen = 0;
  bool woken = false;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(ring_.get(), head, cqe) {
    ++seen;
    if (cqe->user_data == kCancelUserData) continue;  // the operation's own completion decides
    if (cqe->user_data == kWakeUserData) {
      woken = true;
      continue;
    }
    Slot* slot = slots_.find(cqe->user_data);
    if (slot == nullptr) continue;  // too late: the slot serves another operation, or none
    on_entry(static_cast<uint32_t>(cqe->user_data), cqe->res, cqe->flags, ready);
  }
  io_uring_cq_advance(ring_.get(), seen);
  if (woken) wake_armed_ = false;  // armed again by the next wait()
  collect_helper_results(ready);
}

void UringBackend::collect_helper_results(std::vector<Completion>& ready) {
  if (workers_ == nullptr) return;  // at the end
  const size_t before = ready.size();
  workers_->collect(ready);
  for (size_t i = before; i < ready.size(); ++i) slots_.release(ready[i].operation->slot);
}

void UringBackend::on_entry(uint32_t index, int32_t result, uint32_t flags,
                            std::vector<Completion>& ready) {
  Slot& slot = slots_.at(index);
  Operation& operation = *slot.operation;
  switch (operation.opcode) {
    case Opcode::accept:
    case Opcode::receive:
      return on_multishot(index, result, flags, ready);
    case Opcode::connect:
      if (result < 0) {
        ::close(slot.socket);
      } else {
        result = slot.socket;
      }
      break;
    case Opcode::send:
    case Opcode::read_at:
    case Opcode::write_at:
      if (continue_transfer(index, result)) return;
      break;
    case Opcode::stat_at:
      if (result == 0)
        *static_cast<FileStatus*>(operation.output) = file_status_from(slot.scratch.status);
      break;
    default:
      break;
  }
  finish(index, result, -1, ready);
}

// The kernel ends a multishot early when completions overflow or buffers run out. That is its
// affair, not the operation's: it is armed again here unless it failed or was cancelled.
void UringBackend::on_multishot(uint32_t index, int32_t result, uint32_t flags,
                                std::vector<Completion>& ready) {
  Slot& slot = slots_.at(index);
  Operation& operation = *slot.operation;
  int32_t unit = -1;
  if ((flags & IORING_CQE_F_BUFFER) != 0) {
    unit = static_cast<int32_t>(flags >> IORING_CQE_BUFFER_SHIFT);
    buffers_.taken(unit);
    if (result <= 0) {  // the end of the stream may come with a unit nobody needs
      buffers_.release(unit);
      unit = -1;
    }
  }
  const bool more = (flags & IORING_CQE_F_MORE) != 0;
  if (!more && !slot.cancelled && operation.opcode == Opcode::receive && result == -ENOBUFS) {
    slot.state = SlotState::starved;
    starved_.push_back(index);
    return;
  }
  const bool useful = operation.opcode == Opcode::accept ? result >= 0 : result > 0;
  if (more || (useful && !slot.cancelled)) {
    ready.push_back({&operation, result, true, unit});
    if (!more) hand_to_kernel(index);
    return;
  }
  if (result == -ENOBUFS && slot.cancelled) result = -ECANCELED;
  finish(index, result, unit, ready);
}

// True when the rest of a short transfer was handed to the kernel. Otherwise `result` is final:
// the whole count, an error, or for a read what there was up to the end of the file.
bool UringBackend::continue_transfer(uint32_t index, int32_t& result) {
  Slot& slot = slots_.at(index);
  const Operation& operation = *slot.operation;
  if (result < 0) return false;
  slot.done_bytes += static_cast<uint64_t>(result);
  slot.rest = remainder(operation.buffers, slot.done_bytes);
  const bool at_end = result == 0 && operation.opcode == Opcode::read_at;
  if (slot.rest.empty() || at_end) {
    result = static_cast<int32_t>(slot.done_bytes);
    return false;
  }
  if (result == 0) {
    result = -EIO;  // a device that writes nothing without saying why
    return false;
  }
  if (slot.cancelled) {
    result = -ECANCELED;
    return false;
  }
  hand_to_kernel(index);
  return true;
}

void UringBackend::finish(uint32_t index, int32_t result, int32_t buffer,
                          std::vector<Completion>& ready) {
  ready.push_back({slots_.at(index).operation, result, false, buffer});
  slots_.release(index);
}

void UringBackend::finish_locally(uint32_t index, int32_t result) {
  Slot& slot = slots_.at(index);
  if (slot.socket != kNoDescriptor) ::close(slot.socket);
  slot.state = SlotState::finished;
  finished_.push_back({slot.operation, result, false, -1});
}

}  // namespace mailroot::reactor
