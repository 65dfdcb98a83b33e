// What is io_uring's own: everything else is in the conformance suite of all backends.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "../../../src/reactor/uring/make_uring_backend.h"
#include "doctest/doctest.h"
#include "raw_backend.h"

namespace mailroot::reactor {

namespace {

struct Fixture {
  explicit Fixture(BackendOptions options = {}) {
    std::string why;
    if (!probe_uring(why)) {
      MESSAGE("io_uring is not available here: ", why);
      return;
    }
    auto made = make_uring_backend(options, why);
    REQUIRE_MESSAGE(made.has_value(), why);
    backend = std::move(*made);
    raw.emplace(*backend);
  }
  std::unique_ptr<Backend> backend;
  std::optional<RawBackend> raw;
};

std::string scratch_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "mailroot-uring-XXXXXX").string();
  REQUIRE(mkdtemp(name.data()) != nullptr);
  return name;
}

BackendOptions with_buffers(uint32_t count) {
  BackendOptions options;
  options.receive_buffers = count;
  return options;
}

}  // namespace

TEST_CASE("starved receives go on when buffers come back, and lose nothing") {
  Fixture fixture(with_buffers(4));
  if (!fixture.raw) return;
  RawBackend& raw = *fixture.raw;
  ConnectedPair pair(raw);
  Operation receive;
  receive.opcode = Opcode::receive;
  receive.descriptor = pair.server;
  raw->submit(receive);

  std::string sent(40 * 4096, 'a');
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>('a' + i % 23);
  CHECK(raw.send(pair.client, sent) == static_cast<int32_t>(sent.size()));

  std::vector<int32_t> held;
  std::string got;
  for (int i = 0; i < 4; ++i) {
    const Completion completion = raw.next(receive);
    REQUIRE(completion.result > 0);
    CHECK(completion.more);
    got += as_text(raw->buffer(completion.buffer).first(completion.result));
    held.push_back(completion.buffer);
  }
  for (int i = 0; i < 5; ++i) raw.turn_once();
  CHECK_FALSE(raw.has(receive));  // all four units are with us: nothing can arrive
  for (int32_t buffer : held) raw->release_buffer(buffer);
  while (got.size() < sent.size()) {
    const Completion completion = raw.next(receive);
    REQUIRE(completion.result > 0);
    got += as_text(raw->buffer(completion.buffer).first(completion.result));
    raw->release_buffer(completion.buffer);
  }
  CHECK(got == sent);
  raw->cancel(receive);
  const Completion last = raw.next(receive);
  CHECK(last.result == -ECANCELED);
  CHECK_FALSE(last.more);
  CHECK(last.buffer == -1);
  pair.close(raw);
}

TEST_CASE("a starved receive can be cancelled") {
  Fixture fixture(with_buffers(2));
  if (!fixture.raw) return;
  RawBackend& raw = *fixture.raw;
  ConnectedPair pair(raw);
  Operation receive;
  receive.opcode = Opcode::receive;
  receive.descriptor = pair.server;
  raw->submit(receive);
  CHECK(raw.send(pair.client, std::string(9000, 'x')) == 9000);
  const Completion first = raw.next(receive);
  const Completion second = raw.next(receive);
  REQUIRE(first.buffer >= 0);
  REQUIRE(second.buffer >= 0);
  for (int i = 0; i < 3; ++i) raw.turn_once();
  raw->cancel(receive);
  const Completion last = raw.next(receive);
  CHECK(last.result == -ECANCELED);
  CHECK_FALSE(last.more);
  raw->release_buffer(first.buffer);
  raw->release_buffer(second.buffer);
  pair.close(raw);
}

TEST_CASE("a cancel meets a send that waits for a peer who does not read") {
  Fixture fixture;
  if (!fixture.raw) return;
  RawBackend& raw = *fixture.raw;
  ConnectedPair pair(raw);
  const std::string large(64 * 1024 * 1024, 'x');
  const iovec piece{const_cast<char*>(large.data()), large.size()};
  Operation send;
  send.opcode = Opcode::send;
  send.descriptor = pair.client;
  send.buffers = {&piece, 1};
  raw->submit(send);
  for (int i = 0; i < 3; ++i) raw.turn_once();
  CHECK_FALSE(raw.has(send));
  raw->cancel(send);
  CHECK(raw.next(send).result == -ECANCELED);
  pair.close(raw);
}

TEST_CASE("more operations than submission entries and completions") {
  BackendOptions options;
  options.queue_entries = 8;
  Fixture fixture(options);
  if (!fixture.raw) return;
  RawBackend& raw = *fixture.raw;
  const std::string directory = scratch_directory();
  const int32_t file = raw.open(kNoDirectory, (directory + "/f").c_str(), O_RDWR | O_CREAT);
  REQUIRE(file >= 0);
  std::vector<Operation> reads(500);
  std::string bytes(500, '\0');
  CHECK(raw.write(file, std::string(500, 'r'), 0) == 500);
  std::vector<iovec> pieces(500);
  for (size_t i = 0; i < reads.size(); ++i) {
    pieces[i] = {bytes.data() + i, 1};
    reads[i].opcode = Opcode::read_at;
    reads[i].descriptor = file;
    reads[i].offset = i;
    reads[i].buffers = {&pieces[i], 1};
    raw->submit(reads[i]);
  }
  for (Operation& read : reads) CHECK(raw.next(read).result == 1);
  CHECK(bytes == std::string(500, 'r'));
  raw.close(file);
  std::filesystem::remove_all(directory);
}

TEST_CASE("a direct synchronous write of more pieces than one call takes") {
  Fixture fixture;
  if (!fixture.raw) return;
  RawBackend& raw = *fixture.raw;
  const std::string directory = scratch_directory();
  const std::string path = directory + "/segment";
  const int32_t file = raw.open(kNoDirectory, path.c_str(), O_RDWR | O_CREAT | O_DSYNC);
  REQUIRE(file >= 0);
  std::vector<std::string> texts;
  for (int i = 0; i < 2500; ++i) texts.push_back(std::to_string(i) + ";");
  std::vector<iovec> pieces;
  std::string whole;
  for (std::string& text : texts) {
    pieces.push_back({text.data(), text.size()});
    whole += text;
  }
  Operation write;
  write.opcode = Opcode::write_at;
  write.descriptor = file;
  write.buffers = pieces;
  CHECK(raw.run(write) == static_cast<int32_t>(whole.size()));
  std::string back;
  CHECK(raw.read(file, back, whole.size() + 100, 0) == static_cast<int32_t>(whole.size()));
  CHECK(back == whole);
  raw.close(file);
  std::filesystem::remove_all(directory);
}

TEST_CASE("wake ends a long wait from another thread") {
  Fixture fixture;
  if (!fixture.raw) return;
  for (int round = 0; round < 3; ++round) {
    std::thread other([&] { fixture.backend->wake(); });
    std::vector<Completion> ready;
    fixture.backend->wait(fixture.backend->now() + std::chrono::hours(1), ready);
    CHECK(ready.empty());
    other.join();
  }
}

TEST_CASE("a backend dies with operations in flight") {
  Fixture fixture;
  if (!fixture.raw) return;
  RawBackend& raw = *fixture.raw;
  auto pair = std::make_unique<ConnectedPair>(raw);
  Operation receive;
  receive.opcode = Opcode::receive;
  receive.descriptor = pair->server;
  raw->submit(receive);
  raw.turn_once();
  fixture.backend.reset();
  CHECK(receive.slot == UINT32_MAX);
  CHECK(pair->accept.slot == UINT32_MAX);
  ::close(pair->client);
  ::close(pair->server);
  ::close(pair->listener);
}

TEST_CASE("file operations answer with the errno of what is wrong") {
  Fixture fixture;
  if (!fixture.raw) return;
  RawBackend& raw = *fixture.raw;
  const std::string path = scratch_directory();
  const int32_t directory = raw.open(kNoDirectory, path.c_str(), O_RDONLY | O_DIRECTORY);
  REQUIRE(directory >= 0);
  CHECK(raw.open(directory, "absent", O_RDONLY) == -ENOENT);
  CHECK(raw.make_directory(directory, "sub") == 0);
  CHECK(raw.make_directory(directory, "sub") == -EEXIST);
  const int32_t file = raw.open(directory, "sub/a", O_RDWR | O_CREAT | O_EXCL, 0640);
  REQUIRE(file >= 0);
  CHECK(raw.open(directory, "sub/a", O_RDWR | O_CREAT | O_EXCL) == -EEXIST);
  CHECK(raw.unlink(directory, "sub", AT_REMOVEDIR) == -ENOTEMPTY);
  CHECK(::symlinkat("sub/a", directory, "link") == 0);
  CHECK(raw.open(directory, "link", O_RDONLY) == -ELOOP);
  FileStatus status;
  CHECK(raw.stat(directory, "link", status) == 0);
  CHECK((status.mode & S_IFMT) == S_IFLNK);
  CHECK(raw.simple(Opcode::allocate, file, 16384) == 0);
  CHECK(raw.stat(file, "", status) == 0);
  CHECK(status.size_bytes == 16384);
  CHECK((status.mode & 07777) == 0640);
  CHECK(status.link_count == 1);
  CHECK(raw.simple(Opcode::truncate, file, 10) == 0);
  CHECK(raw.rename(directory, "sub/a", "sub/b", RENAME_NOREPLACE) == 0);
  CHECK(raw.rename(directory, "sub/a", "sub/c", 0) == -ENOENT);
  std::vector<DirectoryEntry> entries;
  CHECK(raw.simple(Opcode::list_directory, directory, 0, &entries) == 0);
  CHECK(entries.size() == 2);
  FileSystemStatus file_system;
  CHECK(raw.simple(Opcode::file_system_status, directory, 0, &file_system) == 0);
  CHECK(file_system.total_bytes > file_system.free_bytes);
  CHECK(raw.simple(Opcode::lock, file) == 0);
  const int32_t again = raw.open(directory, "sub/b", O_RDWR);
  CHECK(raw.simple(Opcode::lock, again) == -EWOULDBLOCK);
  CHECK(raw.close(file) == 0);
  CHECK(raw.simple(Opcode::lock, again) == 0);
  CHECK(raw.close(again) == 0);
  CHECK(raw.close(again) == -EBADF);
  CHECK(raw.close(directory) == 0);
  std::filesystem::remove_all(path);
}

TEST_CASE("network errors come as errno values") {
  Fixture fixture;
  if (!fixture.raw) return;
  RawBackend& raw = *fixture.raw;
  ConnectedPair pair(raw);
  const SocketAddress gone = pair.address;
  Operation receive;
  receive.opcode = Opcode::receive;
  receive.descriptor = pair.server;
  raw->submit(receive);
  Operation shut;
  shut.opcode = Opcode::shut_down;
  shut.descriptor = pair.client;
  CHECK(raw.run(shut) == 0);
  const Completion end = raw.next(receive);
  CHECK(end.result == 0);
  CHECK_FALSE(end.more);
  CHECK(end.buffer == -1);
  CHECK(raw.send(pair.client, "late") == -EPIPE);
  pair.close(raw);
  Operation connect;
  connect.opcode = Opcode::connect;
  connect.address = &gone;
  CHECK(raw.run(connect) == -ECONNREFUSED);
}

}  // namespace mailroot::reactor
