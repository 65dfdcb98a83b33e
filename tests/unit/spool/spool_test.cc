// The ordinary life of messages, on a real disk.
#include <doctest/doctest.h>

#include "rig.h"

using namespace mailroot;
using namespace mailroot::spool;
using namespace mailroot::spool::test;

namespace {

SpoolOptions lazy() {
  SpoolOptions options;
  options.materialise_after = std::chrono::hours(1);
  options.free_min_bytes = 0;
  return options;
}

SpoolOptions eager() {
  SpoolOptions options = lazy();
  options.materialise_after = Duration::zero();
  return options;
}

// What a crash would leave: the home as it is now, under another name.
std::string snapshot(const TemporaryDirectory& directory, const std::string& name) {
  std::filesystem::copy(directory.sub("home"), directory.sub(name),
                        std::filesystem::copy_options::recursive);
  return directory.sub(name);
}

}  // namespace

TEST_CASE("a committed message can be loaded, and is gone when it is settled") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const bool started = co_await rig.start(directory.sub("home"), lazy());
    REQUIRE(started);
    CHECK(rig.spool->counters().groups == 0);
    CHECK_FALSE(std::filesystem::exists(directory.sub("home/Journal/0")));
    const std::string text = text_of(10'000);
    const QueueId id = co_await rig.accept(text);
    CHECK(id.epoch == 1);
    const auto content = co_await rig.content_of(id);
    REQUIRE(content.has_value());
    CHECK(*content == text);
    CHECK(list(directory.sub("home/Queue/new")).empty());
    CHECK(rig.spool->counters().hot == 1);
    const CommitResult outcome = co_await rig.finish(id);
    CHECK(outcome == CommitResult::durable);
    const auto again = co_await rig.content_of(id);
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error().code == Errc::not_found);
    CHECK(rig.spool->counters().hot == 0);
  });
}

TEST_CASE("every size comes back byte for byte, before and after placing and a restart") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    bool started = co_await rig.start(directory.sub("home"), lazy());
    REQUIRE(started);
    const std::vector<size_t> sizes = {0,      1,      4095,    4096,      4097,      8192,
                                       70'000, 262144, 262'145, 1'000'000, 3'000'001, 8'388'608};
    std::map<QueueId, std::string> sent;
    for (const size_t size : sizes) {
      const std::string text = text_of(size, static_cast<char>('a' + sent.size()));
      const QueueId id = co_await rig.accept(text);
      const auto content = co_await rig.content_of(id);
      REQUIRE(content.has_value());
      CHECK(*content == text);
      sent[id] = text;
    }
    co_await rig.stop();
    CHECK(list(directory.sub("home/Queue/new")).size() == sizes.size());
    CHECK_FALSE(std::filesystem::exists(directory.sub("home/Journal/0")));
    started = co_await rig.start(directory.sub("home"), lazy());
    REQUIRE(started);
    const auto found = co_await rig.scanned();
    CHECK(found.size() == sizes.size());
    for (const auto& item : sent) {
      const auto content = co_await rig.content_of(item.first);
      REQUIRE(content.has_value());
      CHECK(*content == item.second);
    }
  });
}

TEST_CASE("after a crash recovery has what was promised and nothing else") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    bool started = co_await rig.start(directory.sub("home"), lazy());
    REQUIRE(started);
    const QueueId kept = co_await rig.accept(text_of(5000));
    const QueueId done = co_await rig.accept(text_of(6000));
    const QueueId large = co_await rig.accept(text_of(400'000));
    const QueueId deferred = co_await rig.accept(text_of(7000));
    auto unfinished = rig.spool->begin_draft();
    const bool filled = co_await rig.fill(*unfinished, text_of(600'000));
    REQUIRE(filled);
    co_await rig.finish(done);
    co_await rig.defer(deferred, 1);
    const bool placed = co_await rig.wait_for_files(directory.sub("home/Queue/cur"), 1);
    CHECK(placed);
    const std::string crashed = snapshot(directory, "crashed");
    unfinished.reset();
    co_await rig.stop();

    started = co_await rig.start(crashed, lazy());
    REQUIRE(started);
    CHECK(rig.recovery.messages == 3);
    CHECK(rig.recovery.findings.empty());
    CHECK_FALSE(std::filesystem::exists(crashed + "/Journal/0"));
    const auto found = co_await rig.scanned();
    CHECK(found.size() == 3);
    CHECK(found.count(done) == 0);
    REQUIRE(found.count(deferred) == 1);
    CHECK(found.at(deferred).times.attempts == 1);
    CHECK(found.at(deferred).last_reply == "451 4.7.1 later");
    CHECK(list(crashed + "/Queue/cur").size() == 1);
    const auto first = co_await rig.content_of(kept);
    REQUIRE(first.has_value());
    CHECK(*first == text_of(5000));
    const auto second = co_await rig.content_of(large);
    REQUIRE(second.has_value());
    CHECK(*second == text_of(400'000));
  });
}

TEST_CASE("materialise_after 0 shows the message in Queue before commit returns") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const bool started = co_await rig.start(directory.sub("home"), eager());
    REQUIRE(started);
    const QueueId id = co_await rig.accept(text_of(3000));
    const std::string path = directory.sub("home/Queue/new/" + to_string(id) + ".eml");
    const std::string file = read_file(path);
    CHECK(file.starts_with("X-Queue-Id: " + to_string(id) + "\r\n"));
    CHECK(file.find("X-Receiver: <bob@example.org>\r\n") != std::string::npos);
    CHECK(file.ends_with(text_of(3000)));
    const auto content = co_await rig.content_of(id);
    REQUIRE(content.has_value());
    CHECK(*content == text_of(3000));
    const CommitResult outcome = co_await rig.finish(id);
    CHECK(outcome == CommitResult::durable);
    const bool gone = co_await rig.wait_for_files(directory.sub("home/Queue/new"), 0);
    CHECK(gone);
    // Its inode waits in tmp and is taken for the next message.
    CHECK(list(directory.sub("home/Queue/tmp")).size() == 1);
    co_await rig.accept(text_of(100));
    CHECK(list(directory.sub("home/Queue/tmp")).empty());
  });
}

TEST_CASE("a waiting message is placed by age, a deferred one at once and into cur") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    SpoolOptions options = lazy();
    options.materialise_after = std::chrono::milliseconds(50);
    const bool started = co_await rig.start(directory.sub("home"), options);
    REQUIRE(started);
    const QueueId first = co_await rig.accept(text_of(3000));
    const bool placed = co_await rig.wait_for_files(directory.sub("home/Queue/new"), 1);
    CHECK(placed);
    CHECK(rig.spool->counters().hot == 0);
    CHECK(rig.spool->counters().placed == 1);
    CHECK(rig.slabs.used_bytes() == 0);
    const CommitResult outcome = co_await rig.defer(first, 1);
    CHECK(outcome == CommitResult::durable);
    const bool moved = co_await rig.wait_for_files(directory.sub("home/Queue/cur"), 1);
    CHECK(moved);
    CHECK(list(directory.sub("home/Queue/new")).empty());
    auto loaded = co_await rig.spool->load(first);
    REQUIRE(loaded.has_value());
    CHECK(loaded->times.attempts == 1);
    CHECK(loaded->last_reply == "451 4.7.1 later");
    CHECK(loaded->envelope.recipients.size() == 1);
  });
}

TEST_CASE("a shorter time to wait holds for what waits already") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    SpoolOptions options = lazy();
    const bool started = co_await rig.start(directory.sub("home"), options);
    REQUIRE(started);
    co_await rig.accept(text_of(3000));
    CHECK(rig.spool->counters().placed == 0);
    options.materialise_after = std::chrono::milliseconds(10);
    rig.spool->use(options);
    const bool placed = co_await rig.wait_for_files(directory.sub("home/Queue/new"), 1);
    CHECK(placed);
  });
}

TEST_CASE("DSNs caused by a settlement are messages of their own") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const bool started = co_await rig.start(directory.sub("home"), lazy());
    REQUIRE(started);
    const QueueId failed = co_await rig.accept(text_of(3000));
    std::vector<Spool::Caused> caused;
    QueueId dsns[2];
    const size_t sizes[2] = {900, 700'000};
    for (int i = 0; i < 2; ++i) {
      Spool::Caused dsn;
      dsn.draft = rig.spool->begin_draft();
      dsns[i] = dsn.draft->id();
      const bool filled = co_await rig.fill(*dsn.draft, text_of(sizes[i]));
      REQUIRE(filled);
      dsn.envelope = envelope_to({"ann"});
      dsn.envelope.reverse_path = {};
      caused.push_back(std::move(dsn));
    }
    Settlement settlement;
    settlement.id = failed;
    settlement.status = "B";
    settlement.done = true;
    const CommitResult outcome = co_await rig.spool->settle(settlement, std::move(caused));
    CHECK(outcome == CommitResult::durable);
    for (int i = 0; i < 2; ++i) {
      const auto content = co_await rig.content_of(dsns[i]);
      REQUIRE(content.has_value());
      CHECK(*content == text_of(sizes[i]));
    }
    const auto gone = co_await rig.content_of(failed);
    CHECK_FALSE(gone.has_value());
  });
}

TEST_CASE("while memory is half full only small mail waits in it") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const bool started = co_await rig.start(directory.sub("home"), lazy());
    REQUIRE(started);
    co_await rig.accept(text_of(100'000));
    CHECK(rig.spool->counters().hot == 1);
    std::vector<std::byte*> others;
    while (!rig.slabs.is_half_high()) others.push_back(rig.slabs.acquire(kLargeSlabSize));
    const QueueId large = co_await rig.accept(text_of(100'000));
    CHECK(rig.spool->counters().hot == 1);
    const bool in_file = co_await rig.wait_for_files(directory.sub("home/Queue/new"), 1);
    CHECK(in_file);
    const auto content = co_await rig.content_of(large);
    REQUIRE(content.has_value());
    CHECK(*content == text_of(100'000));
    co_await rig.accept(text_of(3000));
    CHECK(rig.spool->counters().hot == 2);
    for (std::byte* slab : others) rig.slabs.release(slab, kLargeSlabSize);
    co_await rig.accept(text_of(100'000));
    CHECK(rig.spool->counters().hot == 3);
  });
}

TEST_CASE("a dropped draft leaves nothing behind") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const bool started = co_await rig.start(directory.sub("home"), lazy());
    REQUIRE(started);
    auto small = rig.spool->begin_draft();
    auto large = rig.spool->begin_draft();
    bool filled = co_await rig.fill(*small, text_of(3000));
    REQUIRE(filled);
    filled = co_await rig.fill(*large, text_of(3'000'000));
    REQUIRE(filled);
    small.reset();
    large.reset();
    co_await rig.pause(50);
    CHECK(rig.slabs.used_bytes() == 0);
    CHECK(list(directory.sub("home/Queue/tmp")).size() == 1);  // in the pool
    CHECK(list(directory.sub("home/Queue/new")).empty());
    co_await rig.accept(text_of(900'000));
    CHECK(list(directory.sub("home/Queue/tmp")).empty());
  });
}

TEST_CASE("an envelope too large for the journal goes by file, whatever was expected") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const bool started = co_await rig.start(directory.sub("home"), lazy());
    REQUIRE(started);
    std::vector<std::string> names;
    for (int i = 0; i < 9000; ++i)
      names.push_back("recipient-with-a-long-name-" + std::to_string(i));
    for (const bool told : {false, true}) {
      for (const size_t size : {2000UL, 700'000UL}) {
        auto draft = rig.spool->begin_draft();
        const QueueId id = draft->id();
        smtp::Envelope envelope = envelope_to(names);
        if (told) draft->expect_envelope(envelope);
        const bool filled = co_await rig.fill(*draft, text_of(size));
        REQUIRE(filled);
        const CommitResult outcome = co_await rig.spool->commit(std::move(draft), envelope, {});
        CHECK(outcome == CommitResult::durable);
        auto loaded = co_await rig.spool->load(id);
        REQUIRE(loaded.has_value());
        CHECK(loaded->envelope == envelope);
        CHECK(loaded->status.size() == 9000);
        const auto content = co_await rig.content_of(id);
        REQUIRE(content.has_value());
        CHECK(*content == text_of(size));
      }
    }
  });
}

TEST_CASE("many messages under way at once share groups; segments grow and are taken up again") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const bool started = co_await rig.start(directory.sub("home"), lazy());
    REQUIRE(started);
    reactor::TaskGroup group;
    const auto one = [](Rig& own, int rounds) -> task<void> {
      for (int i = 0; i < rounds; ++i) {
        const QueueId id = co_await own.accept(text_of(20'000));
        const CommitResult outcome = co_await own.finish(id);
        CHECK(outcome == CommitResult::durable);
      }
    };
    for (int i = 0; i < 40; ++i) group.spawn(one(rig, 25));
    co_await group.join();
    const SpoolCounters counters = rig.spool->counters();
    CHECK(counters.committed == 1000);
    CHECK(counters.groups < 1500);
    CHECK(counters.hot == 0);
    CHECK(list(directory.sub("home/Queue/new")).empty());
    CHECK(list(directory.sub("home/Journal/0")).size() <= 8);
  });
}
