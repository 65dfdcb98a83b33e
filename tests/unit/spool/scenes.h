// Scenes in a simulated world: one start of the program each, played one after the other; behind
// each the power is cut.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <initializer_list>
#include <map>

#include "ledger.h"
#include "mailroot/reactor/sim.h"

namespace mailroot::spool::test {

inline constexpr const char* kHome = "/srv/alpha";

inline SpoolOptions lazy() {
  SpoolOptions options;
  options.materialise_after = std::chrono::hours(10);
  options.free_min_bytes = 0;
  return options;
}

struct Scene {
  reactor::sim::World& world;
  Rig& rig;
  reactor::sim::DiskAccess& disk;
};
using SceneBody = task<void> (*)(Scene&);

inline task<void> play(Scene& scene, SceneBody body, SpoolOptions options) {
  const bool started = co_await scene.rig.start(kHome, options);
  CHECK_MESSAGE(started, scene.rig.problem);
  if (started) {
    co_await body(scene);
  }
}

// What is done to the disk while the machine is off.
using DiskHand = void (*)(reactor::sim::DiskAccess&);

// Plays scenes one after the other in one world; after each the power is cut.
inline void run_scenes(std::initializer_list<SceneBody> bodies, SpoolOptions options = lazy(),
                       DiskHand meanwhile = nullptr) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    reactor::sim::World world(seed, 1, reactor::sim::WorldOptions{});
    for (const SceneBody body : bodies) {
      reactor::Reactor reactor(world.make_backend(0), reactor::ReactorLimits{});
      world.attach(reactor);
      Rig rig(reactor);
      Scene scene{world, rig, world.disk()};
      reactor::TaskGroup group;
      bool begun = false;
      reactor.post([&] {
        begun = true;
        group.spawn(play(scene, body, options));
      });
      const bool ended =
          world.run_until([&] { return begun && group.running() == 0; }, std::chrono::hours(2));
      REQUIRE(ended);
      world.crash();
      // The dead program is put away: what it says from here on is not heard.
      reactor.post([&] { group.spawn(rig.stop()); });
      reactor::Reactor* dead[] = {&reactor};
      bool stopping = false;
      world.unwind(dead, [&] {
        stopping = stopping || group.running() > 0;
        return group.running() == 0 && (stopping || rig.spool == nullptr);
      });
      world.detach(reactor);
      if (meanwhile != nullptr) meanwhile(world.disk());
    }
  }
}

inline task<std::map<QueueId, LoadedMessage>> found_in(Scene& scene) {
  auto found = co_await scene.rig.scanned();
  co_return found;
}

}  // namespace mailroot::spool::test
