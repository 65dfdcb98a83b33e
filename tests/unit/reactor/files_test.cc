// Conformance: files and directories.
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "worlds.h"

namespace mailroot::reactor::test {
namespace {

task<Descriptor> make_file(Reactor& reactor, Descriptor directory, std::string name,
                           std::string text) {
  const result<Descriptor> file =
      co_await reactor.open_at(directory, name, O_CREAT | O_EXCL | O_RDWR, 0640);
  REQUIRE(file.has_value());
  const iovec part{text.data(), text.size()};
  const result<void> written = co_await reactor.write_at(*file, std::span(&part, 1), 0);
  REQUIRE(written.has_value());
  co_return *file;
}

task<std::string> read_part(Reactor& reactor, Descriptor file, uint64_t offset, size_t size) {
  std::string text(size, '?');
  const iovec part{text.data(), text.size()};
  const result<size_t> got = co_await reactor.read_at(file, std::span(&part, 1), offset);
  REQUIRE(got.has_value());
  text.resize(*got);
  co_return text;
}

task<void> read_and_write(Reactor& reactor, Descriptor directory, std::string) {
  const Descriptor file = co_await make_file(reactor, directory, "a", "0123456789");
  const std::string middle = co_await read_part(reactor, file, 3, 4);
  CHECK(middle == "3456");
  const std::string tail = co_await read_part(reactor, file, 7, 100);
  CHECK(tail == "789");
  const std::string beyond = co_await read_part(reactor, file, 50, 10);
  CHECK(beyond.empty());
  std::string first = "AB";
  std::string none;
  std::string second = "CD";
  const std::vector<iovec> parts{{first.data(), 2}, {none.data(), 0}, {second.data(), 2}};
  const result<void> written = co_await reactor.write_at(file, parts, 8);
  CHECK(written.has_value());
  const std::string all = co_await read_part(reactor, file, 0, 100);
  CHECK(all == "01234567ABCD");
  std::string left(5, '.');
  std::string right(20, '.');
  const std::vector<iovec> halves{{left.data(), 5}, {right.data(), 20}};
  const result<size_t> got = co_await reactor.read_at(file, halves, 0);
  CHECK(got.value() == 12);
  CHECK(left + right == "01234567ABCD.............");
  const result<void> synced = co_await reactor.sync(file, SyncKind::data);
  CHECK(synced.has_value());
  const result<void> synced_all = co_await reactor.sync(directory, SyncKind::data_and_metadata);
  CHECK(synced_all.has_value());
  const result<void> all_files = co_await reactor.sync(directory, SyncKind::file_system);
  CHECK(all_files.has_value());
  co_await reactor.close_now(file);
}

TEST_CASE_TEMPLATE("reads end at the end, writes are whole", World, MAILROOT_WORLDS) {
  run_in_directory<World>(read_and_write);
}

task<void> many_parts(Reactor& reactor, Descriptor directory, std::string) {
  const Descriptor file = co_await make_file(reactor, directory, "a", "");
  std::string text(3000, 'x');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
  std::vector<iovec> parts;  // more than the kernel takes at once
  for (char& c : text) parts.push_back(iovec{&c, 1});
  const result<void> written = co_await reactor.write_at(file, parts, 7);
  CHECK(written.has_value());
  const std::string same = co_await read_part(reactor, file, 7, 4000);
  CHECK(same == text);
  std::string back(3000, '?');
  std::vector<iovec> into;
  for (char& c : back) into.push_back(iovec{&c, 1});
  const result<size_t> got = co_await reactor.read_at(file, into, 7);
  CHECK(got.value() == 3000);
  CHECK(back == text);
  co_await reactor.close_now(file);
}

TEST_CASE_TEMPLATE("more buffers than one call takes", World, MAILROOT_WORLDS) {
  run_in_directory<World>(many_parts);
}

task<void> open_errors(Reactor& reactor, Descriptor directory, std::string) {
  const result<Descriptor> missing = co_await reactor.open_at(directory, "none", O_RDONLY, 0);
  CHECK(failure_of(missing) == Errc::not_found);
  CHECK(missing.error().system_errno == ENOENT);
  const Descriptor file = co_await make_file(reactor, directory, "a", "x");
  const result<Descriptor> again =
      co_await reactor.open_at(directory, "a", O_CREAT | O_EXCL | O_WRONLY, 0600);
  CHECK(failure_of(again) == Errc::exists);
  const result<Descriptor> through = co_await reactor.open_at(directory, "a/b", O_RDONLY, 0);
  CHECK(failure_of(through) == Errc::invalid);
  const result<Descriptor> empty = co_await reactor.open_at(directory, "", O_RDONLY, 0);
  CHECK(failure_of(empty) == Errc::not_found);
  co_await reactor.close_now(file);
  const result<void> synced = co_await reactor.sync(file, SyncKind::data);
  CHECK(failure_of(synced) == Errc::invalid);
}

TEST_CASE_TEMPLATE("opening what is not so", World, MAILROOT_WORLDS) {
  run_in_directory<World>(open_errors);
}

task<void> renames(Reactor& reactor, Descriptor directory, std::string) {
  const Descriptor a = co_await make_file(reactor, directory, "a", "from a");
  const Descriptor b = co_await make_file(reactor, directory, "b", "from b");
  const result<void> kept =
      co_await reactor.rename_at(directory, "a", directory, "b", RENAME_NOREPLACE);
  CHECK(failure_of(kept) == Errc::exists);
  const result<void> made = co_await reactor.make_directory_at(directory, "sub", 0700);
  CHECK(made.has_value());
  const result<void> twice = co_await reactor.make_directory_at(directory, "sub", 0700);
  CHECK(failure_of(twice) == Errc::exists);
  const result<Descriptor> sub =
      co_await reactor.open_at(directory, "sub", O_DIRECTORY | O_RDONLY, 0);
  REQUIRE(sub.has_value());
  const result<void> moved = co_await reactor.rename_at(directory, "a", *sub, "c", 0);
  CHECK(moved.has_value());
  const result<void> gone = co_await reactor.rename_at(directory, "a", *sub, "d", 0);
  CHECK(failure_of(gone) == Errc::not_found);
  const result<void> replaced = co_await reactor.rename_at(directory, "b", *sub, "c", 0);
  CHECK(replaced.has_value());
  const result<Descriptor> c = co_await reactor.open_at(*sub, "c", O_RDONLY, 0);
  REQUIRE(c.has_value());
  const std::string text = co_await read_part(reactor, *c, 0, 10);
  CHECK(text == "from b");
  const result<void> full = co_await reactor.unlink_at(directory, "sub", AT_REMOVEDIR);
  CHECK(failure_of(full) == Errc::exists);
  const result<void> unlinked = co_await reactor.unlink_at(*sub, "c", 0);
  CHECK(unlinked.has_value());
  const result<void> unlinked_twice = co_await reactor.unlink_at(*sub, "c", 0);
  CHECK(failure_of(unlinked_twice) == Errc::not_found);
  const result<void> removed = co_await reactor.unlink_at(directory, "sub", AT_REMOVEDIR);
  CHECK(removed.has_value());
  // What is open lives on without a name.
  const std::string still = co_await read_part(reactor, a, 0, 10);
  CHECK(still == "from a");
  for (const Descriptor open : {a, b, *sub, *c}) {
    co_await reactor.close_now(open);
  }
}

TEST_CASE_TEMPLATE("names move, and say when they cannot", World, MAILROOT_WORLDS) {
  run_in_directory<World>(renames);
}

task<void> status(Reactor& reactor, Descriptor directory, std::string) {
  const Descriptor file = co_await make_file(reactor, directory, "a", "12345");
  const result<FileStatus> by_name = co_await reactor.stat_at(directory, "a");
  REQUIRE(by_name.has_value());
  CHECK(by_name->size_bytes == 5);
  CHECK(S_ISREG(by_name->mode));
  CHECK((by_name->mode & 0777) == 0640);
  CHECK(by_name->link_count == 1);
  const WallTime::duration age = reactor.wall_now() - by_name->modified;
  CHECK(std::chrono::abs(age) < std::chrono::hours(1));
  const result<FileStatus> by_descriptor = co_await reactor.stat_at(file, "");
  REQUIRE(by_descriptor.has_value());
  CHECK(by_descriptor->inode == by_name->inode);
  CHECK(by_descriptor->device == by_name->device);
  const result<FileStatus> of_directory = co_await reactor.stat_at(directory, "");
  CHECK(S_ISDIR(of_directory.value().mode));
  const result<FileStatus> missing = co_await reactor.stat_at(directory, "none");
  CHECK(failure_of(missing) == Errc::not_found);
  const result<void> shorter = co_await reactor.truncate(file, 2);
  CHECK(shorter.has_value());
  const std::string rest = co_await read_part(reactor, file, 0, 10);
  CHECK(rest == "12");
  const result<void> larger = co_await reactor.allocate(file, 0, 8192);
  CHECK(larger.has_value());
  const result<FileStatus> now = co_await reactor.stat_at(directory, "a");
  CHECK(now.value().size_bytes == 8192);
  const std::string zeros = co_await read_part(reactor, file, 0, 4);
  CHECK(zeros == std::string("12\0\0", 4));
  co_await reactor.close_now(file);
}

TEST_CASE_TEMPLATE("status and sizes of files", World, MAILROOT_WORLDS) {
  run_in_directory<World>(status);
}

task<void> listing(Reactor& reactor, Descriptor directory, std::string) {
  const result<std::vector<DirectoryEntry>> empty = co_await reactor.list_directory(directory);
  CHECK(empty.value().empty());
  for (int i = 0; i < 100; ++i) {
    const Descriptor file = co_await make_file(reactor, directory, "file" + std::to_string(i), "");
    co_await reactor.close_now(file);
  }
  const result<void> made = co_await reactor.make_directory_at(directory, "sub", 0700);
  CHECK(made.has_value());
  // Twice: the position of the caller's descriptor plays no part.
  for (int i = 0; i < 2; ++i) {
    const result<std::vector<DirectoryEntry>> full = co_await reactor.list_directory(directory);
    REQUIRE(full.has_value());
    CHECK(full->size() == 101);
    const auto sub = std::find_if(full->begin(), full->end(),
                                  [](const DirectoryEntry& entry) { return entry.name == "sub"; });
    REQUIRE(sub != full->end());
    CHECK(sub->type == S_IFDIR >> 12);
    CHECK(sub->inode != 0);
  }
  const Descriptor file = co_await make_file(reactor, directory, "plain", "");
  const result<std::vector<DirectoryEntry>> not_one = co_await reactor.list_directory(file);
  CHECK(failure_of(not_one) == Errc::invalid);
  co_await reactor.close_now(file);
  const result<FileSystemStatus> space = co_await reactor.file_system_status(directory);
  REQUIRE(space.has_value());
  CHECK(space->total_bytes >= space->free_bytes);
  CHECK(space->free_bytes > 0);
  CHECK(!space->read_only);
}

TEST_CASE_TEMPLATE("directories tell what they hold", World, MAILROOT_WORLDS) {
  run_in_directory<World>(listing);
}

task<void> locks(Reactor& reactor, Descriptor directory, std::string) {
  const Descriptor first = co_await make_file(reactor, directory, "lock", "");
  const result<Descriptor> second = co_await reactor.open_at(directory, "lock", O_RDWR, 0);
  REQUIRE(second.has_value());
  const result<void> taken = co_await reactor.lock(first);
  CHECK(taken.has_value());
  const result<void> refused = co_await reactor.lock(*second);
  CHECK(failure_of(refused) == Errc::busy);
  co_await reactor.close_now(first);
  const result<void> after = co_await reactor.lock(*second);
  CHECK(after.has_value());
  co_await reactor.close_now(*second);
}

TEST_CASE_TEMPLATE("a lock has one holder until it closes", World, MAILROOT_WORLDS) {
  run_in_directory<World>(locks);
}

task<void> write_one(Reactor& reactor, Descriptor file, size_t index) {
  std::string block(4096, static_cast<char>('a' + index % 26));
  const iovec part{block.data(), block.size()};
  const result<void> written =
      co_await reactor.write_at(file, std::span(&part, 1), index * block.size());
  CHECK(written.has_value());
}

task<void> many_writes(Reactor& reactor, Descriptor directory, std::string) {
  const Descriptor file = co_await make_file(reactor, directory, "a", "");
  TaskGroup group;
  for (size_t i = 0; i < 300; ++i) group.spawn(write_one(reactor, file, i));
  co_await group.join();
  for (const size_t i : {size_t{0}, size_t{77}, size_t{299}}) {
    const std::string block = co_await read_part(reactor, file, i * 4096, 4096);
    CHECK(block == std::string(4096, static_cast<char>('a' + i % 26)));
  }
  co_await reactor.close_now(file);
}

TEST_CASE_TEMPLATE("more writes in flight than workers or queue entries", World, MAILROOT_WORLDS) {
  run_in_directory<World>(many_writes);
}

}  // namespace
}  // namespace mailroot::reactor::test
