// What PickupReader does not take, not yet, or never again.
#include <map>

#include "pickup_rig.h"

namespace mailroot::receive::test {

namespace {

// Everything but `name` and its reason is as it was, and the reason says `why`.
void check_badmail(PickupRig& rig, const std::string& name, std::string_view why) {
  CHECK(rig.list("Badmail/new") == std::set<std::string>{name, name + ".reason"});
  const std::string reason = rig.read("Badmail/new/" + name + ".reason");
  INFO(reason);
  CHECK(reason.find(why) != std::string::npos);
  CHECK(rig.stored().empty());
  CHECK(rig.service.counters().messages_refused == 1);
  CHECK(rig.service.sink.count("pickup-refused server=default file=" + name) == 1);
  CHECK(rig.list("Badmail/tmp").empty());
  CHECK(rig.files_left() == 0);
}

// Root may read everything: for a while we are somebody else who owns the directories.
class NoRoot {
 public:
  explicit NoRoot(const PickupRig& rig) {
    if (::geteuid() != 0) return;
    for (const char* const name :
         {"Pickup", "Pickup/cur", "Badmail", "Badmail/tmp", "Badmail/new"}) {
      REQUIRE(::chown(rig.path(name).c_str(), kNobody, kNobody) == 0);
    }
    REQUIRE(::chmod(rig.root.c_str(), 0755) == 0);
    REQUIRE(::seteuid(kNobody) == 0);
    changed_ = true;
  }
  ~NoRoot() {
    if (changed_) CHECK(::seteuid(0) == 0);
  }
  NoRoot(const NoRoot&) = delete;
  NoRoot& operator=(const NoRoot&) = delete;

 private:
  static constexpr uid_t kNobody = 65534;
  bool changed_ = false;
};

}  // namespace

TEST_CASE_TEMPLATE("a file nobody can send goes to Badmail with the reason", World,
                   MAILROOT_KERNEL_WORLDS) {
  run_in<World, PickupRig>([](PickupRig& rig) -> task<void> {
    const std::string text = "From: a@example.com\nSubject: to nobody\n\nbody";
    rig.write("Pickup/bad.eml", text);
    rig.start();
    const bool told = co_await rig.until_told("pickup-refused");
    REQUIRE(told);
    check_badmail(rig, "bad.eml", "no X-Receiver, To, Cc or Bcc");
    CHECK(rig.read("Badmail/new/bad.eml") == text);
  });
}

TEST_CASE("a second bad file of that name does not replace the first") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/bad", "first");
    rig.start();
    const bool first = co_await rig.until_empty();
    REQUIRE(first);
    rig.write("Pickup/bad", "second");
    const bool second = co_await rig.until_empty();
    REQUIRE(second);
    CHECK(rig.list("Badmail/new") ==
          std::set<std::string>{"bad", "bad.reason", "bad.1", "bad.1.reason"});
    CHECK(rig.read("Badmail/new/bad") == "first");
    CHECK(rig.read("Badmail/new/bad.1") == "second");
  });
}

TEST_CASE("a bad file is kept under any name a file can have") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/" + std::string(255, 'n'), "no message");
    rig.write("Pickup/line\nbreak\xFF", "no message");
    rig.write("Pickup/x.reason", "no message");
    rig.write("Pickup/x", "no message");
    rig.start();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    CHECK(rig.list("Badmail/new").size() == 8);
    CHECK(rig.read("Badmail/new/line\nbreak\xFF.reason").find("line\\x0abreak\\xff") !=
          std::string::npos);
  });
}

TEST_CASE_TEMPLATE("a symbolic link is never followed", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("secret", kPlain);
    std::filesystem::create_symlink(rig.path("secret"), rig.path("Pickup/link"));
    rig.age("Pickup/link", 60);
    rig.start();
    const bool told = co_await rig.until_told("pickup-refused");
    REQUIRE(told);
    check_badmail(rig, "link", "a symbolic link");
    CHECK(rig.read("secret") == kPlain);
  });
}

TEST_CASE_TEMPLATE("a pipe does not hold the reader", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, PickupRig>([](PickupRig& rig) -> task<void> {
    REQUIRE(::mkfifo(rig.path("Pickup/pipe").c_str(), 0666) == 0);
    rig.age("Pickup/pipe", 60);
    rig.start();
    const bool told = co_await rig.until_told("pickup-refused");
    REQUIRE(told);
    check_badmail(rig, "pipe", "a pipe");
  });
}

TEST_CASE("a file with a second name is not sent") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("secret", kPlain);
    std::filesystem::create_hard_link(rig.path("secret"), rig.path("Pickup/new/linked"));
    rig.start();
    const bool told = co_await rig.until_told("pickup-refused");
    REQUIRE(told);
    check_badmail(rig, "linked", "hard link");
    CHECK(rig.read("secret") == kPlain);
  });
}

TEST_CASE("a maildir writer may link and unlink instead of renaming") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/tmp/x", kPlain);
    std::filesystem::create_hard_link(rig.path("Pickup/tmp/x"), rig.path("Pickup/new/x"));
    rig.start();
    co_await rig.pause(300);
    CHECK(rig.list("Pickup/new").contains("x"));
    std::filesystem::remove(rig.path("Pickup/tmp/x"));
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    CHECK(rig.stored().size() == 1);
    CHECK(rig.list("Badmail/new").empty());
  });
}

TEST_CASE_TEMPLATE("a file that is still being written waits", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, PickupRig>([](PickupRig& rig) -> task<void> {
    std::ofstream file(rig.path("Pickup/slow"), std::ios::binary);
    file << kPlain << std::flush;
    rig.start();
    for (int i = 0; i < 8; ++i) {
      co_await rig.pause(300);
      file << "more\r\n" << std::flush;
      CHECK(rig.stored().empty());
    }
    file << "end\r\n";
    file.close();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    REQUIRE(rig.stored().size() == 1);
    CHECK(rig.stored()[0].content.ends_with("more\r\nmore\r\nend\r\n"));
  });
}

TEST_CASE("a file that changes while it is read is not sent in part") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/new/growing", kPlain);
    static PickupRig* current;
    current = &rig;
    rig.service.fake_spool().during_append = [] {
      current->service.fake_spool().during_append = nullptr;
      const std::string entry = *current->list("Pickup/cur").begin();
      std::ofstream(current->path("Pickup/cur/" + entry), std::ios::app) << "late\r\n";
    };
    rig.start();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    REQUIRE(rig.stored().size() == 1);
    CHECK(rig.stored()[0].content.ends_with("hello\r\nlate\r\n"));
    CHECK(rig.service.fake_spool().commits == 1);
    CHECK(rig.service.sink.count("it changed while it was read") == 1);
  });
}

TEST_CASE("hidden files, directories and tmp are left alone") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/.hidden", kPlain);
    rig.write("Pickup/tmp/unfinished", kPlain);
    std::filesystem::create_directory(rig.path("Pickup/new/directory"));
    rig.write("Pickup/seen", kPlain);
    rig.start();
    const bool told = co_await rig.until_told("accepted");
    REQUIRE(told);
    co_await rig.pause(1200);
    CHECK(rig.list("Pickup") == std::set<std::string>{".hidden"});
    CHECK(rig.list("Pickup/tmp") == std::set<std::string>{"unfinished"});
    CHECK(rig.stored().size() == 1);
  });
}

TEST_CASE_TEMPLATE("a refused commit leaves the file for later", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/x", kPlain);
    rig.service.fake_spool().next_result = CommitResult::refused;
    rig.start();
    const bool told = co_await rig.until_told("the spool could not store it");
    REQUIRE(told);
    CHECK(rig.claimed() == std::set<std::string>{"x"});
    CHECK(rig.service.queued.empty());
    rig.service.fake_spool().next_result = CommitResult::durable;
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    CHECK(rig.stored().size() == 1);
    CHECK(rig.service.sink.count("pickup-refused") == 1);
  });
}

TEST_CASE("a spool that takes nothing is not asked, and Pickup fills") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/x", kPlain);
    rig.service.fake_spool().refusal_now = "452 4.3.1 Insufficient system storage";
    rig.start();
    co_await rig.pause(1200);
    CHECK(rig.list("Pickup") == std::set<std::string>{"x"});
    CHECK(rig.service.fake_spool().drafts_begun == 0);
    rig.service.fake_spool().refusal_now.reset();
    const bool empty = co_await rig.until_empty();
    CHECK(empty);
  });
}

TEST_CASE("memory or disk that fails in the middle leaves the file for later") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/x", std::string(kPlain) + std::string(200'000, 'x'));
    FakeSpool& spool = rig.service.fake_spool();
    spool.memory_left = 100'000;
    rig.start();
    const bool told = co_await rig.until_told("cannot be stored");
    REQUIRE(told);
    CHECK(spool.drafts_open == 0);
    spool.memory_left = UINT64_MAX;
    spool.flush_failure = Error{Errc::no_space};
    co_await rig.pause(2500);
    CHECK(rig.claimed() == std::set<std::string>{"x"});
    CHECK(spool.drafts_begun >= 2);
    spool.flush_failure.reset();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    CHECK(rig.stored().size() == 1);
  });
}

TEST_CASE_TEMPLATE("an unknown commit is not repeated before the next start", World,
                   MAILROOT_KERNEL_WORLDS) {
  run_in<World, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/x", kPlain);
    rig.service.fake_spool().next_result = CommitResult::unknown;
    rig.start();
    const bool told = co_await rig.until_told("the next start sends it if it is not");
    REQUIRE(told);
    rig.service.fake_spool().next_result = CommitResult::durable;
    co_await rig.pause(1500);
    CHECK(rig.service.fake_spool().commits == 1);
    CHECK(rig.claimed() == std::set<std::string>{"x"});
    // Another file of that name is another message.
    rig.write("Pickup/x", kPlain);
    const bool passed = co_await rig.until_told("accepted");
    REQUIRE(passed);
    CHECK(rig.stored().size() == 1);
    CHECK(rig.list("Pickup").empty());

    co_await rig.stop();
    PickupReader next(rig.reactor, rig.service, rig.home);
    reactor::CancelScope scope(nullptr);
    reactor::TaskGroup group;
    group.spawn(next.run(scope));
    const bool empty = co_await rig.until_empty();
    CHECK(empty);
    CHECK(rig.stored().size() == 2);
    scope.cancel();
    co_await group.join();
  });
}

TEST_CASE("a commit that has begun when the server stops is finished") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/a", kPlain);
    static PickupRig* current;
    current = &rig;
    rig.service.fake_spool().commit_delay = std::chrono::milliseconds(50);
    rig.service.fake_spool().during_commit = [] { current->scope.cancel(); };
    rig.start();
    co_await rig.group.join();
    CHECK(rig.stored().size() == 1);
    CHECK(rig.service.queued.size() == 1);
    CHECK(rig.files_left() == 0);
  });
}

TEST_CASE("files that are read when the server stops are there at the next start") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/a", kPlain);
    rig.write("Pickup/b", kPlain);
    static PickupRig* current;
    current = &rig;
    rig.service.fake_spool().during_append = [] { current->scope.cancel(); };
    rig.start();
    co_await rig.group.join();
    CHECK(rig.service.fake_spool().commits == 0);
    CHECK(rig.list("Pickup").empty());
    CHECK(rig.claimed() == std::set<std::string>{"a", "b"});
    CHECK(rig.service.sink.lines.empty());
  });
}

TEST_CASE("too large and looping files go to Badmail") {
  SUBCASE("too large as it is") {
    run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
      rig.service.values.size_limit_bytes = 1000;
      rig.write("Pickup/x", std::string(kPlain) + std::string(1000, 'x'));
      rig.start();
      const bool told = co_await rig.until_told("pickup-refused");
      REQUIRE(told);
      check_badmail(rig, "x", "larger than messages.size_limit");
      CHECK(rig.service.fake_spool().commits == 0);
    });
  }
  SUBCASE("too large once its lines end in CRLF") {
    run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
      rig.service.values.size_limit_bytes = 1000;
      rig.write("Pickup/x", std::string(kPlain) + std::string(900, '\n'));
      rig.start();
      const bool told = co_await rig.until_told("pickup-refused");
      REQUIRE(told);
      check_badmail(rig, "x", "larger than messages.size_limit");
    });
  }
  SUBCASE("looping") {
    run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
      std::string text(kPlain);
      for (int i = 0; i < 31; ++i) text.insert(0, "Received: by a.example.com; then\r\n");
      rig.write("Pickup/x", text);
      rig.start();
      const bool told = co_await rig.until_told("pickup-refused");
      REQUIRE(told);
      check_badmail(rig, "x", "looping");
    });
  }
}

TEST_CASE("a file that this service may not read goes to Badmail") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.write("Pickup/x", kPlain);
    REQUIRE(::chmod(rig.path("Pickup/x").c_str(), 0) == 0);
    const NoRoot no_root(rig);
    rig.start();
    const bool told = co_await rig.until_told("pickup-refused");
    REQUIRE(told);
    check_badmail(rig, "x", "no permission to read it");
  });
}

TEST_CASE_TEMPLATE("a file may be given its permissions last", World, EpollWorld) {
  run_in<World, PickupRig>([](PickupRig& rig) -> task<void> {
    const NoRoot no_root(rig);
    rig.start();
    rig.write("Pickup/x", kPlain);
    rig.age("Pickup/x", 0);
    REQUIRE(::chmod(rig.path("Pickup/x").c_str(), 0) == 0);
    co_await rig.pause(1500);
    CHECK(rig.list("Pickup") == std::set<std::string>{"x"});
    CHECK(rig.service.sink.count("pickup-refused") == 0);
    REQUIRE(::chmod(rig.path("Pickup/x").c_str(), 0640) == 0);
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    CHECK(rig.stored().size() == 1);
  });
}

TEST_CASE("claimed files whose messages were stored are not sent again") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    const std::string fresh = to_string(QueueId{7, 0, 1});
    const std::string tried = to_string(QueueId{7, 1, 2});
    const std::string lost = to_string(QueueId{7, 0, 3});
    for (const std::string& id : {fresh, tried, lost}) {
      rig.write("Pickup/cur/" + id + "-order.eml", kPlain);
    }
    rig.write("Pickup/cur/" + fresh + ".eml", kPlain);  // not of our making
    rig.write("Pickup/cur/" + fresh, kPlain);
    rig.write("Queue/new/" + fresh + ".eml", "x");
    rig.write("Queue/cur/" + tried + ".eml", "x");
    const uint64_t removed = co_await remove_stored_claims(rig.reactor, rig.home);
    CHECK(removed == 2);
    CHECK(rig.list("Pickup/cur") ==
          std::set<std::string>{lost + "-order.eml", fresh + ".eml", fresh});
    rig.start();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    CHECK(rig.stored().size() == 3);
    CHECK(rig.service.sink.count("file=order.eml") == 1);
    CHECK(rig.service.sink.count("file=" + fresh + ".eml") == 1);
  });
}

TEST_CASE("the queue gets messages in the order of the files, whichever is stored first") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    // Each commit takes less time than the one before it.
    static PickupRig* current;
    current = &rig;
    rig.service.fake_spool().during_commit = [] {
      Duration& delay = current->service.fake_spool().commit_delay;
      delay =
          delay > std::chrono::milliseconds(4) ? delay - std::chrono::milliseconds(4) : Duration{};
    };
    rig.service.fake_spool().commit_delay = std::chrono::milliseconds(60);
    for (int i = 0; i < 100; ++i) {
      const std::string name = "Pickup/new/" + std::to_string(100 + i);
      rig.write(name, "X-Sender: n" + std::to_string(i) + "@a.example\nTo: b@example.com\n\nx");
      rig.age(name, 1000 - i);
    }
    rig.start();
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    for (int i = 0; i < 2000 && rig.service.queued.size() < 100; ++i) {
      co_await rig.pause(5);
    }
    REQUIRE(rig.service.queued.size() == 100);
    std::map<QueueId, std::string> names;
    for (const Stored& message : rig.stored()) {
      names[message.id] = message.envelope.reverse_path.local_part;
    }
    for (size_t i = 0; i < 100; ++i) {
      CHECK(names[rig.service.queued[i]] == "n" + std::to_string(i));
    }
  });
}

TEST_CASE("a file that has to wait is not overtaken by those read side by side with it") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    FakeSpool& spool = rig.service.fake_spool();
    spool.memory_left = 100'000;
    for (int i = 0; i < 30; ++i) {
      const std::string name = "Pickup/new/" + std::to_string(100 + i);
      const std::string body(i == 5 ? 200'000 : 10, 'x');
      rig.write(name,
                "X-Sender: n" + std::to_string(i) + "@a.example\nTo: b@example.com\n\n" + body);
      rig.age(name, 1000 - i);
    }
    rig.start();
    const bool told = co_await rig.until_told("cannot be stored");
    REQUIRE(told);
    co_await rig.pause(100);
    CHECK(rig.stored().size() <= 5);
    spool.memory_left = UINT64_MAX;
    const bool empty = co_await rig.until_empty();
    REQUIRE(empty);
    for (int i = 0; i < 2000 && rig.service.queued.size() < 30; ++i) {
      co_await rig.pause(5);
    }
    REQUIRE(rig.service.queued.size() == 30);
    std::map<QueueId, std::string> names;
    for (const Stored& message : rig.stored()) {
      names[message.id] = message.envelope.reverse_path.local_part;
    }
    for (size_t i = 0; i < 30; ++i) {
      CHECK(names[rig.service.queued[i]] == "n" + std::to_string(i));
    }
  });
}

TEST_CASE("a bad file stays while Badmail cannot take it") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    std::filesystem::remove_all(rig.path("Badmail/tmp"));
    rig.write("Pickup/bad", "no message");
    rig.start();
    const bool told = co_await rig.until_told("cannot be moved to Badmail");
    REQUIRE(told);
    CHECK(rig.claimed() == std::set<std::string>{"bad"});
    CHECK(rig.list("Badmail/new").empty());
  });
}

TEST_CASE("switched off, Pickup is not looked at; switched on again it is") {
  run_in<EpollWorld, PickupRig>([](PickupRig& rig) -> task<void> {
    rig.service.values.pickup_enabled = false;
    rig.write("Pickup/x", kPlain);
    rig.start();
    co_await rig.pause(1200);
    CHECK(rig.list("Pickup") == std::set<std::string>{"x"});
    rig.service.values.pickup_enabled = true;
    const bool empty = co_await rig.until_empty();
    CHECK(empty);
  });
}

}  // namespace mailroot::receive::test
