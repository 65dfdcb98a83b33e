// What needs the kernel beside the reactor: limits of the process, resets, foreign descriptors.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <vector>

#include "worlds.h"

namespace mailroot::reactor::test {
namespace {

task<void> peer_resets(Reactor& reactor) {
  const Pair pair = co_await connected_pair(reactor);
  ReceiveStream stream(reactor, pair.server);
  const linger hard{1, 0};
  REQUIRE(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)) == 0);
  const result<void> sent = co_await send_text(reactor, pair.client, "cut");
  CHECK(sent.has_value());
  const std::string text = co_await receive_text(reactor, stream, 3);
  CHECK(text == "cut");
  co_await reactor.close_now(pair.client);
  const result<BufferLease> end = co_await stream.next(soon(reactor));
  CHECK(failure_of(end) == Errc::reset);
  CHECK(stream.has_ended());
  co_await reactor.close_now(pair.server);
}

TEST_CASE_TEMPLATE("a reset is not an orderly end", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World>(peer_resets);
}

// UBSan needs descriptors to look at objects it has not seen, and reports those it cannot look at.
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
#define MAILROOT_SANITIZER_NEEDS_DESCRIPTORS 1
#endif
#endif

#ifndef MAILROOT_SANITIZER_NEEDS_DESCRIPTORS

// Lowers the number of descriptors to what is open now, while it lives.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int next = dup(0);
    ::close(next);
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(next);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &now) == 0);
  }
  ~NoMoreDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  NoMoreDescriptors(const NoMoreDescriptors&) = delete;
  NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;

 private:
  rlimit before_{};
};

task<void> no_descriptors(Reactor& reactor) {
  const Listening listening = listen_on_loopback(reactor);
  std::vector<Descriptor> clients;
  for (int i = 0; i < 3; ++i) {
    const result<Descriptor> client =
        co_await reactor.connect(listening.address, nullptr, soon(reactor));
    REQUIRE(client.has_value());
    clients.push_back(*client);
  }
  AcceptStream accepts(reactor, listening.socket);
  {
    const NoMoreDescriptors limit;
    const result<Descriptor> none = co_await accepts.next(within_ms(reactor, 350));
    CHECK(failure_of(none) == Errc::timed_out);
    // It rested between its attempts instead of spinning, and attempted more than once.
    CHECK(accepts.rests() >= 2);
    CHECK(accepts.rests() <= 4);
  }
  for (int i = 0; i < 3; ++i) {
    const result<Descriptor> server = co_await accepts.next(soon(reactor));
    REQUIRE(server.has_value());
    co_await reactor.close_now(*server);
  }
  co_await accepts.stop();
  for (const Descriptor client : clients) {
    co_await reactor.close_now(client);
  }
  co_await reactor.close_now(listening.socket);
}

TEST_CASE_TEMPLATE("accept rests while descriptors are out, and goes on", World,
                   MAILROOT_KERNEL_WORLDS) {
  run_in<World>(no_descriptors);
}

task<void> stop_while_resting(Reactor& reactor) {
  const Listening listening = listen_on_loopback(reactor);
  const result<Descriptor> client =
      co_await reactor.connect(listening.address, nullptr, soon(reactor));
  REQUIRE(client.has_value());
  AcceptStream accepts(reactor, listening.socket);
  {
    const NoMoreDescriptors limit;
    const result<Descriptor> none = co_await accepts.next(within_ms(reactor, 30));
    CHECK(failure_of(none) == Errc::timed_out);
    CHECK(accepts.rests() == 1);
  }
  co_await accepts.stop();
  co_await sleep_ms(reactor, 120);
  CHECK(accepts.rests() == 1);
  co_await reactor.close_now(*client);
  co_await reactor.close_now(listening.socket);
}

TEST_CASE_TEMPLATE("a resting accept can be stopped", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World>(stop_while_resting);
}

#endif  // MAILROOT_SANITIZER_NEEDS_DESCRIPTORS

task<void> accept_errors(Reactor& reactor) {
  const result<Descriptor> bound =
      reactor.backend().bind_socket({IpAddress::v4(0x7f000001), 0}, ListenOptions{});
  REQUIRE(bound.has_value());
  AcceptStream accepts(reactor, *bound);  // bound, not listening
  const result<Descriptor> none = co_await accepts.next(soon(reactor));
  CHECK(failure_of(none) == Errc::invalid);
  CHECK(accepts.rests() == 0);
  co_await reactor.close_now(*bound);
}

TEST_CASE_TEMPLATE("accept on what does not listen fails", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World>(accept_errors);
}

// A pipe that is closed behind the reactor's back, as libraries do with theirs.
struct Pipe {
  Pipe() { REQUIRE(pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0); }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  std::array<int, 2> ends{};
};

task<void> write_soon(Reactor& reactor, Descriptor into) {
  co_await sleep_ms(reactor, 8);
  CHECK(write(into, "x", 1) == 1);
}

task<void> polls(Reactor& reactor) {
  std::array<int, 2> numbers{};
  for (int round = 0; round < 3; ++round) {
    const Pipe pipe;
    // The same numbers each time: what was known of their former owners must not count.
    if (round > 0) CHECK(numbers == pipe.ends);
    numbers = pipe.ends;
    const Descriptor from = pipe.ends[0];
    const Descriptor into = pipe.ends[1];
    const result<uint32_t> writable = co_await reactor.poll(into, POLLOUT, soon(reactor));
    CHECK(writable.value() == POLLOUT);
    const result<uint32_t> nothing = co_await reactor.poll(from, POLLIN, within_ms(reactor, 8));
    CHECK(failure_of(nothing) == Errc::timed_out);
    TaskGroup group;
    group.spawn(write_soon(reactor, into));
    const result<uint32_t> readable = co_await reactor.poll(from, POLLIN, soon(reactor));
    CHECK(readable.value() == POLLIN);
    // Still readable: nobody read it.
    const result<uint32_t> again = co_await reactor.poll(from, POLLIN, soon(reactor));
    CHECK(again.value() == POLLIN);
    co_await group.join();
  }
}

TEST_CASE_TEMPLATE("poll reports what is and what becomes ready", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World>(polls);
}

task<void> poll_one(Reactor& reactor, Descriptor descriptor, uint32_t events, uint32_t& seen) {
  const result<uint32_t> polled = co_await reactor.poll(descriptor, events, soon(reactor));
  CHECK(polled.has_value());
  seen = polled.value_or(0);
}

task<void> poll_hang_up(Reactor& reactor) {
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
  uint32_t reading = 0;
  uint32_t writing = 0;
  TaskGroup group;
  // Fill it, so that neither direction is ready.
  const std::string block(65536, 'x');
  while (write(ends[0], block.data(), block.size()) > 0) continue;
  group.spawn(poll_one(reactor, ends[0], POLLIN, reading));
  group.spawn(poll_one(reactor, ends[0], POLLOUT, writing));
  co_await sleep_ms(reactor, 8);
  CHECK(reading == 0);
  CHECK(writing == 0);
  ::close(ends[1]);
  co_await group.join();
  CHECK((reading & POLLHUP) != 0);
  CHECK((writing & (POLLOUT | POLLHUP)) != 0);
  ::close(ends[0]);
}

TEST_CASE_TEMPLATE("two polls of one socket both hear the hang-up", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World>(poll_hang_up);
}

task<void> reused_numbers(Reactor& reactor) {
  const Pair first = co_await connected_pair(reactor);
  ReceiveStream before(reactor, first.server);
  const result<BufferLease> nothing = co_await before.next(within_ms(reactor, 8));
  CHECK(failure_of(nothing) == Errc::timed_out);
  // A second reference keeps the connection alive after the close.
  const Descriptor keeper = dup(first.server);
  co_await before.stop();
  co_await reactor.close_now(first.server);
  const Pair second = co_await connected_pair(reactor);
  const Descriptor reused = dup2(second.server, first.server);
  REQUIRE(reused == first.server);
  ReceiveStream after(reactor, reused);
  const result<BufferLease> quiet = co_await after.next(within_ms(reactor, 8));
  CHECK(failure_of(quiet) == Errc::timed_out);
  // Readable is the former owner of the number, not this one.
  const result<void> stale = co_await send_text(reactor, first.client, "for the old one");
  CHECK(stale.has_value());
  const result<BufferLease> still_quiet = co_await after.next(within_ms(reactor, 20));
  CHECK(failure_of(still_quiet) == Errc::timed_out);
  const result<void> fresh = co_await send_text(reactor, second.client, "new");
  CHECK(fresh.has_value());
  const std::string text = co_await receive_text(reactor, after, 3);
  CHECK(text == "new");
  co_await after.stop();
  ::close(keeper);
  co_await reactor.close_now(reused);
  co_await close_pair(reactor, second);
  co_await reactor.close_now(first.client);
}

TEST_CASE_TEMPLATE("a reused descriptor number hears nothing of its former owner", World,
                   MAILROOT_KERNEL_WORLDS) {
  run_in<World>(reused_numbers);
}

task<void> links(Reactor& reactor, Descriptor directory, std::string path) {
  REQUIRE(symlink("/etc/passwd", (path + "/link").c_str()) == 0);
  const result<Descriptor> followed = co_await reactor.open_at(directory, "link", O_RDONLY, 0);
  CHECK(!followed.has_value());
  CHECK(followed.error().system_errno == ELOOP);
  const result<FileStatus> status = co_await reactor.stat_at(directory, "link");
  CHECK(status.has_value());
  CHECK((status.value().mode & S_IFMT) == S_IFLNK);
  const result<Descriptor> opened =
      co_await reactor.open_at(directory, "file", O_CREAT | O_RDWR, 0600);
  REQUIRE(opened.has_value());
  CHECK((fcntl(*opened, F_GETFD) & FD_CLOEXEC) != 0);
  co_await reactor.close_now(*opened);
}

TEST_CASE_TEMPLATE("symbolic links are not followed", World, MAILROOT_KERNEL_WORLDS) {
  run_in_directory<World>(links);
}

task<void> direct_writes(Reactor& reactor, Descriptor directory, std::string) {
  const result<Descriptor> file =
      co_await reactor.open_at(directory, "journal", O_CREAT | O_RDWR | O_DIRECT | O_DSYNC, 0600);
  if (!file) {
    MESSAGE("skipped: this file system has no O_DIRECT");
    co_return;
  }
  const result<FileStatus> status = co_await reactor.stat_at(*file, "");
  const size_t align = std::max<size_t>(status.value().direct_memory_align, 4096);
  char* memory = static_cast<char*>(std::aligned_alloc(align, align * 4));
  std::fill_n(memory, align * 4, 'j');
  const std::vector<iovec> parts{{memory, align}, {memory + align, align * 3}};
  const result<void> written = co_await reactor.write_at(*file, parts, align);
  CHECK(written.has_value());
  const result<FileStatus> grown = co_await reactor.stat_at(*file, "");
  CHECK(grown.value().size_bytes == align * 5);
  if (status.value().direct_memory_align > 1) {
    const iovec skewed{memory + 1, align};
    const result<void> refused = co_await reactor.write_at(*file, std::span(&skewed, 1), 0);
    CHECK(failure_of(refused) == Errc::invalid);
  }
  co_await reactor.close_now(*file);
  std::free(memory);
}

TEST_CASE_TEMPLATE("direct and synchronous writes", World, MAILROOT_KERNEL_WORLDS) {
  run_in_directory<World>(direct_writes);
}

task<void> open_blocking(Reactor& reactor, Descriptor directory, int& opened) {
  // Opening a FIFO waits for somebody at its other end.
  const result<Descriptor> fifo = co_await reactor.open_at(directory, "fifo", O_RDONLY, 0);
  CHECK(fifo.has_value());
  ++opened;
  if (!fifo) co_return;
  co_await reactor.close_now(*fifo);
}

task<void> writes_go_first(Reactor& reactor, Descriptor directory, std::string path) {
  const result<Descriptor> file =
      co_await reactor.open_at(directory, "journal", O_CREAT | O_RDWR, 0600);
  REQUIRE(file.has_value());
  REQUIRE(mkfifo((path + "/fifo").c_str(), 0600) == 0);
  int opened = 0;
  TaskGroup group;
  for (int i = 0; i < 10; ++i) group.spawn(open_blocking(reactor, directory, opened));
  for (int i = 0; i < 5; ++i) {
    std::string text = "a record";
    const iovec part{text.data(), text.size()};
    const result<void> written = co_await reactor.write_at(*file, std::span(&part, 1), 0);
    CHECK(written.has_value());
  }
  CHECK(opened == 0);
  const int other_end = open((path + "/fifo").c_str(), O_RDWR | O_CLOEXEC);
  co_await group.join();
  CHECK(opened == 10);
  ::close(other_end);
  co_await reactor.close_now(*file);
}

TEST_CASE("helper threads: a write does not wait behind operations that hang") {
  run_in_directory<EpollWorld>(writes_go_first);
}

size_t open_descriptors() {
  size_t count = 0;
  for (int number = 0; number < 1024; ++number) count += fcntl(number, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

task<void> background_closes(Reactor& reactor, Descriptor directory, std::string) {
  for (int i = 0; i < 100; ++i) {
    const result<Descriptor> file =
        co_await reactor.open_at(directory, "f", O_CREAT | O_RDWR, 0600);
    REQUIRE(file.has_value());
    reactor.close(*file);
  }
}

TEST_CASE_TEMPLATE("closes in the background are done when run() returns", World,
                   MAILROOT_KERNEL_WORLDS) {
  const size_t before = open_descriptors();
  run_in_directory<World>(background_closes);
  CHECK(open_descriptors() == before);
}

TEST_CASE("an unknown need is told, a known one is not") {
  std::string why = "stale";
  const result<std::unique_ptr<Backend>> made =
      make_backend(BackendChoice::epoll, test_options(), why);
  CHECK(made.has_value());
  CHECK(made.value()->name() == "epoll");
  CHECK(why.empty());
}

TEST_CASE("automatic always finds a backend, and says why it is not the ring") {
  std::string why;
  const result<std::unique_ptr<Backend>> made =
      make_backend(BackendChoice::automatic, test_options(), why);
  REQUIRE(made.has_value());
  if (made.value()->name() == "epoll") {
    CHECK(why.starts_with("io_uring"));
  } else {
    CHECK(why.empty());
  }
}

}  // namespace
}  // namespace mailroot::reactor::test
