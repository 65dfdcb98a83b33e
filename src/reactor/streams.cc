#include "mailroot/reactor/streams.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "mailroot/reactor/reactor.h"

namespace mailroot::reactor {

MultishotStream::MultishotStream(Reactor& reactor, Opcode code, Descriptor source, size_t items_max)
    : reactor_(reactor), items_max_(items_max) {
  opcode = code;
  descriptor = source;
  on_completion = &MultishotStream::completed;
}

MultishotStream::~MultishotStream() {
  MAILROOT_ASSERT(!armed_, "a stream is stopped before it dies");
  MAILROOT_ASSERT(next_waiter_ == nullptr, "a stream outlives its reader");
}

void MultishotStream::arm() {
  armed_ = true;
  reactor_.submit(*this);
}

void MultishotStream::go_on() {
  held_ = false;
  if (next_waiter_ != nullptr && !armed_) arm();
}

MultishotStream::Item MultishotStream::take() {
  Item item = std::move(items_[head_++]);
  if (head_ == items_.size()) {
    items_.clear();
    head_ = 0;
  }
  return item;
}

MultishotStream::Stop MultishotStream::stop() {
  MAILROOT_ASSERT(!stop_waiter_, "a stream is stopped by one");
  if (!stopping_) {
    stopping_ = true;
    if (armed_ && !cancelling_) {
      cancelling_ = true;
      reactor_.cancel(*this);
    }
    if (!armed_) {
      on_stopped();
      end(Error{Errc::cancelled, 0});
    }
  }
  return Stop(*this);
}

void MultishotStream::end(Error reason) {
  if (!ended_) ended_ = reason;
  if (next_waiter_ != nullptr) next_waiter_->wake();
}

void MultishotStream::completed(Operation& operation, const Completion& completion) {
  MultishotStream& stream = static_cast<MultishotStream&>(operation);
  const bool is_accept = stream.opcode == Opcode::accept;
  const bool is_item = completion.result > 0 || (completion.result == 0 && is_accept);
  if (is_item) {
    stream.items_.push_back(Item{completion.result, completion.buffer, {}});
    // Judged after the run phase: the reader may only need its turn to take them all.
    if (stream.items_.size() - stream.head_ >= stream.items_max_) {
      stream.reactor_.relieve_later(stream);
    }
  }
  if (!completion.more) stream.on_last(completion.result, is_item);
  if (is_item && stream.next_waiter_ != nullptr) stream.next_waiter_->wake();
}

void MultishotStream::relieve() {
  if (next_waiter_ != nullptr || items_.size() - head_ < items_max_) return;
  if (armed_ && !cancelling_) {
    cancelling_ = true;
    reactor_.cancel(*this);
  }
  for (size_t i = head_ + items_max_; i < items_.size(); ++i) spill(items_[i]);
}

void MultishotStream::on_last(int32_t last_result, bool had_item) {
  armed_ = false;
  const bool was_cancelling = std::exchange(cancelling_, false);
  if (last_result == 0 && !had_item) {
    end(Error{Errc::end_of_stream, 0});
  } else if (last_result < 0 && !(was_cancelling && last_result == -ECANCELED) &&
             !goes_on_after(-last_result)) {
    end(error_from_errno(-last_result));
  }
  if (stopping_) {
    on_stopped();
    end(Error{Errc::cancelled, 0});
    if (stop_waiter_) reactor_.resume_later(std::exchange(stop_waiter_, {}));
  } else if (!ended_ && !held_ && next_waiter_ != nullptr && !had_item) {
    arm();
  }
}

MultishotStream::Next::Next(MultishotStream& stream, const Wait& wait)
    : Waiting(stream.reactor_, wait), stream_(stream) {}

bool MultishotStream::Next::await_ready() const noexcept {
  // A cancelled scope wins over what is here: whoever cancelled wants the reader to leave.
  if (wait().scope != nullptr && wait().scope->is_cancelled()) return false;
  return stream_.has_ready() || stream_.has_ended();
}

bool MultishotStream::Next::await_suspend(std::coroutine_handle<> waiter) {
  MAILROOT_ASSERT(stream_.next_waiter_ == nullptr, "a stream has one reader");
  if (!begin_wait()) return false;
  waiter_ = waiter;
  stream_.next_waiter_ = this;
  if (!stream_.armed_ && !stream_.held_) stream_.arm();
  return true;
}

void MultishotStream::Next::wake() {
  end_wait();
  stream_.next_waiter_ = nullptr;
  reactor().resume_later(waiter_);
}

result<MultishotStream::Item> MultishotStream::Next::outcome() {
  if (was_interrupted()) return interruption();
  if (stream_.has_ready()) return stream_.take();
  // Neither: stop() came between our waking and our running.
  if (!stream_.ended_) return fail(Errc::cancelled);
  return std::unexpected(*stream_.ended_);
}

SpilledBytes::SpilledBytes(ByteView bytes, size_t& spilled_bytes)
    : memory_(std::make_unique_for_overwrite<std::byte[]>(bytes.size())),
      size_bytes_(bytes.size()),
      spilled_bytes_(&spilled_bytes) {
  std::copy(bytes.begin(), bytes.end(), memory_.get());
  spilled_bytes += size_bytes_;
}

SpilledBytes::SpilledBytes(SpilledBytes&& other) noexcept
    : memory_(std::move(other.memory_)),
      size_bytes_(other.size_bytes_),
      spilled_bytes_(other.spilled_bytes_) {}

SpilledBytes& SpilledBytes::operator=(SpilledBytes&& other) noexcept {
  if (this == &other) return *this;
  release();
  memory_ = std::move(other.memory_);
  size_bytes_ = other.size_bytes_;
  spilled_bytes_ = other.spilled_bytes_;
  return *this;
}

void SpilledBytes::release() {
  if (memory_ != nullptr) *spilled_bytes_ -= size_bytes_;
  memory_.reset();
}

BufferLease::BufferLease(Backend& backend, int32_t index, size_t size_bytes)
    : backend_(&backend), index_(index), bytes_(backend.buffer(index).first(size_bytes)) {}

BufferLease::BufferLease(SpilledBytes copy, size_t size_bytes)
    : bytes_(copy.data(), size_bytes), copy_(std::move(copy)) {}

BufferLease::BufferLease(BufferLease&& other) noexcept
    : backend_(std::exchange(other.backend_, nullptr)),
      index_(other.index_),
      bytes_(std::exchange(other.bytes_, {})),
      copy_(std::move(other.copy_)) {}

BufferLease& BufferLease::operator=(BufferLease&& other) noexcept {
  if (this == &other) return *this;
  release();
  backend_ = std::exchange(other.backend_, nullptr);
  index_ = other.index_;
  bytes_ = std::exchange(other.bytes_, {});
  copy_ = std::move(other.copy_);
  return *this;
}

void BufferLease::release() {
  if (backend_ != nullptr) backend_->release_buffer(index_);
  backend_ = nullptr;
}

ReceiveStream::ReceiveStream(Reactor& reactor, Descriptor socket)
    : MultishotStream(reactor, Opcode::receive, socket, kStreamBuffersMax) {}

ReceiveStream::~ReceiveStream() { release_all(); }

void ReceiveStream::release_all() {
  while (has_ready()) {
    const Item item = take();
    if (!item.copy) reactor().backend().release_buffer(item.buffer);
  }
}

void ReceiveStream::spill(Item& item) {
  const size_t size_bytes = static_cast<size_t>(item.value);
  size_t& spilled_bytes = reactor().spilled_bytes();
  if (item.copy || spilled_bytes + size_bytes > kSpillBytesMax) return;
  Backend& backend = reactor().backend();
  item.copy = SpilledBytes(backend.buffer(item.buffer).first(size_bytes), spilled_bytes);
  backend.release_buffer(item.buffer);
}

bool ReceiveStream::goes_on_after(int32_t) { return false; }

result<BufferLease> ReceiveStream::Next::await_resume() {
  result<Item> item = outcome();
  if (!item) return std::unexpected(item.error());
  const size_t size_bytes = static_cast<size_t>(item->value);
  if (item->copy) return BufferLease(std::move(item->copy), size_bytes);
  return BufferLease(receive_stream_.reactor().backend(), item->buffer, size_bytes);
}

AcceptStream::AcceptStream(Reactor& reactor, Descriptor listener)
    : MultishotStream(reactor, Opcode::accept, listener, kStreamAcceptsMax) {}

AcceptStream::AcceptStream(Reactor& reactor, Descriptor listener, OnRest on_rest)
    : MultishotStream(reactor, Opcode::accept, listener, kStreamAcceptsMax),
      on_rest_(std::move(on_rest)) {}

AcceptStream::~AcceptStream() {
  while (has_ready()) reactor().close(take().value);
}

bool AcceptStream::goes_on_after(int32_t system_errno) {
  switch (system_errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      break;
    default:
      return false;
  }
  if (is_stopping()) return true;
  ++rests_;
  if (on_rest_) on_rest_(error_from_errno(system_errno));
  hold();
  reactor().add_timer(*this, reactor().now() + kAcceptRest);
  return true;
}

void AcceptStream::on_stopped() { reactor().cancel_timer(*this); }

void AcceptStream::on_timer() { go_on(); }

result<Descriptor> AcceptStream::Next::await_resume() {
  result<Item> item = outcome();
  if (!item) return std::unexpected(item.error());
  return item->value;
}

}  // namespace mailroot::reactor
