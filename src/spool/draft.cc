#include "draft.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "limits.h"
#include "mailroot/base/assert.h"
#include "mailroot/base/crc32c.h"
#include "mailroot/message/queue_file.h"

namespace mailroot::spool {

using reactor::task;

DraftImpl::~DraftImpl() {
  if (stream_) BodyStream::abandon(std::move(stream_));
}

bool DraftImpl::append(ByteView bytes) {
  if (failure_) return false;
  if (!chain_.append(bytes)) {
    failure_ = Error{Errc::no_memory, 0};
    return false;
  }
  crc_ = crc32c(bytes, crc_);
  scan_.add(bytes);
  size_bytes_ += bytes.size();
  return true;
}

// Few large bodies get large windows, many share the memory.
size_t DraftImpl::window_bytes() const {
  const uint64_t share = kWindowsBytesTotal / std::max<size_t>(world_.streams, 1) / 2;
  return std::clamp<uint64_t>(share, kWindowBytesMin, kWindowBytesMax);
}

bool DraftImpl::wants_flush() const {
  if (failure_) return false;
  if (stream_) return chain_.size_bytes() >= window_bytes();
  return chain_.size_bytes() > world_.memory_body_max_bytes();
}

void DraftImpl::expect_envelope(const smtp::Envelope& envelope) {
  if (stream_ || size_bytes_ > 0) return;
  message::QueueFileHeader header;
  header.envelope = envelope;
  header.status.assign(envelope.recipients.size(), RecipientStatus::waiting);
  header.content_size_bytes = 0;
  header.content_crc32c = 0;
  header.origin = std::string(256, 'x');
  expected_bytes_ = envelope.declared_size_bytes.value_or(0);
  // Only large envelopes need more than the smallest room: do not encode the others twice.
  if (envelope.recipients.size() < 32) return;
  room_bytes_ = std::bit_ceil(message::encode_queue_header(header, 0).bytes.size());
  if (room_bytes_ > kEnvelopeRoomStep) {
    room_bytes_ = message::encode_queue_header(header, kEnvelopeRoomStep).bytes.size();
  }
}

task<result<void>> DraftImpl::spill() {
  if (stream_) co_return result<void>{};
  auto file = co_await world_.pool.take(true);
  if (!file) {
    failure_ = file.error();
    co_return std::unexpected(file.error());
  }
  stream_ = std::make_shared<BodyStream>(world_, std::move(*file),
                                         std::max<uint64_t>(room_bytes_, kEnvelopeRoomMin));
  stream_->expect_bytes(expected_bytes_);
  co_return result<void>{};
}

task<result<void>> DraftImpl::flush() {
  if (failure_) co_return std::unexpected(*failure_);
  if (!wants_flush()) co_return result<void>{};
  auto outcome = co_await spill();
  if (!outcome) co_return outcome;
  SlabChain rest(world_.slabs);
  outcome = co_await BodyStream::write(stream_, std::move(chain_), false, rest);
  chain_ = std::move(rest);
  if (!outcome) failure_ = outcome.error();
  co_return outcome;
}

task<result<void>> DraftImpl::finish_stream() {
  if (failure_) co_return std::unexpected(*failure_);
  MAILROOT_ASSERT(stream_ != nullptr, "a draft in memory has no file");
  SlabChain rest(world_.slabs);
  auto outcome = co_await BodyStream::write(stream_, std::move(chain_), true, rest);
  if (outcome) outcome = co_await stream_->wait_idle();
  if (outcome) {
    outcome =
        co_await world_.reactor.truncate(stream_->file().file, stream_->room_bytes() + size_bytes_);
  }
  if (!outcome) failure_ = outcome.error();
  co_return outcome;
}

std::shared_ptr<BodyStream> DraftImpl::take_stream() { return std::move(stream_); }

BodyStream::BodyStream(DraftWorld& world, PoolFile file, uint64_t room_bytes)
    : world_(world),
      file_(std::move(file)),
      room_bytes_(room_bytes),
      allocated_(file_.size_bytes),
      pending_(world.slabs) {
  ++world_.streams;
}

BodyStream::~BodyStream() {
  MAILROOT_ASSERT(!writing_ && file_.file == reactor::kNoDescriptor, "its file went somewhere");
  --world_.streams;
}

PoolFile BodyStream::take_file() {
  MAILROOT_ASSERT(!writing_, "the file is not being written");
  PoolFile file = file_;
  file_.file = reactor::kNoDescriptor;
  return file;
}

task<result<void>> BodyStream::wait_idle() {
  while (writing_) {
    co_await idle_.wait(world_.reactor, {});
  }
  if (failure_) co_return std::unexpected(*failure_);
  co_return result<void>{};
}

task<result<void>> BodyStream::write(std::shared_ptr<BodyStream> stream, SlabChain window,
                                     bool last, SlabChain& rest) {
  auto idle = co_await stream->wait_idle();
  if (!idle) co_return idle;
  const uint64_t size = window.size_bytes();
  const uint64_t whole = size / kBlockSize * kBlockSize;
  if (size == 0) co_return result<void>{};
  if (last) {
    window.pad_to_block();
  } else if (size > whole) {
    const SlabChain::Piece& piece = window.pieces().back();
    const size_t tail = size - whole;
    if (!rest.append(piece.view().last(tail))) co_return fail(Errc::no_memory);
  }
  stream->pending_ = std::move(window);
  stream->pending_bytes_ = last ? (size + kBlockSize - 1) / kBlockSize * kBlockSize : whole;
  stream->writing_ = true;
  stream->world_.tasks.spawn(run_write(stream));
  co_return result<void>{};
}

task<void> BodyStream::run_write(std::shared_ptr<BodyStream> stream) {
  const auto outcome = co_await stream->write_pending();
  stream->pending_.clear();
  stream->writing_ = false;
  if (!outcome && !stream->failure_) stream->failure_ = outcome.error();
  stream->idle_.notify_all();
}

task<result<void>> BodyStream::write_pending() {
  const uint64_t from = room_bytes_ + at_;
  const uint64_t to = from + pending_bytes_;
  if (to > allocated_) {
    const uint64_t step = to + std::min(kPreallocateBytes, at_);
    // What MAIL declared, but no more than a few steps ahead of what has come.
    const uint64_t expected = std::min(room_bytes_ + expected_bytes_, to + 4 * kPreallocateBytes);
    const uint64_t wanted = expected > to ? expected : step;
    const uint64_t grown = (wanted + kBlockSize - 1) / kBlockSize * kBlockSize;
    // Only to keep the file in one piece; the write itself decides.
    auto allocated = co_await world_.reactor.allocate(file_.file, allocated_, grown - allocated_);
    allocated_ = grown;
    if (!allocated && allocated.error().code == Errc::no_space) {
      co_return std::unexpected(allocated.error());
    }
  }
  std::vector<iovec> pieces;
  uint64_t left = pending_bytes_;
  for (const SlabChain::Piece& piece : pending_.pieces()) {
    const size_t size = std::min<uint64_t>(left, piece.capacity_bytes);
    if (size > 0) pieces.push_back({piece.data, size});
    left -= size;
  }
  at_ += pending_bytes_;
  auto written = co_await world_.reactor.write_at(file_.file, pieces, from);
  co_return written;
}

void BodyStream::abandon(std::shared_ptr<BodyStream> stream) {
  DraftWorld& world = stream->world_;
  world.tasks.spawn(run_abandon(std::move(stream)));
}

task<void> BodyStream::run_abandon(std::shared_ptr<BodyStream> stream) {
  co_await stream->wait_idle();
  co_await stream->world_.pool.give_back(stream->take_file());
}

}  // namespace mailroot::spool
