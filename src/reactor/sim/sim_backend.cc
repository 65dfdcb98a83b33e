#include "sim_backend.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "limits.h"
#include "world_state.h"

namespace mailroot::reactor::sim {

namespace {

constexpr size_t kUnitBytes = 4096;

}  // namespace

SimBackend::SimBackend(WorldState& world, std::shared_ptr<Process> process, uint32_t number,
                       uint64_t seed_stream)
    : world_(world),
      process_(std::move(process)),
      number_(number),
      random_(seed_stream, number),
      units_(world.options.receive_buffers * kUnitBytes),
      leased_(world.options.receive_buffers) {
  for (uint32_t unit = world.options.receive_buffers; unit-- > 0;) {
    free_units_.push_back(static_cast<int32_t>(unit));
  }
  world_.backends.emplace(number, this);
}

// As when a program ends: what is in flight goes with it, and with the last backend its
// descriptors.
SimBackend::~SimBackend() {
  for (const Slot& slot : slots_) {
    if (slot.operation != nullptr) slot.operation->slot = UINT32_MAX;
  }
  world_.backends.erase(number_);
  world_.end_process_without_backends(*process_);
}

Operation* SimBackend::find(OperationRef ref) {
  const Slot& slot = slots_.at(ref.slot);
  return slot.generation == ref.generation ? slot.operation : nullptr;
}

void SimBackend::submit(Operation& operation) {
  MAILROOT_ASSERT(operation.slot == UINT32_MAX, "an operation is submitted once at a time");
  uint32_t index;
  if (free_slots_.empty()) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  Slot& slot = slots_[index];
  slot.operation = &operation;
  operation.slot = index;
  operation.generation = slot.generation;
  const OperationRef ref{index, slot.generation};
  if (!process_->is_alive) {
    complete(ref, operation.opcode == Opcode::close ? 0 : -EIO);
  } else if (Network::handles(operation.opcode)) {
    world_.network.submit(*this, ref);
  } else if (DiskDriver::handles(operation.opcode)) {
    world_.disk.submit(*this, ref);
  } else {
    world_.scheduler.after(Duration{}, [&world = world_, number = number_, ref] {
      SimBackend* self = world.find_backend(number);
      if (self == nullptr || self->find(ref) == nullptr) return;
      const bool closed = world.close(*self->process_, self->find(ref)->descriptor);
      self->complete(ref, closed ? 0 : -EBADF);
    });
  }
}

// Network operations end at once. A file operation takes its course, as it does in a kernel.
void SimBackend::cancel(Operation& operation) {
  if (operation.slot == UINT32_MAX) return;
  const OperationRef ref{operation.slot, operation.generation};
  if (find(ref) == nullptr) return;  // it has ended and will be reported
  if (Network::handles(operation.opcode)) world_.network.cancel(*this, ref);
}

// The slot is free from here on; the operation learns of it in wait().
void SimBackend::complete(OperationRef ref, int32_t result) {
  Operation* operation = find(ref);
  if (operation == nullptr) return;
  world_.note("complete", number_, static_cast<int64_t>(operation->opcode), result);
  ready_.push_back({operation, result, false, -1});
  Slot& slot = slots_[ref.slot];
  slot.operation = nullptr;
  ++slot.generation;
  free_slots_.push_back(ref.slot);
}

void SimBackend::complete_more(OperationRef ref, int32_t result, int32_t buffer) {
  Operation* operation = find(ref);
  MAILROOT_ASSERT(operation != nullptr, "a multishot in flight");
  world_.note("more", number_, static_cast<int64_t>(operation->opcode), result);
  ready_.push_back({operation, result, true, buffer});
}

void SimBackend::wait(Instant until, std::vector<Completion>& ready) {
  ++wait_number_;
  const auto throttled = std::exchange(throttled_, {});
  for (const std::weak_ptr<Socket>& weak : throttled) {
    const std::shared_ptr<Socket> socket = weak.lock();
    if (socket != nullptr) world_.network.deliver(socket);
  }
  if (!process_->is_alive) {
    if (ready_.empty() && !woken_ && until != kNever) {
      time_after_death_ = std::max(time_after_death_ + kTurnTime, until);
    }
  } else if (!world_.is_stepped) {
    carry_time_on(until);
  }
  woken_ = false;
  for (const Completion& completion : ready_) {
    if (!completion.more) completion.operation->slot = UINT32_MAX;
  }
  ready.insert(ready.end(), ready_.begin(), ready_.end());
  ready_.clear();
}

// Alone, a backend moves the world's time itself: up to the next completion if it may sleep, by
// one event or a turn's time if not.
void SimBackend::carry_time_on(Instant until) {
  Scheduler& scheduler = world_.scheduler;
  if (until <= scheduler.now()) {
    if (!scheduler.spend(kTurnTime)) scheduler.run_next();
    return;
  }
  while (ready_.empty() && !woken_ && until > scheduler.now()) {
    if (scheduler.next() <= until && !scheduler.empty()) {
      scheduler.run_next();
    } else if (until != kNever) {
      scheduler.advance_to(until);
    } else {
      return;  // nothing will ever happen
    }
  }
}

void SimBackend::die() {
  time_after_death_ = world_.scheduler.now();
  for (const OperationRef ref : in_flight()) complete(ref, -ECANCELED);
}

std::vector<OperationRef> SimBackend::in_flight() const {
  std::vector<OperationRef> refs;
  for (uint32_t index = 0; index < slots_.size(); ++index) {
    if (slots_[index].operation != nullptr) refs.push_back({index, slots_[index].generation});
  }
  return refs;
}

Instant SimBackend::now() const {
  return process_->is_alive ? world_.scheduler.now() : time_after_death_;
}

WallTime SimBackend::wall_now() const { return world_.wall_now(); }

int32_t SimBackend::take_buffer(const std::shared_ptr<Socket>& starved) {
  if (free_units_.empty()) {
    starved_.push_back(starved);
    return -1;
  }
  const int32_t unit = free_units_.back();
  free_units_.pop_back();
  leased_[unit] = true;
  return unit;
}

MutableBytes SimBackend::buffer(int32_t index) {
  MAILROOT_ASSERT(leased_.at(index), "a unit that was handed out");
  return {units_.data() + static_cast<size_t>(index) * kUnitBytes, kUnitBytes};
}

void SimBackend::release_buffer(int32_t index) {
  MAILROOT_ASSERT(leased_.at(index), "a unit of the receive pool is given back once");
  leased_[index] = false;
  // Whoever reads it after giving it back reads nonsense.
  std::ranges::fill_n(
      units_.begin() + static_cast<ptrdiff_t>(index) * static_cast<ptrdiff_t>(kUnitBytes),
      kUnitBytes, std::byte{0xDD});
  free_units_.push_back(index);
  while (!starved_.empty() && !free_units_.empty()) {
    const std::shared_ptr<Socket> socket = starved_.front().lock();
    starved_.pop_front();
    if (socket != nullptr) world_.network.deliver(socket);
  }
}

result<Descriptor> SimBackend::bind_socket(const SocketAddress& address,
                                           const ListenOptions& options) {
  if (!process_->is_alive) return fail(Errc::io, EIO);
  return world_.network.bind(*process_, address, options);
}

result<void> SimBackend::listen(Descriptor socket, int backlog) {
  if (!process_->is_alive) return fail(Errc::io, EIO);
  return world_.network.listen(*process_, socket, backlog);
}

result<SocketAddress> SimBackend::local_address(Descriptor socket) {
  const Handle* handle = process_->find(socket);
  if (handle == nullptr || handle->socket == nullptr) return fail(Errc::invalid, EBADF);
  return handle->socket->local;
}

result<SocketAddress> SimBackend::peer_address(Descriptor socket) {
  const Handle* handle = process_->find(socket);
  if (handle == nullptr || handle->socket == nullptr) return fail(Errc::invalid, EBADF);
  if (handle->socket->state != Socket::State::connected) return fail(Errc::reset, ENOTCONN);
  return handle->socket->peer;
}

}  // namespace mailroot::reactor::sim
