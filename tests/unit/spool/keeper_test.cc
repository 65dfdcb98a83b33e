// Bounds of Badmail, and what is known of Drop, in real directories.
#include "mailroot/spool/keeper.h"

#include <doctest/doctest.h>

#include "limits.h"
#include "rig.h"

using namespace mailroot;
using namespace mailroot::spool;
using namespace mailroot::spool::test;

namespace {

// A home with a keeper that runs.
struct KeptHome {
  Rig& rig;
  std::string path;
  std::unique_ptr<Home> home;
  KeeperRules rules{std::chrono::hours(1), kGiB};
  std::unique_ptr<Keeper> keeper;
  reactor::CancelScope scope{nullptr};
  reactor::TaskGroup group;

  KeptHome(Rig& own_rig, const TemporaryDirectory& directory)
      : rig(own_rig), path(directory.sub("home")) {}
  task<void> open() {
    auto opened = co_await open_home(rig.reactor, path, {});
    REQUIRE(opened.has_value());
    home = std::move(*opened);
  }
  void start() {
    keeper =
        std::make_unique<Keeper>(rig.reactor, *home, [this] { return rules; }, "default", rig.sink);
    group.spawn(keeper->run(scope));
  }
  task<void> close() {
    scope.cancel();
    co_await group.join();
    co_await close_home(rig.reactor, *home);
  }
  std::string file(std::string_view name) const { return path + "/" + std::string(name); }
  // A message of `size` bytes with its reason, newer than all before it.
  task<void> put(std::string name, size_t size) {
    write_file(file("Badmail/new/" + name + ".reason"), "because");
    write_file(file("Badmail/new/" + name), std::string(size, 'x'));
    co_await pause(12);  // ctime has the kernel's tick
  }
  task<void> pause(int ms) {
    co_await rig.reactor.sleep_until(rig.reactor.now() + std::chrono::milliseconds(ms), {});
  }
  template <class Condition>
  task<bool> until(Condition condition) {
    for (int i = 0; i < 6000; ++i) {
      if (condition()) co_return true;
      co_await pause(5);
    }
    co_return false;
  }
};

}  // namespace

TEST_CASE("Badmail beyond its size loses the oldest with their reasons, never the newest") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    KeptHome kept(rig, directory);
    co_await kept.open();
    const std::string badmail = kept.file("Badmail/new");
    for (const char* const name : {"z", "a", "m", "b"}) {
      co_await kept.put(name, 1000);
    }
    kept.rules.badmail_size_limit_bytes = 2500;
    kept.start();
    bool done = co_await kept.until([&] { return rig.sink.count("badmail-cleaned") == 1; });
    REQUIRE(done);
    const std::vector<std::string> two = {"b", "b.reason", "m", "m.reason"};
    CHECK(list(badmail) == two);
    CHECK(rig.sink.count("badmail-removed") == 2);
    // A look that nothing asks for does not come for an hour; an addition is counted.
    co_await kept.put("huge", 100'000);
    kept.home->usage->badmail_added_bytes += 100'000;
    done = co_await kept.until([&] { return rig.sink.count("badmail-cleaned") == 2; });
    REQUIRE(done);
    const std::vector<std::string> newest = {"huge", "huge.reason"};
    CHECK(list(badmail) == newest);
    co_await kept.close();
  });
}

TEST_CASE(
    "Badmail loses what is too old, the newest too; files of others in cur and on top count") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    KeptHome kept(rig, directory);
    co_await kept.open();
    co_await kept.put("old", 10);
    write_file(kept.file("Badmail/cur/read:2,S"), "x");
    write_file(kept.file("Badmail/copied.BAD"), "x");
    std::filesystem::create_directory(kept.file("Badmail/new/directory"));
    kept.start();
    co_await kept.pause(50);
    CHECK(list(kept.file("Badmail/new")).size() == 3);
    kept.rules.badmail_keep = Duration(1);  // a reload
    const bool done = co_await kept.until([&] {
      return list(kept.file("Badmail/new")) == std::vector<std::string>{"directory"} &&
             list(kept.file("Badmail/cur")).empty() &&
             !std::filesystem::exists(kept.file("Badmail/copied.BAD"));
    });
    CHECK(done);
    co_await kept.close();
  });
}

TEST_CASE("more old files than one look keeps go in several") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    KeptHome kept(rig, directory);
    co_await kept.open();
    for (size_t i = 0; i < kBadmailCandidatesMax + 100; ++i) {
      write_file(kept.file("Badmail/new/" + std::to_string(i)), "x");
    }
    kept.rules.badmail_keep = Duration(1);
    kept.start();
    const bool done = co_await kept.until([&] { return rig.sink.count("badmail-cleaned") == 2; });
    CHECK(done);
    CHECK(list(kept.file("Badmail/new")).empty());
    CHECK(rig.sink.count("badmail-removed") <= 2 * kBadmailToldMax);
    co_await kept.close();
  });
}

TEST_CASE("Drop's sum is what lies there, also when others take away") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    KeptHome kept(rig, directory);
    co_await kept.open();
    HomeUsage& usage = *kept.home->usage;
    write_file(kept.file("Drop/new/a"), std::string(1000, 'x'));
    write_file(kept.file("Drop/cur/b:2,S"), std::string(200, 'x'));
    write_file(kept.file("Drop/flat.eml"), std::string(30, 'x'));
    write_file(kept.file("Drop/tmp/unfinished"), std::string(5000, 'x'));
    kept.start();
    bool known = co_await kept.until([&] { return usage.drop_bytes() == 1230; });
    CHECK(known);
    // Somebody was refused: it is looked at again, but only once something has changed.
    usage.drop_was_full = true;
    co_await kept.pause(1500);
    CHECK(usage.drop_was_full);
    std::filesystem::remove(kept.file("Drop/new/a"));
    known = co_await kept.until([&] { return usage.drop_bytes() == 230; });
    CHECK(known);
    CHECK_FALSE(usage.drop_was_full);
    co_await kept.close();
  });
}

TEST_CASE("a full Drop takes nothing more, and what could not be written is not counted") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const bool started = co_await rig.start(directory.sub("home"), SpoolOptions{});
    REQUIRE(started);
    const QueueId id = co_await rig.accept(text_of(3000));
    const QueueId other = co_await rig.accept(text_of(3000));
    auto message = co_await rig.spool->load(id);
    auto second = co_await rig.spool->load(other);
    REQUIRE(message.has_value());
    REQUIRE(second.has_value());
    HomeUsage& usage = *rig.home->usage;
    // The first leaves it just not full, and the next one still finds its place.
    const DropRules rules{false, 3000};
    auto dropped = co_await rig.spool->to_drop(*message, {0}, "", rules);
    CHECK(dropped.has_value());
    const uint64_t used = usage.drop_bytes();
    CHECK(used ==
          std::filesystem::file_size(directory.sub("home/Drop/new/" + to_string(id)) + ".eml"));
    dropped = co_await rig.spool->to_drop(*second, {0}, "", rules);
    REQUIRE_FALSE(dropped.has_value());
    CHECK(dropped.error().code == Errc::limit);
    CHECK(usage.drop_bytes() == used);
    CHECK(usage.drop_was_full);
    std::filesystem::remove_all(directory.sub("home/Drop/tmp"));
    dropped = co_await rig.spool->to_drop(*second, {0}, "", {});
    CHECK_FALSE(dropped.has_value());
    CHECK(usage.drop_bytes() == used);
  });
}
