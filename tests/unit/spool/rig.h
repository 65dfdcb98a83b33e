// A spool in a real directory, on epoll and io_uring, and the steps that tests repeat.
#pragma once

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "mailroot/reactor/reactor.h"
#include "mailroot/spool/spool.h"

namespace mailroot::spool::test {

using reactor::Reactor;
using reactor::task;

class Sink final : public log::Sink {
 public:
  void write(log::Event&& event) override {
    names_.emplace_back(event.name());
    std::string line(event.name());
    for (const auto& [key, value] : event.fields()) {
      line += " " + std::string(key) + "=";
      if (const auto* text = std::get_if<std::string>(&value)) line += *text;
    }
    if (std::getenv("SPOOL_TEST_LOG") != nullptr) std::fprintf(stderr, "%s\n", line.c_str());
  }
  bool enabled(log::Level) const override { return true; }
  const std::vector<std::string>& names() const { return names_; }
  size_t count(std::string_view name) const {
    return static_cast<size_t>(std::count(names_.begin(), names_.end(), name));
  }

 private:
  std::vector<std::string> names_;
};

class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string& parent = "/tmp") {
    std::string name = parent + "/mailroot-spool-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string sub(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

inline void write_file(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
}

inline std::vector<std::string> list(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline smtp::Envelope envelope_to(std::vector<std::string> local_parts) {
  smtp::Envelope envelope;
  envelope.reverse_path = {"ann", "example.com"};
  for (std::string& local_part : local_parts) {
    envelope.recipients.push_back({{std::move(local_part), "example.org"}, {}, ""});
  }
  return envelope;
}

inline std::string text_of(size_t size, char first = 'a') {
  std::string text(size, first);
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(first + i % 13);
  for (size_t i = 70; i + 1 < size; i += 72) {
    text[i] = '\r';
    text[i + 1] = '\n';
  }
  return text;
}

// One start of one virtual server's shard.
struct Rig {
  Reactor& reactor;
  Sink sink;
  SlabPool slabs{SlabPoolLimits{}};
  std::unique_ptr<Home> home;
  std::unique_ptr<Spool> spool;
  RecoveryReport recovery;
  std::string problem;  // why start() said no

  explicit Rig(Reactor& own_reactor) : reactor(own_reactor) {}

  task<bool> start(std::string path, SpoolOptions options) {
    auto opened = co_await open_home(reactor, path, {});
    if (!opened) {
      problem = opened.error().sentence;
      co_return false;
    }
    home = std::move(*opened);
    auto report = co_await recover(reactor, *home);
    if (!report) {
      problem = report.error().sentence;
      co_return false;
    }
    recovery = *report;
    spool = make_spool(reactor, slabs, *home, 0, 1, options, sink);
    co_return true;
  }
  task<void> stop() {
    if (spool) {
      co_await spool->close();
    }
    spool.reset();
    if (home) {
      co_await close_home(reactor, *home);
    }
    home.reset();
  }
  // Appends and flushes as a receiver does, in pieces of 4 KiB.
  task<bool> fill(Draft& draft, std::string content) {
    std::string_view left = content;
    while (!left.empty()) {
      const std::string_view piece = left.substr(0, 4096);
      if (!draft.append(as_bytes(piece))) co_return false;
      left.remove_prefix(piece.size());
      if (!draft.wants_flush()) continue;
      const auto flushed = co_await draft.flush();
      if (!flushed) co_return false;
    }
    co_return true;
  }
  task<CommitResult> take(smtp::Envelope envelope, std::string content, QueueId& id) {
    auto draft = spool->begin_draft();
    id = draft->id();
    const bool filled = co_await fill(*draft, content);
    if (!filled) co_return CommitResult::refused;
    MessageTimes times;
    times.arrived = WallTime(std::chrono::seconds(1'700'000'000));
    const CommitResult outcome =
        co_await spool->commit(std::move(draft), std::move(envelope), times);
    co_return outcome;
  }
  task<QueueId> accept(std::string content) {
    QueueId id;
    const CommitResult outcome = co_await take(envelope_to({"bob"}), std::move(content), id);
    CHECK(outcome == CommitResult::durable);
    co_return id;
  }
  task<result<std::string>> content_of(QueueId id) {
    auto loaded = co_await spool->load(id);
    if (!loaded) co_return std::unexpected(loaded.error());
    std::string text;
    for (;;) {
      auto window = co_await loaded->content->next();
      if (!window) co_return std::unexpected(window.error());
      if (window->empty()) co_return text;
      for (const ByteView piece : *window) text += as_text(piece);
    }
  }
  task<CommitResult> finish(QueueId id) {
    Settlement settlement;
    settlement.id = id;
    settlement.status = "D";
    settlement.done = true;
    const CommitResult outcome = co_await spool->settle(std::move(settlement), {});
    co_return outcome;
  }
  task<CommitResult> defer(QueueId id, uint32_t attempts) {
    Settlement settlement;
    settlement.id = id;
    settlement.status = "W";
    settlement.times.arrived = WallTime(std::chrono::seconds(1'700'000'000));
    settlement.times.attempts = attempts;
    settlement.last_reply = "451 4.7.1 later";
    const CommitResult outcome = co_await spool->settle(std::move(settlement), {});
    co_return outcome;
  }
  task<void> pause(int ms) {
    co_await reactor.sleep_until(reactor.now() + std::chrono::milliseconds(ms), {});
  }
  // Waits until `name` has so many files; false after five seconds.
  task<bool> wait_for_files(std::string path, size_t count) {
    for (int i = 0; i < 500; ++i) {
      if (list(path).size() == count) co_return true;
      co_await pause(10);
    }
    co_return false;
  }
  task<std::map<QueueId, LoadedMessage>> scanned() {
    std::map<QueueId, LoadedMessage> all;
    auto* const out = &all;
    co_await spool->scan([out](const LoadedMessage& message) {
      LoadedMessage copy;
      copy.id = message.id;
      copy.envelope = message.envelope;
      copy.status = message.status;
      copy.times = message.times;
      copy.size_bytes = message.size_bytes;
      copy.last_reply = message.last_reply;
      out->emplace(message.id, std::move(copy));
    });
    co_return all;
  }
};

using Body = task<void> (*)(Rig&, const TemporaryDirectory&);

inline task<void> run_body(Rig& rig, const TemporaryDirectory& directory, Body body) {
  co_await body(rig, directory);
  co_await rig.stop();
  rig.reactor.stop();
}

class Watchdog final : public reactor::Timer {
 public:
  void on_timer() override {
    std::fputs("the test hangs\n", stderr);
    std::abort();
  }
};

inline void run_spool_on(reactor::BackendChoice choice, Body body) {
  std::string why;
  auto backend = reactor::make_backend(choice, reactor::BackendOptions{}, why);
  if (!backend) {
    MESSAGE("skipped, " << why);
    return;
  }
  Reactor reactor(std::move(*backend), reactor::ReactorLimits{});
  TemporaryDirectory directory;
  Watchdog watchdog;
  {
    Rig rig(reactor);
    reactor::TaskGroup group;
    reactor.add_timer(watchdog, reactor.now() + std::chrono::seconds(60));
    reactor.post([&] { group.spawn(run_body(rig, directory, body)); });
    reactor.run();
    REQUIRE(group.running() == 0);
  }
  reactor.cancel_timer(watchdog);
}

inline void run_spool(Body body) {
  run_spool_on(reactor::BackendChoice::epoll, body);
  run_spool_on(reactor::BackendChoice::io_uring, body);
}

}  // namespace mailroot::spool::test
