#include "peer.h"

#include <algorithm>

namespace mailroot::simtest {

using reactor::task;

namespace {

constexpr Duration kSendPatience = std::chrono::minutes(20);
constexpr size_t kBytewiseMax = 300;  // the rest in one piece: it only costs time

}  // namespace

Peer::Peer(reactor::Reactor& reactor, reactor::Descriptor socket, reactor::CancelScope& scope,
           Pace pace, Chance& chance)
    : reactor_(reactor),
      socket_(socket),
      scope_(scope),
      pace_(pace),
      chance_(chance),
      stream_(reactor, socket) {}

task<bool> Peer::send(std::string_view text) {
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  const reactor::Wait wait{reactor_.now() + kSendPatience, &scope_};
  const result<void> sent = co_await reactor_.send(socket_, {&piece, 1}, wait);
  is_broken_ = is_broken_ || !sent.has_value();
  co_return sent.has_value();
}

task<bool> Peer::say(std::string text) {
  if (pace_ == Pace::slow) {
    co_await pause(chance_.up_to(std::chrono::seconds(20)));
  }
  std::string_view rest = text;
  for (size_t pieces = 0; !rest.empty(); ++pieces) {
    size_t length = rest.size();
    if (pace_ == Pace::bytewise && pieces < kBytewiseMax) length = 1;
    if (pace_ == Pace::pieces) length = std::min<size_t>(length, chance_.between(1, 2000));
    const bool sent = co_await send(rest.substr(0, length));
    if (!sent) co_return false;
    rest.remove_prefix(length);
  }
  co_return true;
}

task<bool> Peer::fill(Duration patience) {
  const reactor::Wait wait{reactor_.now() + patience, &scope_};
  const auto lease = co_await stream_.next(wait);
  if (!lease) co_return false;
  buffer_ += as_text(lease->bytes());
  co_return true;
}

task<std::optional<std::string>> Peer::line(Duration patience) {
  size_t end = buffer_.find("\r\n");
  while (end == std::string::npos) {
    const bool more = co_await fill(patience);
    if (!more) co_return std::nullopt;
    end = buffer_.find("\r\n");
  }
  std::string found = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  co_return found;
}

task<int> Peer::reply(Duration patience) {
  while (true) {
    auto next = co_await line(patience);
    if (!next || next->size() < 3) co_return 0;
    text_ = std::move(*next);
    if (text_.size() == 3 || text_[3] == ' ') co_return std::atoi(text_.substr(0, 3).c_str());
  }
}

task<void> Peer::pause(Duration time) {
  co_await reactor_.sleep_until(reactor_.now() + time, {kNever, &scope_});
}

task<void> Peer::close() {
  co_await stream_.stop();
  co_await reactor_.close_now(socket_);
}

}  // namespace mailroot::simtest
