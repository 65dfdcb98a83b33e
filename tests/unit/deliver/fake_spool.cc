#include "fake_spool.h"

#include <algorithm>

namespace mailroot::deliver::test {
namespace {

class FakeDraft final : public spool::Draft {
 public:
  FakeDraft(QueueId id, bool is_full) : id_(id), is_full_(is_full) {}
  QueueId id() const override { return id_; }
  bool append(ByteView bytes) override {
    if (is_full_) return false;
    text += as_text(bytes);
    unflushed_ += bytes.size();
    return true;
  }
  bool wants_flush() const override { return unflushed_ > 500; }
  reactor::task<result<void>> flush() override {
    unflushed_ = 0;
    co_return result<void>();
  }
  uint64_t size_bytes() const override { return text.size(); }
  std::optional<Error> failure() const override {
    if (!is_full_) return std::nullopt;
    return Error{Errc::no_memory, 0};
  }
  std::string text;

 private:
  QueueId id_;
  bool is_full_;
  size_t unflushed_ = 0;
};

// Windows of a few pieces, so that borders fall everywhere.
class FakeContent final : public spool::Content {
 public:
  FakeContent(reactor::Reactor& reactor, std::string text, size_t window, size_t fails_after)
      : reactor_(reactor), text_(std::move(text)), window_(window), fails_after_(fails_after) {}
  uint64_t size_bytes() const override { return text_.size(); }
  reactor::task<result<std::vector<ByteView>>> next() override {
    co_await reactor_.yield();
    if (windows_++ == fails_after_) co_return fail(Errc::io);
    std::vector<ByteView> views;
    const ByteView all = as_bytes(text_);
    for (int piece = 0; piece < 3 && at_ < all.size(); ++piece) {
      const size_t size = std::min(all.size() - at_, std::max<size_t>(1, window_ / 3));
      views.push_back(all.subspan(at_, size));
      at_ += size;
    }
    co_return views;
  }
  void rewind() override { at_ = 0; }

 private:
  reactor::Reactor& reactor_;
  std::string text_;
  size_t window_;
  size_t fails_after_;
  size_t windows_ = 0;
  size_t at_ = 0;
};

}  // namespace

QueueId FakeSpool::put(smtp::Envelope envelope, std::string content) {
  const QueueId id{.epoch = 1, .shard = 0, .counter = ++counter_};
  StoredMessage message;
  message.status.assign(envelope.recipients.size(), 'W');
  message.envelope = std::move(envelope);
  message.content = std::move(content);
  message.times.arrived = reactor_.wall_now();
  messages[id] = std::move(message);
  return id;
}

size_t FakeSpool::open_messages() const {
  return static_cast<size_t>(
      std::ranges::count_if(messages, [](const auto& entry) { return !entry.second.done; }));
}

std::unique_ptr<spool::Draft> FakeSpool::begin_draft() {
  const bool is_full = full_drafts > 0;
  if (is_full) --full_drafts;
  return std::make_unique<FakeDraft>(QueueId{.epoch = 1, .shard = 0, .counter = ++counter_},
                                     is_full);
}

reactor::task<spool::CommitResult> FakeSpool::commit(std::unique_ptr<spool::Draft>, smtp::Envelope,
                                                     spool::MessageTimes) {
  co_return spool::CommitResult::refused;
}

reactor::task<result<spool::LoadedMessage>> FakeSpool::load(QueueId id) {
  co_await reactor_.yield();
  if (!load_faults.empty()) {
    const Error error = load_faults.front();
    load_faults.pop_front();
    co_return std::unexpected(error);
  }
  const auto found = messages.find(id);
  if (found == messages.end()) co_return fail(Errc::not_found);
  spool::LoadedMessage message;
  message.id = id;
  message.envelope = found->second.envelope;
  message.status = found->second.status;
  message.times = found->second.times;
  message.last_reply = found->second.last_reply;
  message.size_bytes = found->second.content.size();
  smtp::ContentScan scan;
  scan.add(as_bytes(found->second.content));
  message.traits = scan.traits();
  const auto limit = unreadable_after.find(id);
  message.content =
      std::make_unique<FakeContent>(reactor_, found->second.content, window_bytes,
                                    limit == unreadable_after.end() ? SIZE_MAX : limit->second);
  co_return message;
}

reactor::task<spool::CommitResult> FakeSpool::settle(spool::Settlement settlement,
                                                     std::vector<Caused> caused) {
  co_await reactor_.yield();
  if (!settle_faults.empty()) {
    const spool::CommitResult fault = settle_faults.front();
    settle_faults.pop_front();
    if (fault != spool::CommitResult::durable) {
      // Without reports the outcome is kept in memory, and counts.
      if (caused.empty()) apply(std::move(settlement));
      co_return fault;
    }
  }
  for (Caused& one : caused) {
    const QueueId id = one.draft->id();
    StoredMessage& message = messages[id];
    message.envelope = std::move(one.envelope);
    message.status.assign(message.envelope.recipients.size(), 'W');
    message.times = one.times;
    message.content = static_cast<FakeDraft&>(*one.draft).text;
    reports.push_back(id);
  }
  apply(std::move(settlement));
  co_return spool::CommitResult::durable;
}

void FakeSpool::apply(spool::Settlement settlement) {
  StoredMessage& message = messages.at(settlement.id);
  message.status = settlement.status;
  message.times = settlement.times;
  message.done = settlement.done;
  if (!settlement.last_reply.empty()) message.last_reply = settlement.last_reply;
  settlements.push_back(std::move(settlement));
}

reactor::task<result<void>> FakeSpool::to_badmail(QueueId id, std::string reason) {
  co_await reactor_.yield();
  badmail.emplace_back(id, std::move(reason));
  co_return result<void>();
}

reactor::task<result<void>> FakeSpool::to_drop(spool::LoadedMessage& message,
                                               std::vector<size_t> recipients, std::string trace,
                                               spool::DropRules rules) {
  co_await reactor_.yield();
  if (!drop_faults.empty()) {
    const Error error = drop_faults.front();
    drop_faults.pop_front();
    co_return std::unexpected(error);
  }
  dropped.push_back({message.id, std::move(recipients), std::move(trace), rules});
  co_return result<void>();
}

reactor::task<void> FakeSpool::scan(std::function<void(const spool::LoadedMessage&)>) { co_return; }

reactor::task<void> FakeSpool::close() { co_return; }

}  // namespace mailroot::deliver::test
