// Directories read in pages, permissions, and names that are watched.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "mailroot/reactor/name_watch.h"
#include "worlds.h"

namespace mailroot::reactor::test {
namespace {

task<void> make_empty(Reactor& reactor, Descriptor directory, std::string name) {
  const result<Descriptor> file =
      co_await reactor.open_at(directory, name, O_CREAT | O_EXCL | O_RDWR, 0640);
  REQUIRE(file.has_value());
  std::string text = name;
  const iovec part{text.data(), text.size()};
  const result<void> written = co_await reactor.write_at(*file, std::span(&part, 1), 0);
  REQUIRE(written.has_value());
  co_await reactor.close_now(*file);
}

task<void> pages(Reactor& reactor, Descriptor directory, std::string) {
  constexpr int kFiles = 1500;
  for (int i = 0; i < kFiles; ++i) {
    co_await make_empty(reactor, directory,
                        "a file with a name of some length " + std::to_string(1000 + i));
  }
  const result<void> made = co_await reactor.make_directory_at(directory, "sub", 0700);
  CHECK(made.has_value());
  for (int round = 0; round < 2; ++round) {
    const result<Descriptor> own = co_await reactor.open_at(directory, ".", O_DIRECTORY, 0);
    REQUIRE(own.has_value());
    std::set<std::string> names;
    int page_count = 0;
    for (bool at_end = false; !at_end;) {
      const result<DirectoryPage> page = co_await reactor.list_page(*own);
      REQUIRE(page.has_value());
      at_end = page->at_end;
      page_count += at_end ? 0 : 1;
      CHECK((!at_end || page->entries.empty()));
      for (const DirectoryPage::Entry& entry : page->entries) {
        CHECK(names.insert(entry.name).second);
        if (entry.name == "sub") {
          CHECK(S_ISDIR(entry.status.mode));
        } else {
          CHECK(S_ISREG(entry.status.mode));
          CHECK(entry.status.size_bytes == entry.name.size());
        }
      }
    }
    CHECK(names.size() == kFiles + 1);
    CHECK(page_count > 1);
    co_await reactor.close_now(*own);
  }
}

TEST_CASE_TEMPLATE("a directory is read in pages, with the status of each entry", World,
                   MAILROOT_WORLDS) {
  run_in_directory<World>(pages);
}

task<void> no_directory(Reactor& reactor, Descriptor directory, std::string) {
  co_await make_empty(reactor, directory, "plain");
  const result<Descriptor> file = co_await reactor.open_at(directory, "plain", O_RDONLY, 0);
  REQUIRE(file.has_value());
  const result<DirectoryPage> page = co_await reactor.list_page(*file);
  CHECK(failure_of(page) == Errc::invalid);
  co_await reactor.close_now(*file);
}

TEST_CASE_TEMPLATE("a file has no pages", World, MAILROOT_WORLDS) {
  run_in_directory<World>(no_directory);
}

task<void> access(Reactor& reactor, Descriptor directory, std::string) {
  const result<void> made = co_await reactor.make_directory_at(directory, "sub", 0700);
  REQUIRE(made.has_value());
  const result<Descriptor> sub = co_await reactor.open_at(directory, "sub", O_DIRECTORY, 0);
  REQUIRE(sub.has_value());
  const result<FileStatus> before = co_await reactor.stat_at(*sub, "");
  const result<void> opened = co_await reactor.set_access(*sub, before->group, 03770);
  CHECK(opened.has_value());
  const result<FileStatus> after = co_await reactor.stat_at(*sub, "");
  CHECK((after->mode & 07777) == 03770);
  CHECK(after->group == before->group);
  const result<void> closed = co_await reactor.set_access(*sub, kGroupAsItIs, 0700);
  CHECK(closed.has_value());
  const result<FileStatus> last = co_await reactor.stat_at(directory, "sub");
  CHECK((last->mode & 07777) == 0700);
  co_await reactor.close_now(*sub);
}

TEST_CASE_TEMPLATE("permissions are what was asked for, whatever the umask", World,
                   MAILROOT_WORLDS) {
  const mode_t before = umask(077);
  run_in_directory<World>(access);
  umask(before);
}

// Waits for events and takes them.
task<std::vector<NameEvent>> next_events(Reactor& reactor, NameWatch& watch, Event& news) {
  if (!watch.has_events()) {
    const result<void> arrived = co_await news.wait(reactor, soon(reactor));
    CHECK(arrived.has_value());
  }
  co_return watch.take();
}

task<void> names(Reactor& reactor, Descriptor directory, std::string path) {
  Event news;
  std::filesystem::create_directory(path + "/a");
  std::filesystem::create_directory(path + "/b");
  const result<Descriptor> a = co_await reactor.open_at(directory, "a", O_DIRECTORY, 0);
  const result<Descriptor> b = co_await reactor.open_at(directory, "b", O_DIRECTORY, 0);
  {
    NameWatch watch(reactor, news);
    NameWatch other(reactor, news);
    CHECK(watch.add(*a).has_value());
    CHECK(watch.add(*b).has_value());
    CHECK(failure_of(other.add(*a)) == Errc::busy);
    CHECK(failure_of(other.add(999'999)) != Errc::busy);
    CHECK(!watch.has_events());

    std::ofstream file(path + "/a/x");
    std::vector<NameEvent> events = co_await next_events(reactor, watch, news);
    REQUIRE(events.size() == 1);
    CHECK(events[0].kind == NameEventKind::created);
    CHECK(events[0].directory == 0);
    CHECK(events[0].name == "x");
    file << "text" << std::flush;
    file.close();
    events = co_await next_events(reactor, watch, news);
    REQUIRE(events.size() == 1);
    CHECK(events[0].kind == NameEventKind::closed);
    std::filesystem::rename(path + "/a/x", path + "/b/y");
    events = co_await next_events(reactor, watch, news);
    REQUIRE(events.size() == 1);
    CHECK(events[0].kind == NameEventKind::moved_in);
    CHECK(events[0].directory == 1);
    CHECK(events[0].name == "y");
    REQUIRE(::chmod((path + "/b/y").c_str(), 0600) == 0);
    events = co_await next_events(reactor, watch, news);
    REQUIRE(events.size() == 1);
    CHECK(events[0].kind == NameEventKind::touched);
  }
  // All watches are gone; a new one begins anew.
  NameWatch again(reactor, news);
  CHECK(again.add(*b).has_value());
  std::filesystem::rename(path + "/b/y", path + "/b/z");
  const std::vector<NameEvent> events = co_await next_events(reactor, again, news);
  REQUIRE(events.size() == 1);
  CHECK(events[0].name == "z");
  co_await reactor.close_now(*a);
  co_await reactor.close_now(*b);
}

TEST_CASE_TEMPLATE("names that appear are told at once", World, MAILROOT_KERNEL_WORLDS) {
  run_in_directory<World>(names);
}

size_t kernel_events_max() {
  size_t most = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> most;
  return most;
}

task<void> overflow(Reactor& reactor, Descriptor directory, std::string path) {
  Event news;
  NameWatch watch(reactor, news);
  CHECK(watch.add(directory).has_value());
  for (size_t i = 0; i <= kernel_events_max(); ++i) {
    const std::string name = path + "/" + std::to_string(i);
    REQUIRE(::mknod(name.c_str(), S_IFREG | 0600, 0) == 0);
  }
  bool is_lost = false;
  while (!is_lost) {
    const std::vector<NameEvent> events = co_await next_events(reactor, watch, news);
    REQUIRE(!events.empty());
    CHECK(events.size() <= kNameEventsMax);
    is_lost = events[0].kind == NameEventKind::lost;
  }
}

TEST_CASE("more events than the kernel keeps are told as lost") {
  constexpr size_t kFilesMax = 20'000;
  if (kernel_events_max() == 0 || kernel_events_max() > kFilesMax) {
    MESSAGE("skipped, the kernel keeps " << kernel_events_max() << " events");
    return;
  }
  run_in_directory<EpollWorld>(overflow);
}

task<void> not_here(Reactor& reactor, Descriptor directory, std::string) {
  Event news;
  NameWatch watch(reactor, news);
  CHECK(failure_of(watch.add(directory)) == Errc::unsupported);
  co_return;
}

TEST_CASE("the simulator watches nothing and says so") { run_in_directory<SimWorld>(not_here); }

}  // namespace
}  // namespace mailroot::reactor::test
