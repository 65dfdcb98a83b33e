// The end of the simulated program: power loss, kill, and the dead program's last steps.
#include <fcntl.h>

#include <array>
#include <cerrno>

#include "doctest/doctest.h"
#include "mailroot/reactor/reactor.h"
#include "sim_world.h"

namespace mailroot::reactor::sim {

TEST_CASE("kill loses nothing that was written, and frees locks and descriptors") {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    OneShard shard(seed);
    const int32_t file = shard.raw->open(kNoDirectory, "/f", O_CREAT | O_RDWR);
    CHECK(shard.raw->write(file, "text", 0) == 4);
    CHECK(shard.raw->simple(Opcode::lock, file) == 0);
    const int32_t second = shard.raw->open(kNoDirectory, "/f", O_RDWR);
    CHECK(shard.raw->simple(Opcode::lock, second) == -EWOULDBLOCK);
    shard.world.kill();
    shard.start();
    CHECK(shard.world.open_descriptors() == 0);
    CHECK(shard.world.disk().read_file("/f") == "text");
    const int32_t again = shard.raw->open(kNoDirectory, "/f", O_RDWR);
    CHECK(shard.raw->simple(Opcode::lock, again) == 0);
  }
}

TEST_CASE("a dead program reaches neither disk nor network") {
  OneShard shard(3);
  shard.world.disk().write_file("/f", "before");
  RawBackend& raw = *shard.raw;
  const int32_t file = raw.open(kNoDirectory, "/f", O_RDWR);
  Operation stat;
  FileStatus status;
  stat.opcode = Opcode::stat_at;
  stat.descriptor = file;
  stat.path = "";
  stat.output = &status;
  raw->submit(stat);
  const Instant moment = shard.world.now();
  shard.world.crash();
  CHECK(raw.next(stat).result == -ECANCELED);
  CHECK(raw.write(file, "after!", 0) == -EIO);
  CHECK(raw.open(kNoDirectory, "/g", O_RDWR | O_CREAT) == -EIO);
  CHECK(raw.sync(file) == -EIO);
  const SocketAddress address{IpAddress::v4(0x7F000001), 25};
  CHECK(raw->bind_socket(address, ListenOptions{}).error().code == Errc::io);
  Operation connect;
  connect.opcode = Opcode::connect;
  connect.address = &address;
  CHECK(raw.run(connect) == -EIO);
  CHECK(raw.close(file) == 0);
  CHECK(shard.world.now() == moment);
  shard.start();
  CHECK(shard.world.disk().read_file("/f") == "before");
  CHECK(shard.world.disk().list("/") == std::vector<std::string>{"f"});
}

namespace {

// Writes, with retries that sleep, until its scope is cancelled: what unwinding meets.
task<void> write_for_ever(Reactor& reactor, CancelScope& scope, int& failures) {
  const result<Descriptor> file =
      co_await reactor.open_at(kNoDirectory, "/log", O_CREAT | O_RDWR | O_DSYNC, 0600);
  if (!file) co_return;
  char byte = 'x';
  const std::array<iovec, 1> pieces{iovec{&byte, 1}};
  for (uint64_t offset = 0; !scope.is_cancelled(); ++offset) {
    const result<void> written = co_await reactor.write_at(*file, pieces, offset);
    if (!written) ++failures;
    const Instant later = reactor.now() + std::chrono::seconds(1);
    const result<void> slept = co_await reactor.sleep_until(later, Wait{kNever, nullptr});
    if (!slept) co_return;
    if (failures > 3) scope.cancel();
  }
  co_await reactor.close_now(*file);
}

}  // namespace

TEST_CASE("the coroutines of a dead program run to their end on a clock of their own") {
  World world(5, 1, WorldOptions{});
  Reactor reactor(world.make_backend(0), ReactorLimits{});
  CancelScope scope(nullptr);
  TaskGroup group;
  int failures = 0;
  world.attach(reactor);
  reactor.post([&] { group.spawn(write_for_ever(reactor, scope, failures)); });
  world.run_until(world.now() + std::chrono::seconds(10));
  CHECK(failures == 0);
  CHECK(world.disk().read_durable("/log").has_value());
  world.crash();
  const Instant moment = world.now();
  CHECK(world.disk().read_file("/log").value().size() >= 9);
  Reactor* dead[] = {&reactor};
  world.unwind(dead, [&] { return group.running() == 0; });
  CHECK(failures >= 4);
  CHECK(world.now() == moment);
  CHECK(world.run_until_idle(1000));
}

TEST_CASE("a program that ends in order leaves its unsynced bytes to the kernel") {
  OneShard shard(9);
  const int32_t file = shard.raw->open(kNoDirectory, "/f", O_CREAT | O_RDWR);
  CHECK(shard.raw->write(file, "text", 0) == 4);
  shard.raw.reset();
  shard.backend.reset();
  CHECK(shard.world.open_descriptors() == 0);
  shard.start();
  std::string text;
  const int32_t again = shard.raw->open(kNoDirectory, "/f", O_RDONLY);
  CHECK(shard.raw->read(again, text, 100, 0) == 4);
  CHECK(text == "text");
}

}  // namespace mailroot::reactor::sim
