// Files are whole, keep owner and mode, and are never overwritten by accident.
#include "config_files.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "places.h"

namespace mailroot::ctl {

namespace {

mode_t mode_of(const std::string& path) {
  struct stat status{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

size_t count_entries(const std::string& directory) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    count += entry.path().empty() ? 0 : 1;
  }
  return count;
}

}  // namespace

TEST_CASE("a new file has the mode of its siblings, and overwrites nothing") {
  const Place place;
  place.write("virtual-servers.d/a.yaml", "a");
  ::chmod(place.path("virtual-servers.d/a.yaml").c_str(), 0640);
  auto directory = ConfigDirectory::open(place.path("virtual-servers.d"));
  REQUIRE(directory);
  REQUIRE(directory->create("b.yaml", "text", place.path("virtual-servers.d/a.yaml")));
  CHECK(read_config_file(place.path("virtual-servers.d/b.yaml")) == "text");
  CHECK(mode_of(place.path("virtual-servers.d/b.yaml")) == 0640);
  const auto again = directory->create("b.yaml", "other", "/nonexistent");
  REQUIRE_FALSE(again);
  CHECK(again.error().contains("is there already"));
  CHECK(read_config_file(place.path("virtual-servers.d/b.yaml")) == "text");
  REQUIRE(directory->create("c.yaml", "text", "/nonexistent"));
  CHECK(mode_of(place.path("virtual-servers.d/c.yaml")) == 0644);
  CHECK(count_entries(place.path("virtual-servers.d")) == 3);
}

TEST_CASE("a file is replaced only if it is what was read") {
  const Place place;
  const std::string file = place.path("virtual-servers.d/a.yaml");
  place.write("virtual-servers.d/a.yaml", "old");
  ::chmod(file.c_str(), 0600);
  auto directory = ConfigDirectory::open(place.path("virtual-servers.d"));
  REQUIRE(directory);
  const auto changed = directory->replace("a.yaml", "other", "new");
  REQUIRE_FALSE(changed);
  CHECK(changed.error().contains("was changed meanwhile"));
  REQUIRE(directory->replace("a.yaml", "old", "new"));
  CHECK(read_config_file(file) == "new");
  CHECK(mode_of(file) == 0600);
  REQUIRE(::link(file.c_str(), place.path("virtual-servers.d/b.yaml").c_str()) == 0);
  CHECK(directory->replace("a.yaml", "new", "x").error().contains("several names"));
  CHECK_FALSE(directory->replace("z.yaml", "new", "x"));
  CHECK(read_config_file(file) == "new");
  CHECK(count_entries(place.path("virtual-servers.d")) == 2);
}

TEST_CASE("files put aside get a name that is free") {
  const Place place;
  for (const char* name : {"a.yaml", "b.yaml", "a.yaml.deleted"}) {
    place.write(std::string("virtual-servers.d/") + name, name);
  }
  auto directory = ConfigDirectory::open(place.path("virtual-servers.d"));
  REQUIRE(directory);
  CHECK(directory->put_aside("a.yaml", "a.yaml.deleted") == "a.yaml.deleted.1");
  CHECK(directory->put_aside("b.yaml", "b.yaml.deleted") == "b.yaml.deleted");
  CHECK(read_config_file(place.path("virtual-servers.d/a.yaml.deleted")) == "a.yaml.deleted");
  CHECK(read_config_file(place.path("virtual-servers.d/a.yaml.deleted.1")) == "a.yaml");
  CHECK_FALSE(directory->put_aside("z.yaml", "z.yaml.deleted"));
}

TEST_CASE("directories and files that are not there, or too large") {
  const Place place;
  CHECK_FALSE(ConfigDirectory::open(place.path("nowhere")));
  CHECK_FALSE(read_config_file(place.path("nowhere")));
  place.write("large", std::string(2 << 20, 'x'));
  CHECK(read_config_file(place.path("large")).error().contains("too large"));
}

}  // namespace mailroot::ctl
