#include "mailroot/reactor/streams.h"

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
  const Item item = items_[head_++];
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
  const bool is_item =
      completion.result > 0 || (completion.result == 0 && stream.opcode == Opcode::accept);
  if (is_item) stream.items_.push_back(Item{completion.result, completion.buffer});
  if (!completion.more) {
    stream.on_last(completion.result, is_item);
  } else if (stream.next_waiter_ == nullptr && !stream.cancelling_ &&
             stream.items_.size() - stream.head_ >= stream.items_max_) {
    stream.cancelling_ = true;
    stream.reactor_.cancel(stream);
  }
  if (is_item && stream.next_waiter_ != nullptr) stream.next_waiter_->wake();
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

BufferLease::BufferLease(Backend& backend, int32_t index, size_t size_bytes)
    : backend_(&backend), index_(index), bytes_(backend.buffer(index).first(size_bytes)) {}

BufferLease::BufferLease(BufferLease&& other) noexcept
    : backend_(std::exchange(other.backend_, nullptr)),
      index_(std::exchange(other.index_, -1)),
      bytes_(std::exchange(other.bytes_, {})) {}

BufferLease& BufferLease::operator=(BufferLease&& other) noexcept {
  if (this == &other) return *this;
  release();
  backend_ = std::exchange(other.backend_, nullptr);
  index_ = std::exchange(other.index_, -1);
  bytes_ = std::exchange(other.bytes_, {});
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
  while (has_ready()) reactor().backend().release_buffer(take().buffer);
}

bool ReceiveStream::goes_on_after(int32_t) { return false; }

result<BufferLease> ReceiveStream::Next::await_resume() {
  const result<Item> item = outcome();
  if (!item) return std::unexpected(item.error());
  return BufferLease(receive_stream_.reactor().backend(), item->buffer,
                     static_cast<size_t>(item->value));
}

AcceptStream::AcceptStream(Reactor& reactor, Descriptor listener)
    : MultishotStream(reactor, Opcode::accept, listener, kStreamAcceptsMax) {}

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
  hold();
  reactor().add_timer(*this, reactor().now() + kAcceptRest);
  return true;
}

void AcceptStream::on_stopped() { reactor().cancel_timer(*this); }

void AcceptStream::on_timer() { go_on(); }

result<Descriptor> AcceptStream::Next::await_resume() {
  const result<Item> item = outcome();
  if (!item) return std::unexpected(item.error());
  return item->value;
}

}  // namespace mailroot::reactor
