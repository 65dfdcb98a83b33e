// Home directories: made, found again, refused.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailroot/base/remote_file_system.h"
#include "rig.h"

using namespace mailroot;
using namespace mailroot::spool;
using namespace mailroot::spool::test;

namespace {

task<std::string> refusal_of(Rig& rig, std::string path) {
  auto opened = co_await open_home(rig.reactor, path, {});
  if (opened) {
    co_await close_home(rig.reactor, **opened);
    co_return "";
  }
  co_return opened.error().sentence;
}

// Opens and closes a home once, so that it has been used before.
task<void> use(Rig& rig, std::string path) {
  const std::string refusal = co_await refusal_of(rig, path);
  CHECK(refusal == "");
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a home is made with its parents, closed to others, and counts its starts") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const std::string path = directory.sub("a/b/home");
    for (uint32_t epoch = 1; epoch <= 3; ++epoch) {
      auto opened = co_await open_home(rig.reactor, path + "/", {});
      REQUIRE(opened.has_value());
      Home& home = **opened;
      CHECK(home.path == path);
      CHECK(home.epoch == epoch);
      const auto checked = co_await check_home(rig.reactor, home);
      CHECK(checked.has_value());
      co_await close_home(rig.reactor, home);
    }
    const std::vector<std::string> expected = {"Badmail", "Drop", "Journal", "Pickup", "Queue"};
    CHECK(list(path) == expected);
    for (const char* const maildir : {"Pickup", "Queue", "Drop", "Badmail"}) {
      const std::vector<std::string> parts = {"cur", "new", "tmp"};
      CHECK(list(path + "/" + maildir) == parts);
    }
    struct stat status{};
    REQUIRE(stat((path + "/Journal").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0700);
  });
}

TEST_CASE("who may reach what, whatever the umask") {
  const mode_t before = umask(077);
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const std::string path = directory.sub("a/home");
    struct stat status{};
    const auto mode_of = [&status, &path](const std::string& name) {
      REQUIRE(stat((path + name).c_str(), &status) == 0);
      return status.st_mode & 07777;
    };
    HomeOptions options;
    options.badmail_directory = "Undeliverable";
    options.pickup_group = 65534;
    auto opened = co_await open_home(rig.reactor, path, options);
    REQUIRE(opened.has_value());
    const bool is_root = geteuid() == 0;
    CHECK((*opened)->findings.size() == (is_root ? 0 : 3));
    co_await close_home(rig.reactor, **opened);
    for (const char* const part : {"", "/tmp", "/new"}) {
      CHECK(mode_of(std::string("/Pickup") + part) == 03770);
      if (is_root) CHECK(status.st_gid == 65534);
    }
    CHECK((mode_of("/Pickup/cur") & 0777) == 0700);
    for (const char* const part : {"", "/tmp", "/new", "/cur"}) {
      CHECK(mode_of(std::string("/Drop") + part) == 02770);
      CHECK(mode_of(std::string("/Undeliverable") + part) == 0700);
      CHECK(mode_of(std::string("/Queue") + part) == 0700);
    }
    CHECK(mode_of("/Journal") == 0700);
    CHECK(mode_of("") == 0711);
    CHECK(mode_of("/..") == 0711);
    CHECK_FALSE(std::filesystem::exists(path + "/Badmail"));

    // What the administrator chose stays.
    REQUIRE(chmod((path + "/Pickup").c_str(), 01777) == 0);
    REQUIRE(chmod((path + "/Drop/new").c_str(), 0700) == 0);
    opened = co_await open_home(rig.reactor, path, options);
    REQUIRE(opened.has_value());
    co_await close_home(rig.reactor, **opened);
    CHECK(mode_of("/Pickup") == 01777);
    CHECK(mode_of("/Drop/new") == 0700);
  });
  umask(before);
}

TEST_CASE("a home in use by another daemon is refused") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const std::string path = directory.sub("home");
    auto first = co_await open_home(rig.reactor, path, {});
    REQUIRE(first.has_value());
    std::string refusal = co_await refusal_of(rig, path);
    CHECK(contains(refusal, "in use"));
    co_await close_home(rig.reactor, **first);
    refusal = co_await refusal_of(rig, path);
    CHECK(refusal == "");
  });
}

TEST_CASE("a newer format, a damaged or missing identity are refused and nothing is changed") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const std::string path = directory.sub("home");
    const std::string format = path + "/Journal/format";
    co_await use(rig, path);
    const std::string written = read_file(format);
    const std::string epoch = read_file(path + "/Journal/epoch");

    write_file(format, "mailroot-home 999\nabc\n");
    std::string refusal = co_await refusal_of(rig, path);
    CHECK(contains(refusal, "newer Mailroot"));
    for (const char* const text : {"", "mailroot-home", "mailroot-home x\n", "\n", "other 1\n"}) {
      write_file(format, text);
      refusal = co_await refusal_of(rig, path);
      CHECK(contains(refusal, "cannot be understood"));
    }
    std::filesystem::remove(format);
    refusal = co_await refusal_of(rig, path);
    CHECK(contains(refusal, "used before"));
    CHECK(read_file(path + "/Journal/epoch") == epoch);

    write_file(format, written);
    for (const char* const text : {"", "x", "4294967295\n"}) {
      write_file(path + "/Journal/epoch", text);
      refusal = co_await refusal_of(rig, path);
      CHECK(contains(refusal, "does not hold a number"));
    }
    write_file(path + "/Journal/epoch", "41\n");
    auto opened = co_await open_home(rig.reactor, path, {});
    REQUIRE(opened.has_value());
    CHECK((*opened)->epoch == 42);
    co_await close_home(rig.reactor, **opened);
  });
}

TEST_CASE("a start is counted in place, so that a full disk has room for it") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const std::string path = directory.sub("home");
    const std::string file = path + "/Journal/epoch";
    co_await use(rig, path);
    // What the file says, whether its digits have room for one more, and what it says then.
    struct Case {
      const char* before;
      bool in_place;
      const char* after;
    };
    const Case cases[] = {{"1\n", true, "2\n"},          {"9\n", true, "10\n"},
                          {"10\n", true, "11\n"},        {"9", false, "10\n"},
                          {"99999\n", true, "100000\n"}, {"7\n\n", true, "8\n\n"}};
    for (const Case& one : cases) {
      CAPTURE(one.before);
      write_file(file, one.before);
      struct stat before{};
      struct stat after{};
      REQUIRE(stat(file.c_str(), &before) == 0);
      co_await use(rig, path);
      REQUIRE(stat(file.c_str(), &after) == 0);
      CHECK((before.st_ino == after.st_ino) == one.in_place);
      CHECK(read_file(file) == one.after);
    }
  });
}

TEST_CASE("mail without an identity is not taken over") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const std::string path = directory.sub("home");
    std::filesystem::create_directories(path + "/Queue/new");
    write_file(path + "/Queue/new/00000001000000000001.eml", "X-Queue-Id: ...");
    const std::string refusal = co_await refusal_of(rig, path);
    CHECK(contains(refusal, "used before"));
  });
}

TEST_CASE("paths and permissions that cannot be trusted are refused") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    std::string refusal = co_await refusal_of(rig, "relative/home");
    CHECK(contains(refusal, "absolute"));
    refusal = co_await refusal_of(rig, "/");
    CHECK_FALSE(refusal.empty());
    write_file(directory.sub("file"), "");
    refusal = co_await refusal_of(rig, directory.sub("file"));
    CHECK_FALSE(refusal.empty());
    refusal = co_await refusal_of(rig, directory.sub("file/home"));
    CHECK_FALSE(refusal.empty());

    const std::string path = directory.sub("home");
    co_await use(rig, path);
    REQUIRE(chmod(path.c_str(), 0777) == 0);
    refusal = co_await refusal_of(rig, path);
    CHECK(contains(refusal, "other users"));
    REQUIRE(chmod(path.c_str(), 0755) == 0);
    REQUIRE(chmod((path + "/Queue").c_str(), 0755) == 0);
    refusal = co_await refusal_of(rig, path);
    CHECK(contains(refusal, "other users"));
    REQUIRE(chmod((path + "/Queue").c_str(), 0700) == 0);
    co_await use(rig, path);
    REQUIRE(symlink(path.c_str(), directory.sub("link").c_str()) == 0);
    refusal = co_await refusal_of(rig, directory.sub("link"));
    CHECK_FALSE(refusal.empty());
  });
}

TEST_CASE("a home that is moved away or replaced while it is open is noticed") {
  run_spool([](Rig& rig, const TemporaryDirectory& directory) -> task<void> {
    const std::string path = directory.sub("home");
    auto opened = co_await open_home(rig.reactor, path, {});
    REQUIRE(opened.has_value());
    std::filesystem::rename(path, directory.sub("away"));
    auto checked = co_await check_home(rig.reactor, **opened);
    REQUIRE_FALSE(checked.has_value());
    CHECK(checked.error().code == Errc::not_found);
    std::filesystem::create_directory(path);
    checked = co_await check_home(rig.reactor, **opened);
    REQUIRE_FALSE(checked.has_value());
    CHECK(checked.error().code == Errc::corrupt);
    co_await close_home(rig.reactor, **opened);
  });
}

TEST_CASE("file systems that another machine or program answers for are known by name") {
  CHECK(remote_file_system(0x6969) == "NFS");
  CHECK(remote_file_system(0xFF534D42) == "CIFS");
  CHECK(remote_file_system(0x65735546) == "FUSE");
  CHECK(remote_file_system(0xEF53) == "");      // ext4
  CHECK(remote_file_system(0x58465342) == "");  // XFS
  CHECK(remote_file_system(0x01021994) == "");  // tmpfs
}
