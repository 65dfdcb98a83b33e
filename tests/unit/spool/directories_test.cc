// What lies in the directories: Badmail, Drop, and what other hands did to Queue.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <set>

#include "groups.h"
#include "mailroot/message/queue_file.h"
#include "rig.h"

using namespace mailroot;
using namespace mailroot::spool;
using namespace mailroot::spool::test;

namespace {

SpoolOptions eager() {
  SpoolOptions options;
  options.materialise_after = Duration::zero();
  options.free_min_bytes = 0;
  return options;
}

std::string file_of(const TemporaryDirectory& directory, const QueueId& id,
                    std::string_view part = "new") {
  return directory.sub("home/Queue/" + std::string(part) + "/" + to_string(id) + ".eml");
}

// A start, a placed message, a stop and another start: the message is known by its file only.
task<QueueId> placed_and_restarted(Rig& rig, const TemporaryDirectory& directory) {
  bool started = co_await rig.start(directory.sub("home"), eager());
  REQUIRE(started);
  const QueueId id = co_await rig.accept(text_of(5000));
  co_await rig.stop();
  started = co_await rig.start(directory.sub("home"), eager());
  REQUIRE(started);
  co_return id;
}

}  // namespace

TEST_CASE("Badmail gets the message and a reason to read") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const bool started = co_await rig.start(directory.sub("home"), eager());
    REQUIRE(started);
    for (const size_t size : {3000UL, 900'000UL}) {
      const QueueId id = co_await rig.accept(text_of(size));
      const auto moved = co_await rig.spool->to_badmail(id, "the DSN could not be delivered");
      REQUIRE(moved.has_value());
      const std::string base = directory.sub("home/Badmail/new/" + to_string(id));
      CHECK(read_file(base + ".reason") == "the DSN could not be delivered");
      const std::string file = read_file(base + ".eml");
      const auto parsed = message::parse_queue_header(as_bytes(file));
      REQUIRE(parsed.has_value());
      CHECK(parsed->header.id == id);
      CHECK(file.substr(parsed->layout.block_size) == text_of(size));
      // The caller settles afterwards; until then it is still in the queue.
      auto content = co_await rig.content_of(id);
      CHECK(content.has_value());
    }
    CHECK(list(directory.sub("home/Badmail/tmp")).empty());
    const auto none = co_await rig.spool->to_badmail({9, 9, 9}, "x");
    CHECK_FALSE(none.has_value());
  });
}

TEST_CASE("Drop gets one file for the recipients of one attempt, in either layout") {
  static bool flat = false;
  for (const bool layout : {false, true}) {
    flat = layout;
    run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
      const bool started = co_await rig.start(directory.sub("home"), eager());
      REQUIRE(started);
      QueueId id;
      const CommitResult outcome =
          co_await rig.take(envelope_to({"bob", "eve", "zoe"}), text_of(3000), id);
      REQUIRE(outcome == CommitResult::durable);
      auto message = co_await rig.spool->load(id);
      REQUIRE(message.has_value());
      for (int repeat = 0; repeat < 2; ++repeat) {
        const auto dropped =
            co_await rig.spool->to_drop(*message, {0, 2}, "Return-Path: <a@b>\r\n", {flat, 0});
        REQUIRE(dropped.has_value());
      }
      const auto later = co_await rig.spool->to_drop(*message, {1}, "", {flat, 0});
      REQUIRE(later.has_value());
      const std::string base = directory.sub(flat ? "home/Drop/" : "home/Drop/new/");
      CHECK(read_file(base + to_string(id) + ".eml") ==
            "x-sender: ann@example.com\r\nx-receiver: bob@example.org\r\n"
            "x-receiver: zoe@example.org\r\nReturn-Path: <a@b>\r\n" +
                text_of(3000));
      CHECK(read_file(base + to_string(id) + "-1.eml") ==
            "x-sender: ann@example.com\r\nx-receiver: eve@example.org\r\n" + text_of(3000));
      CHECK(list(directory.sub("home/Drop/tmp")).empty());
      const auto nobody = co_await rig.spool->to_drop(*message, {}, "", {flat, 0});
      CHECK_FALSE(nobody.has_value());
      const auto unknown = co_await rig.spool->to_drop(*message, {7}, "", {flat, 0});
      CHECK_FALSE(unknown.has_value());
    });
  }
}

TEST_CASE("a file removed by the administrator is the end of its message") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const QueueId id = co_await placed_and_restarted(rig, directory);
    std::filesystem::remove(file_of(directory, id));
    const auto loaded = co_await rig.spool->load(id);
    REQUIRE_FALSE(loaded.has_value());
    CHECK(loaded.error().code == Errc::not_found);
    // Also one of this start, which the journal still speaks of.
    const QueueId second = co_await rig.accept(text_of(100));
    std::filesystem::remove(file_of(directory, second));
    const auto again = co_await rig.spool->load(second);
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error().code == Errc::not_found);
    co_await rig.stop();
    const bool started = co_await rig.start(directory.sub("home"), eager());
    REQUIRE(started);
    const auto found = co_await rig.scanned();
    CHECK(found.empty());
  });
}

TEST_CASE("a file that was changed is set aside with the reason, never delivered") {
  // What somebody or something did, and a word of the reason.
  struct Case {
    const char* word;
    void (*change)(std::string& file);
  };
  static const Case* current = nullptr;
  const Case cases[] = {
      {"CRC", [](std::string& file) { file[file.size() - 3] ^= 1; }},
      {"length", [](std::string& file) { file.resize(file.size() - 1); }},
      {"length", [](std::string& file) { file += "x"; }},
      {"no end", [](std::string& file) { file.resize(100); }},
      {"envelope block", [](std::string& file) { file[file.find("X-Sender")] = 'Y'; }},
      {"begin with", [](std::string& file) { file.assign(file.size(), '\0'); }},
      {"no end", [](std::string& file) { file.clear(); }},
  };
  for (const Case& one : cases) {
    current = &one;
    run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
      const QueueId id = co_await placed_and_restarted(rig, directory);
      const QueueId other = co_await rig.accept(text_of(777));
      std::string file = read_file(file_of(directory, id));
      current->change(file);
      write_file(file_of(directory, id), file);
      const auto loaded = co_await rig.spool->load(id);
      REQUIRE_FALSE(loaded.has_value());
      CHECK(loaded.error().code == Errc::corrupt);
      const std::string base = directory.sub("home/Badmail/new/" + to_string(id));
      CHECK(read_file(base + ".eml") == file);
      const std::string reason = read_file(base + ".reason");
      CAPTURE(reason);
      CHECK(reason.find(current->word) != std::string::npos);
      CHECK_FALSE(std::filesystem::exists(file_of(directory, id)));
      CHECK(rig.spool->counters().set_aside == 1);
      const auto content = co_await rig.content_of(other);
      CHECK(content.has_value());
    });
  }
}

TEST_CASE("a file that changes while it is sent ends in an error, not in altered mail") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    bool started = co_await rig.start(directory.sub("home"), eager());
    REQUIRE(started);
    const QueueId id = co_await rig.accept(text_of(400'000));
    auto loaded = co_await rig.spool->load(id);
    REQUIRE(loaded.has_value());
    auto window = co_await loaded->content->next();
    REQUIRE(window.has_value());
    std::string file = read_file(file_of(directory, id));
    file[file.size() - 3] ^= 1;
    write_file(file_of(directory, id), file);
    bool ended_well = false;
    for (;;) {
      window = co_await loaded->content->next();
      if (!window) break;
      ended_well = window->empty();
      if (ended_well) break;
    }
    CHECK_FALSE(ended_well);
  });
}

TEST_CASE("files that are not ours are left alone, and said once") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const QueueId id = co_await placed_and_restarted(rig, directory);
    co_await rig.stop();
    const std::string queue = directory.sub("home/Queue/new/");
    write_file(queue + "README", "hello");
    write_file(queue + "0000000100000000000G.eml", "no id");
    write_file(queue + "00000001000000000F01.eml", "Subject: not ours\r\n\r\nx");
    REQUIRE(symlink("/etc/passwd", (queue + "00000001000000000F03.eml").c_str()) == 0);
    REQUIRE(mkfifo((queue + "00000001000000000F04.eml").c_str(), 0600) == 0);
    std::filesystem::create_directory(queue + "00000001000000000F05.eml");
    write_file(queue + "00000001000000000F06.eml",
               "X-Queue-Id: 00000001000000000F06\r\nX-Queue-Format: 9\r\n");
    const auto before = list(queue);
    const bool started = co_await rig.start(directory.sub("home"), eager());
    REQUIRE(started);
    const auto found = co_await rig.scanned();
    CHECK(found.size() == 1);
    CHECK(found.count(id) == 1);
    CHECK(list(queue) == before);
    CHECK(rig.sink.count("foreign_file") == 1);
    CHECK(list(directory.sub("home/Badmail/new")).empty());
  });
}

TEST_CASE("a huge sparse file and one under another's name do not hold the scan up") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const QueueId id = co_await placed_and_restarted(rig, directory);
    co_await rig.stop();
    const std::string queue = directory.sub("home/Queue/new/");
    const std::string sparse = queue + "00000001000000000F01.eml";
    write_file(sparse, "X-Queue-Id: 00000001000000000F01\r\nX-Queue-Format: 1\r\n");
    std::filesystem::resize_file(sparse, 1ULL << 40);
    std::filesystem::copy(file_of(directory, id), queue + "00000001000000000F02.eml");
    const bool started = co_await rig.start(directory.sub("home"), eager());
    REQUIRE(started);
    const auto found = co_await rig.scanned();
    CHECK(found.size() == 1);
    CHECK(found.count(id) == 1);
    CHECK(rig.spool->counters().set_aside == 2);
  });
}

TEST_CASE("a scan divides the messages among the shards, each to one") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    bool started = co_await rig.start(directory.sub("home"), eager());
    REQUIRE(started);
    for (int i = 0; i < 40; ++i) {
      co_await rig.accept(text_of(10));
    }
    co_await rig.stop();
    started = co_await rig.start(directory.sub("home"), eager());
    REQUIRE(started);
    std::set<QueueId> all;
    size_t reports = 0;
    for (uint16_t shard = 0; shard < 3; ++shard) {
      auto spool = make_spool(rig.reactor, rig.slabs, *rig.home, shard, 3, eager(), rig.sink);
      auto* const out = &all;
      auto* const count = &reports;
      co_await spool->scan([out, count](const LoadedMessage& message) {
        out->insert(message.id);
        ++*count;
      });
      co_await spool->close();
    }
    CHECK(all.size() == 40);
    CHECK(reports == 40);
  });
}

TEST_CASE("a file that is missing because it was damaged and a crash followed is written anew") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    bool started = co_await rig.start(directory.sub("home"), eager());
    REQUIRE(started);
    co_await rig.stop();
    SegmentBuilder segment;
    for (const uint64_t counter : {1UL, 2UL}) {
      segment.accept(2 * counter - 1, 2 * counter - 2, counter, text_of(5000));
      segment.group(2 * counter, 2 * counter - 1, [&](HeadBuilder& builder, std::string&) {
        CHECK(builder.add(PlacedRecord{id_of(counter)}));
      });
    }
    const std::string journal = directory.sub("home/Journal/0");
    std::filesystem::create_directories(journal);
    write_file(journal + "/00000001.seg", as_text(segment.view()));
    // Recovery put the first aside and was cut there; the second was removed by hand.
    write_file(directory.sub("home/Badmail/new/damaged-" + to_string(id_of(1)) + ".eml"), "?");
    started = co_await rig.start(directory.sub("home"), eager());
    REQUIRE(started);
    CHECK(rig.recovery.placed == 1);
    const auto found = co_await rig.scanned();
    CHECK(found.size() == 1);
    const auto content = co_await rig.content_of(id_of(1));
    REQUIRE(content.has_value());
    CHECK(*content == text_of(5000));
  });
}
