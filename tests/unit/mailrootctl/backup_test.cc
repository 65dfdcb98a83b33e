#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "manifest.h"
#include "tree_copy.h"

namespace mailroot::ctl {
namespace {

namespace fs = std::filesystem;

struct Places {
  Places() {
    std::string name = (fs::temp_directory_path() / "mailroot-copy.XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    top = name;
    fs::create_directories(top / "from/Queue/new");
    fs::create_directories(top / "from/Queue/cur");
    fs::create_directories(top / "from/Journal/0");
  }
  ~Places() { fs::remove_all(top); }
  void write(const std::string& path, const std::string& text) const {
    std::ofstream(top / "from" / path) << text;
  }
  std::string read(const std::string& path) const {
    std::ifstream file(top / "to" / path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  auto copy(const TreeCopyOptions& options = {}) const {
    return copy_tree((top / "from").string(), (top / "to").string(), options);
  }
  fs::path top;
};

TEST_CASE("backup: what is no line of a manifest") {
  for (const char* const bad :
       {"", "xyz", "0123456 1 a", "012345678 1 a", "01234567 1", "01234567 x a", "01234567 1 ",
        "01234567 1 /etc/passwd", "01234567 1 ../a", "01234567 1 a/../b", "01234567 1 a/..",
        "01234567 1 a\\x", "01234567 1 a\\"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_manifest_line(bad).has_value());
  }
}

TEST_CASE("backup: a manifest tells each file again") {
  const CopiedFile odd{"a b/c\\\nd", 17, 0x0123abcd};
  const std::string text = manifest_text({odd});
  CHECK(text == "0123abcd 17 a b/c\\\\\\nd\n");
  const auto again = parse_manifest_line(text.substr(0, text.size() - 1));
  REQUIRE(again.has_value());
  CHECK(again->path == odd.path);
  CHECK(again->size_bytes == 17);
  CHECK(again->crc32c == odd.crc32c);
}

TEST_CASE("copies of trees: what cannot be read is told") {
  const auto copied = copy_tree("/nonexistent/x", "/nonexistent/y", {});
  REQUIRE_FALSE(copied.has_value());
  CHECK(copied.error().contains("/nonexistent/x"));
}

TEST_CASE("copies of trees: an interrupt ends them") {
  Places places;
  places.write("Queue/new/a", "x");
  TreeCopyOptions options;
  options.progress = [](const std::string&) { return false; };
  const auto copied = places.copy(options);
  REQUIRE_FALSE(copied.has_value());
  CHECK(copied.error() == "interrupted");
}

TEST_CASE("copies of trees: bytes, modes, times, and again only what changed") {
  Places places;
  places.write("Queue/new/a", "hello");
  places.write("Queue/cur/b", std::string(600'000, 'b'));
  places.write("Journal/0/1.seg", "journal");
  fs::permissions(places.top / "from/Queue/new/a", fs::perms(0640));
  REQUIRE(::mkfifo((places.top / "from/fifo").c_str(), 0600) == 0);
  TreeCopyOptions options;
  options.first = first_of_home;
  options.always = {"Journal"};
  std::vector<std::string> order;
  options.progress = [&order](const std::string& path) {
    order.push_back(path);
    return true;
  };
  const auto first = places.copy(options);
  REQUIRE(first.has_value());
  CHECK(order == std::vector<std::string>{"Journal/0/1.seg", "Queue/new/a", "Queue/cur/b", "fifo"});
  CHECK(first->files.size() == 3);
  CHECK(first->left_out == std::vector<std::string>{"fifo"});
  CHECK(places.read("Queue/new/a") == "hello");
  CHECK(places.read("Queue/cur/b").size() == 600'000);
  CHECK((fs::status(places.top / "to/Queue/new/a").permissions() == fs::perms(0640)));
  CHECK((fs::last_write_time(places.top / "to/Queue/new/a") ==
         fs::last_write_time(places.top / "from/Queue/new/a")));
  fs::remove(places.top / "from/Queue/cur/b");
  places.write("Queue/new/c", "new");
  const auto second = places.copy(options);
  REQUIRE(second.has_value());
  CHECK(second->unchanged == 1);
  CHECK(second->removed == 1);
  CHECK_FALSE(fs::exists(places.top / "to/Queue/cur/b"));
  CHECK(places.read("Queue/new/c") == "new");
  for (const CopiedFile& file : second->files) {
    CHECK(checksum_of_file((places.top / "to" / file.path).string()) == file.crc32c);
  }
}

}  // namespace
}  // namespace mailroot::ctl
