// Simulated worlds for tests: virtual time, a disk that forgets what was not synced, a network that
// cuts, delays and breaks, all from one seed and in one thread. Code under test runs unchanged on
// an ordinary Reactor over a Backend made here.
//
//   World --make_backend(shard)------> Reactor of the program under test, one per shard
//         --make_outside_backend()---> Reactor of the scripted peers; survives crashes
//         --step()-------------------> a turn of one reactor, or the next event in time
//         --crash() / kill()---------> the program dies; make_backend() starts the next one
//
// A World outlives its backends. Nothing here is thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/address.h"
#include "mailroot/base/bytes.h"
#include "mailroot/base/time.h"
#include "mailroot/reactor/backend.h"

namespace mailroot::reactor {
class Reactor;
}

namespace mailroot::reactor::sim {

// How unkind the world is. Probabilities are per operation and lie in [0, 1].
struct Faults {
  Duration network_latency_min{};
  Duration network_latency_max{};
  double tiny_segments = 0;  // a send arrives byte by byte, or nearly
  double cut_segments = 0;   // a send arrives in pieces of any size
  double stall = 0;          // what is sent arrives late, up to stall_max
  Duration stall_max{};
  double reset = 0;       // the connection breaks in the middle of a send
  double refused = 0;     // a connect is refused although somebody listens
  double unroutable = 0;  // a connect ends with EHOSTUNREACH
  double unanswered = 0;  // a connect hears nothing until it is called off

  Duration disk_latency_min{};
  Duration disk_latency_max{};
  double disk_hiccup = 0;  // an operation takes up to disk_hiccup_max
  Duration disk_hiccup_max{};
  double read_error = 0;
  double write_error = 0;       // EIO; a synchronous write may have written some of its sectors
  double sync_error = 0;        // EIO, once; the pages are dropped and the next sync succeeds
  double early_write_back = 0;  // the kernel writes dirty pages by itself
  // Names become durable in order, as on ext4; otherwise each by itself, as POSIX allows.
  bool ordered_names = true;

  // A quiet world with a little latency, no fault, and ext4's order of names.
  static Faults none();
  // Each probability drawn from the seed; several stay 0, so that most things work.
  static Faults from_seed(uint64_t seed);
};

struct WorldOptions {
  Faults faults = Faults::none();
  // Addresses of the machine under test beside the loopback ones: 198.51.100.1, 2001:db8::1.
  // Every other address belongs to the outside.
  std::vector<IpAddress> addresses = {IpAddress::v4(0xC6336401), *IpAddress::parse("2001:db8::1")};
  uint64_t disk_bytes = kGiB;
  uint64_t inodes_max = 100'000;
  uint32_t direct_align_bytes = 4096;
  uint32_t descriptors_max = 4096;  // per process; above: EMFILE
  uint32_t receive_buffers = 64;    // per backend
  uint32_t socket_buffer_bytes = 64 * 1024;
  std::vector<std::string> directories;  // that exist from the start
  WallTime wall_start = WallTime(std::chrono::hours(24 * 365 * 55));
  // Called with one line per event, for replaying a seed by eye. May be empty.
  std::function<void(std::string_view)> trace;
};

// The disk of the machine under test, for preparing and inspecting it from a test and for playing
// its administrator: everything happens at once. Paths are absolute.
class DiskAccess {
 public:
  virtual ~DiskAccess() = default;
  // These three are durable at once. make_directories also makes the parents.
  virtual void make_directories(std::string_view path) = 0;
  virtual void write_file(std::string_view path, std::string_view content) = 0;
  virtual void make_symbolic_link(std::string_view path, std::string_view target) = 0;
  virtual bool link(std::string_view from, std::string_view to) = 0;  // a hard link
  virtual bool rename(std::string_view from, std::string_view to) = 0;
  virtual bool remove(std::string_view path) = 0;
  // As a process sees it now.
  virtual std::optional<std::string> read_file(std::string_view path) const = 0;
  virtual std::vector<std::string> list(std::string_view path) const = 0;  // sorted
  // As it would be after a crash that loses all that is not synced.
  virtual std::optional<std::string> read_durable(std::string_view path) const = 0;
  virtual bool flip_bit(std::string_view path, uint64_t offset_bytes, unsigned bit) = 0;
  // Room for this much more, from now on; writes beyond it fail with ENOSPC.
  virtual void set_free_bytes(uint64_t bytes) = 0;
  virtual uint64_t free_bytes() const = 0;
  // The next `count` operations of this kind fail with `error` (positive errno) instead of being
  // done; a failing sync drops the pages, a failing synchronous write may be torn.
  virtual void fail_next(Opcode opcode, int error, uint32_t count) = 0;
};

class World {
 public:
  World(uint64_t seed, uint32_t shards, WorldOptions options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // The backend of one shard of the program under test; after a crash, of its next start.
  std::unique_ptr<Backend> make_backend(uint32_t shard);
  // For scripted peers. It has every address that is not of the machine under test, and no disk:
  // file operations answer ENOSYS.
  std::unique_ptr<Backend> make_outside_backend();

  // step() turns the reactors attached here. Detach before a reactor dies.
  void attach(Reactor& reactor);
  void detach(Reactor& reactor);

  // One turn of one reactor that has something to do; if none has, time goes to the next event or
  // timer. False when nothing will ever happen again.
  bool step();
  void run_until(Instant when);
  // Steps until done() holds; false when `patience` of virtual time passed first, or nothing is
  // left to happen.
  bool run_until(const std::function<bool()>& done, Duration patience);
  // False when there was still something to do after `steps_max` steps.
  bool run_until_idle(uint64_t steps_max);

  Instant now() const;
  void step_wall_clock(Duration by);

  // Power loss. Operations in flight happen, happen partly, or do not; of what was not synced any
  // part may be lost; connections of the machine break. The backends of the program are dead from
  // here on: what is in flight on them completes with -ECANCELED, whatever they are asked later
  // fails with -EIO (close succeeds) and nothing reaches the disk or the network. That lets the
  // dead program's coroutines run to their end, so that no frame is destroyed while suspended:
  // cancel their scopes, then unwind().
  void crash();
  // kill -9: as crash(), but the kernel lives on: nothing written is lost, connections close.
  void kill();
  // Turns the reactors of a dead program until done() holds. Their clocks run on alone; the
  // world's stands still. Asserts that done() is reached.
  void unwind(std::span<Reactor* const> dead, const std::function<bool()>& done);

  DiskAccess& disk();

  // Connects to this address hear nothing, end with EHOSTUNREACH, or work again.
  void set_unanswered(const IpAddress& address, bool unanswered);
  void set_unroutable(const IpAddress& address, bool unroutable);
  // Breaks every connection.
  void reset_connections();
  size_t open_connections() const;
  // Descriptors the program under test holds: back to where it was, or it leaks.
  size_t open_descriptors() const;

  void set_faults(const Faults& faults);  // ordered_names cannot change any more
  const Faults& faults() const;
  // Chance for the test itself, from the same seed.
  uint64_t random();
  // Of everything that happened: equal for equal seeds.
  uint64_t trace_hash() const;
  uint64_t steps() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

// A world of its own for one backend, which owns it: for tests that need no more than a Backend.
// Waiting carries time on. Its options say what the world is like.
std::unique_ptr<Backend> make_lone_backend(uint64_t seed, WorldOptions options);

}  // namespace mailroot::reactor::sim
