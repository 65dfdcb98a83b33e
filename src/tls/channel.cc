#include "mailroot/tls/channel.h"

#include <algorithm>
#include <cstring>

#include "mailroot/tls/limits.h"

namespace mailroot::tls {

using reactor::task;
using reactor::Wait;

Channel::Channel(reactor::Reactor& reactor, reactor::Descriptor socket,
                 reactor::ReceiveStream& stream, std::unique_ptr<Engine> engine)
    : reactor_(reactor), socket_(socket), stream_(stream), engine_(std::move(engine)) {}

void Channel::hear_first(std::string ciphertext) {
  first_ = std::move(ciphertext);
  engine_->give(as_bytes(first_));
}

task<result<void>> Channel::flush(Wait wait) {
  if (engine_->output().empty()) co_return result<void>();
  const iovec piece{engine_->output().data(), engine_->output().size()};
  auto sent = co_await reactor_.send(socket_, {&piece, 1}, wait);
  engine_->output_sent();
  co_return sent;
}

// A signature takes a shard's time (0.3 ms with RSA-2048): others get their turn between steps.
task<result<void>> Channel::shake(Wait wait) {
  size_t heard_bytes = 0;
  while (true) {
    co_await reactor_.yield();
    const Progress progress = engine_->shake();
    auto sent = co_await flush(wait);
    if (progress == Progress::failed || progress == Progress::ended) co_return fail(Errc::invalid);
    if (!sent) co_return sent;
    if (progress == Progress::done) co_return result<void>();
    auto received = co_await stream_.next(wait);
    if (!received) co_return std::unexpected(received.error());
    heard_bytes += received->bytes().size();
    if (heard_bytes > kHandshakeInputMax) co_return fail(Errc::limit);
    lease_ = std::move(*received);
    engine_->give(lease_.bytes());
  }
}

std::expected<ByteView, Progress> Channel::read_some() {
  if (plain_ == nullptr) plain_ = std::make_unique_for_overwrite<std::byte[]>(kPlainBufferBytes);
  const auto count = engine_->read({plain_.get(), kPlainBufferBytes});
  if (!count) return std::unexpected(count.error());
  return ByteView(plain_.get(), *count);
}

// An idle connection keeps no buffer.
void Channel::rest() {
  plain_.reset();
  lease_ = {};
}

task<result<ByteView>> Channel::next(Wait wait) {
  while (true) {
    const auto plain = read_some();
    if (plain) co_return *plain;
    if (plain.error() == Progress::ended) co_return fail(Errc::end_of_stream);
    if (plain.error() == Progress::failed) co_return fail(Errc::invalid);
    rest();
    auto sent = co_await flush(wait);  // an answer of the protocol itself (key update)
    if (!sent) co_return std::unexpected(sent.error());
    auto received = co_await stream_.next(wait);
    if (!received) co_return std::unexpected(received.error());
    lease_ = std::move(*received);
    engine_->give(lease_.bytes());
  }
}

std::optional<ByteView> Channel::take_ready() {
  while (true) {
    const auto plain = read_some();
    if (plain) return *plain;
    if (plain.error() != Progress::wants_input || !stream_.has_ready()) return std::nullopt;
    reactor::ReceiveStream::Next next = stream_.next({});
    if (!next.await_ready()) return std::nullopt;
    auto received = next.await_resume();
    if (!received) return std::nullopt;
    lease_ = std::move(*received);
    engine_->give(lease_.bytes());
  }
}

bool Channel::has_ready() const { return engine_->has_input() || stream_.has_ready(); }

// Small pieces are gathered into records of 16 KiB; ciphertext goes out 64 KiB at a time.
task<result<void>> Channel::send(std::span<const iovec> pieces, Wait wait) {
  if (pieces.size() == 1 && pieces[0].iov_len <= kGatherBytes) {  // a reply, commands
    const ByteView piece(static_cast<const std::byte*>(pieces[0].iov_base), pieces[0].iov_len);
    if (!engine_->write(piece)) co_return fail(Errc::invalid);
    auto sent = co_await flush(wait);
    co_return sent;
  }
  auto gathered = std::make_unique_for_overwrite<std::byte[]>(kGatherBytes);
  size_t filled = 0;
  for (const iovec& piece : pieces) {
    ByteView rest(static_cast<const std::byte*>(piece.iov_base), piece.iov_len);
    while (!rest.empty()) {
      const size_t count = std::min(rest.size(), kGatherBytes - filled);
      std::memcpy(gathered.get() + filled, rest.data(), count);
      filled += count;
      rest = rest.subspan(count);
      if (filled < kGatherBytes) continue;
      if (!engine_->write({gathered.get(), filled})) co_return fail(Errc::invalid);
      filled = 0;
      if (engine_->output().size() < kOutputHighBytes) continue;
      auto sent = co_await flush(wait);
      if (!sent) co_return sent;
    }
  }
  if (filled > 0 && !engine_->write({gathered.get(), filled})) co_return fail(Errc::invalid);
  gathered.reset();
  auto sent = co_await flush(wait);
  co_return sent;
}

task<result<void>> Channel::say_goodbye(Wait wait) {
  engine_->close();
  auto sent = co_await flush(wait);
  co_return sent;
}

}  // namespace mailroot::tls
