// A spool in memory that can be told to fail, and the virtual server around it.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mailroot/reactor/reactor.h"
#include "mailroot/receive/service.h"

namespace mailroot::receive::test {

using reactor::Reactor;
using reactor::task;
using spool::CommitResult;

struct Stored {
  QueueId id;
  smtp::Envelope envelope;
  std::string content;
};

class FakeSpool;

// Holds what was appended until flush(), as the real one does with large bodies.
class FakeDraft final : public spool::Draft {
 public:
  FakeDraft(FakeSpool& spool, QueueId id) : spool_(spool), id_(id) {}
  ~FakeDraft() override;
  QueueId id() const override { return id_; }
  bool append(ByteView bytes) override;
  bool wants_flush() const override;
  task<result<void>> flush() override;
  uint64_t size_bytes() const override { return written_.size() + pending_.size(); }
  std::optional<Error> failure() const override { return failure_; }
  std::string take_content() { return std::move(written_ += pending_); }

 private:
  FakeSpool& spool_;
  QueueId id_;
  std::string written_, pending_;
  std::optional<Error> failure_;
};

class FakeSpool final : public spool::Spool {
 public:
  static constexpr size_t kFlushAbove = 64 * 1024;

  explicit FakeSpool(Reactor& reactor) : reactor_(reactor) {}

  // How it behaves.
  std::optional<std::string> refusal_now;
  CommitResult next_result = CommitResult::durable;
  Duration commit_delay{};
  uint64_t memory_left = UINT64_MAX;  // appends beyond it fail
  std::optional<Error> flush_failure;
  std::function<void()> during_commit;
  std::function<void()> during_append;

  // What happened.
  std::vector<Stored> stored;
  size_t drafts_open = 0;
  size_t drafts_begun = 0;
  size_t commits = 0;
  size_t pending_peak = 0;

  std::optional<std::string> refusal() const override { return refusal_now; }
  std::unique_ptr<spool::Draft> begin_draft() override {
    ++drafts_open;
    ++drafts_begun;
    return std::make_unique<FakeDraft>(*this, QueueId{1, 0, drafts_begun});
  }
  task<CommitResult> commit(std::unique_ptr<spool::Draft> draft, smtp::Envelope envelope,
                            spool::MessageTimes) override {
    ++commits;
    if (commit_delay > Duration{}) {
      co_await reactor_.sleep_until(reactor_.now() + commit_delay, {});
    }
    if (during_commit) during_commit();
    if (next_result == CommitResult::durable) {
      stored.push_back(
          {draft->id(), std::move(envelope), static_cast<FakeDraft&>(*draft).take_content()});
    }
    co_return next_result;
  }

  // Not used by receive.
  task<result<spool::LoadedMessage>> load(QueueId) override { co_return fail(Errc::unsupported); }
  task<CommitResult> settle(spool::Settlement, std::vector<Caused>) override {
    co_return CommitResult::refused;
  }
  task<result<void>> to_badmail(QueueId, std::string) override {
    co_return fail(Errc::unsupported);
  }
  task<result<void>> to_drop(spool::LoadedMessage&, std::vector<size_t>, std::string,
                             spool::DropRules) override {
    co_return fail(Errc::unsupported);
  }
  task<void> scan(std::function<void(const spool::LoadedMessage&)>) override { co_return; }
  task<void> close() override { co_return; }
  spool::SpoolCounters counters() const override { return {}; }

 private:
  Reactor& reactor_;
};

inline FakeDraft::~FakeDraft() { --spool_.drafts_open; }

inline bool FakeDraft::append(ByteView bytes) {
  if (spool_.during_append) spool_.during_append();
  if (failure_) return false;
  if (bytes.size() > spool_.memory_left) {
    failure_ = Error{Errc::no_memory};
    return false;
  }
  spool_.memory_left -= spool_.memory_left == UINT64_MAX ? 0 : bytes.size();
  pending_ += as_text(bytes);
  spool_.pending_peak = std::max(spool_.pending_peak, pending_.size());
  return true;
}

inline bool FakeDraft::wants_flush() const { return pending_.size() > FakeSpool::kFlushAbove; }

inline task<result<void>> FakeDraft::flush() {
  if (spool_.flush_failure) {
    failure_ = spool_.flush_failure;
    co_return std::unexpected(*failure_);
  }
  written_ += pending_;
  pending_.clear();
  co_return result<void>{};
}

class FakeSink final : public log::Sink {
 public:
  void write(log::Event&& event) override {
    std::string line(event.name());
    for (const auto& [key, value] : event.fields()) {
      line += " " + std::string(key) + "=";
      const auto* text = std::get_if<std::string>(&value);
      line += text != nullptr ? *text : std::to_string(std::get<int64_t>(value));
    }
    if (std::getenv("RECEIVE_TEST_LOG") != nullptr) std::fprintf(stderr, "%s\n", line.c_str());
    lines.push_back(std::move(line));
  }
  bool enabled(log::Level) const override { return true; }
  size_t count(std::string_view part) const {
    return static_cast<size_t>(std::ranges::count_if(
        lines, [&](const std::string& line) { return line.find(part) != std::string::npos; }));
  }

  std::vector<std::string> lines;
};

// One name and the addresses it has; a name lookup can hang until it is given up.
class FakeResolver final : public dns::Resolver {
 public:
  explicit FakeResolver(Reactor& reactor) : reactor_(reactor) {}
  std::string name;
  std::vector<IpAddress> addresses_of_name;
  bool hangs = false;
  uint32_t asked = 0;

  task<std::expected<dns::MailHosts, dns::ResolveFailure>> mail_hosts(std::string,
                                                                      reactor::Wait) override {
    co_return std::unexpected(dns::ResolveFailure{dns::Failure::no_such_domain, ""});
  }
  task<std::expected<std::vector<IpAddress>, dns::ResolveFailure>> addresses(
      std::string, reactor::Wait) override {
    co_return addresses_of_name;
  }
  task<std::expected<dns::MailHosts, dns::ResolveFailure>> named_host(std::string,
                                                                      reactor::Wait) override {
    co_return std::unexpected(dns::ResolveFailure{dns::Failure::no_such_domain, ""});
  }
  task<std::expected<std::vector<dns::TlsaRecord>, dns::ResolveFailure>> tlsa(
      std::string, uint16_t, reactor::Wait) override {
    co_return std::vector<dns::TlsaRecord>();
  }
  task<std::expected<std::string, dns::ResolveFailure>> reverse(IpAddress,
                                                                reactor::Wait wait) override {
    ++asked;
    if (hangs) {
      co_await reactor_.sleep_until(kNever, wait);
      co_return std::unexpected(dns::ResolveFailure{dns::Failure::timed_out, ""});
    }
    co_return name;
  }

 private:
  Reactor& reactor_;
};

class FakeService final : public Service {
 public:
  explicit FakeService(Reactor& reactor) : fake_resolver(reactor), spool_(reactor) {
    values.id = "default";
    values.fqdn = "relay.example.com";
    values.default_domain = "example.com";
  }

  config::VirtualServer values;  // as of the next settings()
  std::optional<std::string> connection_refusal;
  std::optional<std::string> recipient_refusal;
  std::optional<std::string> client_refusal;
  bool relay_client = false;
  std::vector<QueueId> queued;
  FakeSink sink;
  FakeResolver fake_resolver;

  FakeSpool& fake_spool() { return spool_; }

  std::shared_ptr<const config::VirtualServer> settings() const override {
    return std::make_shared<config::VirtualServer>(values);
  }
  std::optional<std::string> refusal(const SocketAddress&, const SocketAddress&) const override {
    return connection_refusal;
  }
  std::optional<std::string> send_kept(const std::string& domain) override {
    asked_for.push_back(domain);
    if (domain == "branch.example") return std::nullopt;
    return "459 4.7.1 Node " + domain + " not allowed";
  }
  std::vector<std::string> asked_for;
  tls::ServerTls tls_now;
  tls::ServerTls tls() const override { return tls_now; }
  std::optional<std::string> relay_refusal(const smtp::Mailbox&, const IpAddress&,
                                           bool authenticated) const override {
    return authenticated ? std::nullopt : recipient_refusal;
  }
  task<result<bool>> check_password(LoginAttempt attempt) override {
    ++passwords_checked;
    const config::Authentication& settings = attempt.settings->access.authentication;
    if (too_many_logins) co_return fail(Errc::limit);
    if (is_for_dovecot(settings, attempt.user)) {
      if (dovecot_is_away) co_return fail(Errc::refused);
      co_return attempt.password == "of dovecot";
    }
    co_return settings.users->check_password(attempt.user, attempt.password);
  }
  bool dovecot_is_away = false;
  uint32_t passwords_checked = 0;
  bool too_many_logins = false;
  LoginGuard& login_guard() override { return guard; }
  LoginGuard guard;
  std::optional<std::string> access_refusal(const IpAddress&) const override {
    return client_refusal;
  }
  bool is_relay_client(const IpAddress&) const override { return relay_client; }
  dns::Resolver& resolver() override { return fake_resolver; }
  spool::Spool& spool() override { return spool_; }
  SlabPool& slabs() override { return slabs_; }
  Admission& admission() override { return admission_; }
  Counters& counters() override { return counters_; }
  log::Sink& log() override { return sink; }
  std::shared_ptr<log::ProtocolLog> protocol_log() override { return protocol; }
  std::shared_ptr<log::ProtocolLog> protocol;
  void accepted(const QueueId& id, const smtp::Envelope&, const spool::MessageTimes&,
                uint64_t) override {
    queued.push_back(id);
  }

 private:
  FakeSpool spool_;
  SlabPool slabs_{SlabPoolLimits{}};
  Admission admission_;
  Counters counters_;
};

// Ends a test that hangs: a deadline nobody should need.
class Watchdog final : public reactor::Timer {
 public:
  void on_timer() override {
    std::fputs("the test hangs\n", stderr);
    std::abort();
  }
};

struct EpollWorld {
  static constexpr reactor::BackendChoice kChoice = reactor::BackendChoice::epoll;
};
struct UringWorld {
  static constexpr reactor::BackendChoice kChoice = reactor::BackendChoice::io_uring;
};

template <class Rig>
task<void> run_body(Rig& rig, task<void> (*body)(Rig&)) {
  co_await body(rig);
  co_await rig.stop();
  rig.reactor.stop();
}

// Runs `body` on a rig and a reactor of its own.
template <class World, class Rig>
void run_in(task<void> (*body)(Rig&)) {
  std::string why;
  auto backend = reactor::make_backend(World::kChoice, reactor::BackendOptions{}, why);
  if (!backend) {
    MESSAGE("skipped, " << why);
    return;
  }
  Reactor reactor(std::move(*backend), reactor::ReactorLimits{});
  Watchdog watchdog;
  reactor.add_timer(watchdog, reactor.now() + std::chrono::seconds(60));
  {
    Rig rig(reactor);
    reactor::TaskGroup group;
    reactor.post([&] { group.spawn(run_body<Rig>(rig, body)); });
    reactor.run();
    REQUIRE(group.running() == 0);
    CHECK(rig.service.fake_spool().drafts_open == 0);
  }
  reactor.cancel_timer(watchdog);
}

}  // namespace mailroot::receive::test

// Every test of this module runs on each of these.
#define MAILROOT_KERNEL_WORLDS \
  ::mailroot::receive::test::EpollWorld, ::mailroot::receive::test::UringWorld
