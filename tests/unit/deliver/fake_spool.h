// A spool in memory that records what delivery does to it, and fails on demand.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "mailroot/spool/spool.h"

namespace mailroot::deliver::test {

struct StoredMessage {
  smtp::Envelope envelope;
  std::string status;
  spool::MessageTimes times;
  std::string content;
  std::string last_reply;
  bool done = false;
};

class FakeSpool final : public spool::Spool {
 public:
  explicit FakeSpool(reactor::Reactor& reactor) : reactor_(reactor) {}

  QueueId put(smtp::Envelope envelope, std::string content);
  StoredMessage& at(const QueueId& id) { return messages.at(id); }
  size_t open_messages() const;

  std::optional<std::string> refusal() const override { return std::nullopt; }
  std::unique_ptr<spool::Draft> begin_draft() override;
  reactor::task<spool::CommitResult> commit(std::unique_ptr<spool::Draft> draft,
                                            smtp::Envelope envelope,
                                            spool::MessageTimes times) override;
  reactor::task<result<spool::LoadedMessage>> load(QueueId id) override;
  reactor::task<spool::CommitResult> settle(spool::Settlement settlement,
                                            std::vector<Caused> caused) override;
  reactor::task<result<void>> to_badmail(QueueId id, std::string reason) override;
  reactor::task<result<void>> to_drop(spool::LoadedMessage& message, std::vector<size_t> recipients,
                                      std::string trace, spool::DropRules rules) override;
  reactor::task<void> scan(std::function<void(const spool::LoadedMessage&)> found) override;
  reactor::task<void> close() override;
  spool::SpoolCounters counters() const override { return {}; }

  struct Dropped {
    QueueId id;
    std::vector<size_t> recipients;
    std::string trace;
    spool::DropRules rules;
  };
  std::map<QueueId, StoredMessage> messages;
  std::vector<spool::Settlement> settlements;
  std::vector<QueueId> reports;  // messages caused by settlements
  std::vector<std::pair<QueueId, std::string>> badmail;
  std::vector<Dropped> dropped;
  // Faults: what the next calls answer; then all is well again.
  std::deque<spool::CommitResult> settle_faults;
  std::deque<Error> load_faults;
  std::deque<Error> drop_faults;
  int full_drafts = 0;  // so many drafts refuse their bytes
  size_t window_bytes = 1000;
  std::map<QueueId, size_t> unreadable_after;  // windows

 private:
  void apply(spool::Settlement settlement);
  reactor::Reactor& reactor_;
  uint64_t counter_ = 0;
};

}  // namespace mailroot::deliver::test
