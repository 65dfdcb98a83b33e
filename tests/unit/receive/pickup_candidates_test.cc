// When a file is complete, and which is next. No clock but the one in the test.
#include "pickup_candidates.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "limits.h"

namespace mailroot::receive::test {

namespace {

using reactor::FileStatus;
using reactor::NameEventKind;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr WallTime kEpoch = WallTime(seconds(1'700'000'000));

struct World {
  PickupCandidates candidates;
  Duration time{};  // since kEpoch, on both clocks

  Instant now() const { return Instant(time); }
  FileStatus file(Duration modified, uint64_t size = 10) const {
    FileStatus status;
    status.inode = 1;
    status.size_bytes = size;
    status.mode = S_IFREG | 0640;
    status.link_count = 1;
    status.modified = kEpoch + modified;
    return status;
  }
  void look(PickupPlace place, const std::string& name, const FileStatus& status) {
    candidates.looked({place, name}, status, now(), kEpoch + time);
  }
  void gone(PickupPlace place, const std::string& name) {
    candidates.looked({place, name}, std::nullopt, now(), kEpoch + time);
  }
  std::vector<std::string> take_all() {
    std::vector<std::string> names;
    while (candidates.has_ready()) names.push_back(candidates.take().name);
    return names;
  }
};

// How long a file that never changes has to lie there, in seconds; looked at each second.
int wait_of(PickupPlace place, std::vector<NameEventKind> events, FileStatus status) {
  World world;
  for (const NameEventKind kind : events) world.candidates.heard(kind, {place, "x"});
  for (int second = 0; second < 60; ++second) {
    world.time = seconds(second);
    world.look(place, "x", status);
    if (world.candidates.has_ready()) return second;
  }
  return -1;
}

}  // namespace

TEST_CASE("when a file is complete") {
  using enum NameEventKind;
  using enum PickupPlace;
  struct Row {
    const char* what;
    PickupPlace place;
    std::vector<NameEventKind> events;
    int modified_seconds_ago;
    uint64_t links;
    uint32_t type;
    int wait_seconds;
  };
  const int open = static_cast<int>(kPickupQuietOpen.count());
  const std::vector<Row> rows = {
      {"ours already", current, {}, 0, 1, S_IFREG, 0},
      {"renamed into Pickup", top, {moved_in}, 0, 1, S_IFREG, 0},
      {"written in Pickup and closed", top, {created, closed}, 0, 1, S_IFREG, 0},
      {"written in Pickup and still open", top, {created}, 0, 1, S_IFREG, open},
      {"... though it has an old date", top, {created}, 3600, 1, S_IFREG, open},
      {"... and its permissions change", top, {created, touched}, 0, 1, S_IFREG, open},
      {"found in Pickup, just written", top, {}, 0, 1, S_IFREG, 1},
      {"found in Pickup, at rest", top, {}, 60, 1, S_IFREG, 0},
      {"found in Pickup, from the future", top, {}, -3600, 1, S_IFREG, 1},
      {"closed again by somebody", top, {closed}, 0, 1, S_IFREG, 0},
      {"renamed into new", fresh, {moved_in}, 0, 1, S_IFREG, 0},
      {"found in new", fresh, {}, 0, 1, S_IFREG, 0},
      {"made in new and not closed", fresh, {created}, 0, 1, S_IFREG, 1},
      {"linked into new, old name gone", fresh, {created}, 60, 1, S_IFREG, 0},
      {"linked into new, two names", fresh, {created}, 60, 2, S_IFREG, 1},
      {"renamed in, two names", top, {moved_in}, 60, 2, S_IFREG, 1},
      {"a symbolic link", top, {created}, 0, 1, S_IFLNK, 0},
      {"a pipe", fresh, {created}, 0, 1, S_IFIFO, 0},
      {"a device", top, {}, 0, 1, S_IFCHR, 0},
      {"a directory", top, {created}, 60, 2, S_IFDIR, -1},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    World world;
    FileStatus status = world.file(-seconds(row.modified_seconds_ago));
    status.mode = row.type | 0640;
    status.link_count = row.links;
    CHECK(wait_of(row.place, row.events, status) == row.wait_seconds);
  }
}

TEST_CASE("a writer who goes on is waited for") {
  World world;
  world.candidates.heard(NameEventKind::created, {PickupPlace::top, "x"});
  for (uint64_t second = 0; second < 100; ++second) {
    world.time = seconds(second);
    // A pause of three seconds in the middle, longer than an unknown writer is given.
    const uint64_t size = second < 50 ? second : std::max<uint64_t>(second, 53);
    world.look(PickupPlace::top, "x", world.file(world.time, size));
    CHECK_FALSE(world.candidates.has_ready());
  }
  world.candidates.heard(NameEventKind::closed, {PickupPlace::top, "x"});
  CHECK(world.candidates.next_look() <= world.now());
  world.look(PickupPlace::top, "x", world.file(world.time, 100));
  CHECK(world.candidates.has_ready());
}

TEST_CASE("after lost events nobody is known to write, and rest decides") {
  World world;
  world.candidates.heard(NameEventKind::created, {PickupPlace::top, "x"});
  world.look(PickupPlace::top, "x", world.file({}));
  world.candidates.forget_writers();
  world.time = seconds(1);
  world.look(PickupPlace::top, "x", world.file({}));
  CHECK(world.candidates.has_ready());
}

TEST_CASE("the oldest goes first, equal times by name, whatever the place") {
  World world;
  world.time = seconds(100);
  world.look(PickupPlace::top, "c", world.file(seconds(20)));
  world.look(PickupPlace::fresh, "b", world.file(seconds(20)));
  world.look(PickupPlace::current, claim_name("00000001000000000002", "a"),
             world.file(seconds(20)));
  world.look(PickupPlace::current, claim_name("00000001000000000001", "z"),
             world.file(seconds(20)));
  world.look(PickupPlace::top, "late", world.file(seconds(20) + milliseconds(1)));
  world.look(PickupPlace::fresh, "early", world.file(seconds(19)));
  CHECK(world.take_all() == std::vector<std::string>{"early", "a", "b", "c", "z", "late"});
  CHECK(world.candidates.size() == 0);
}

TEST_CASE("a file that changes while it waits its turn is judged anew") {
  World world;
  world.time = seconds(100);
  world.look(PickupPlace::top, "x", world.file({}));
  CHECK(world.candidates.has_ready());
  world.look(PickupPlace::top, "x", world.file(seconds(100), 20));
  CHECK_FALSE(world.candidates.has_ready());
  world.gone(PickupPlace::top, "x");
  CHECK(world.candidates.size() == 0);
  CHECK(world.candidates.next_look() == kNever);
}

TEST_CASE("what a look at everything does not see is gone, but for what was just heard of") {
  World world;
  world.time = seconds(100);
  world.look(PickupPlace::top, "gone", world.file({}));
  world.look(PickupPlace::top, "stays", world.file({}));
  world.candidates.begin_scan();
  world.look(PickupPlace::top, "stays", world.file({}));
  world.candidates.heard(NameEventKind::moved_in, {PickupPlace::fresh, "new"});
  world.candidates.end_scan();
  CHECK(world.candidates.size() == 2);
  CHECK(world.take_all() == std::vector<std::string>{"stays"});
  const std::vector<PickupKey> looks = world.candidates.to_look(world.now(), 10);
  REQUIRE(looks.size() == 1);
  CHECK(looks[0].entry == "new");
}

TEST_CASE("a file that was put back waits, and an event shortens that") {
  World world;
  world.time = seconds(100);
  world.look(PickupPlace::fresh, "x", world.file({}));
  world.candidates.put_back(world.candidates.take(), world.now() + seconds(5));
  CHECK_FALSE(world.candidates.has_ready());
  CHECK(world.candidates.next_look() == world.now() + seconds(5));
  world.look(PickupPlace::fresh, "x", world.file({}));
  CHECK_FALSE(world.candidates.has_ready());
  world.candidates.heard(NameEventKind::touched, {PickupPlace::fresh, "x"});
  world.look(PickupPlace::fresh, "x", world.file({}));
  REQUIRE(world.candidates.has_ready());
  CHECK(world.candidates.take().unchanged_since == world.now());
}

TEST_CASE("names beyond the limit are left for the next look") {
  World world;
  world.time = seconds(100);
  world.candidates.begin_scan();
  for (size_t i = 0; i <= kPickupNamesMax; ++i) {
    world.look(PickupPlace::fresh, std::to_string(i), world.file({}));
  }
  CHECK(world.candidates.was_full());
  CHECK(world.candidates.size() == kPickupNamesMax);
  world.candidates.take();
  world.candidates.begin_scan();
  CHECK_FALSE(world.candidates.was_full());
}

TEST_CASE("names of claims") {
  const std::string id = "0000000100000000002A";
  CHECK(claim_name(id, "order.eml") == id + "-order.eml");
  CHECK(claim_name(id, std::string(255, 'n')).size() <= 255);
  PickupClaim claim = parse_claim(id + "-order.eml");
  CHECK(claim.id == id);
  CHECK(claim.name == "order.eml");
  claim = parse_claim(id + "-" + id + "-x");
  CHECK(claim.name == id + "-x");
  for (const std::string& other : {id + ".eml", id, id + "-", std::string("x"), std::string(),
                                   std::string("0000000100000000002G-x"), id.substr(1) + "-x"}) {
    CAPTURE(other);
    claim = parse_claim(other);
    CHECK_FALSE(claim.id.has_value());
    CHECK(claim.name == other);
  }
}

}  // namespace mailroot::receive::test
