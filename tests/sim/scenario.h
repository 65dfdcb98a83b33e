// What one seed is about: machine, servers, next hops, clients, faults. A plain value, drawn once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "chance.h"
#include "mailroot/config/snapshot.h"
#include "mailroot/dns/resolver.h"
#include "mailroot/reactor/sim.h"

namespace mailroot::simtest {

// How often, in percent, a next hop misbehaves while faults last.
struct HopManners {
  uint64_t misbehaves = 0;
  bool pipelining = true;
  bool chunking = true;
  bool greylists = false;
};

struct HopPlan {
  std::string domain;  // empty: the smart host, which takes every domain
  std::vector<IpAddress> addresses;
  HopManners manners;
};

enum class ClientStyle : uint8_t { polite, pipelining, chunking };
enum class Pace : uint8_t { at_once, bytewise, pieces, slow };

struct ClientPlan {
  uint32_t server = 0;
  IpAddress address;
  Duration starts_after{};
  uint32_t sessions = 1;
  bool is_rude = false;     // cuts its sessions anywhere
  bool is_silent = false;   // connects and says nothing
  bool is_foreign = false;  // not on the relay list
};

struct Scenario {
  uint64_t seed = 0;
  uint32_t shards = 1;
  uint64_t slab_budget_bytes = 0;
  Duration faulty_time{};
  reactor::sim::WorldOptions world;
  uint32_t deaths = 0;  // kills and crashes, at steps drawn while the program works
  uint32_t reloads = 0;
  uint32_t restarts = 0;    // orderly
  uint32_t full_disks = 0;  // times the disk is full for a while
  std::vector<std::shared_ptr<const config::VirtualServer>> servers;
  std::vector<HopPlan> hops;  // hops[0] also takes the reports
  std::vector<ClientPlan> clients;
  std::vector<dns::FixedAnswer> names;
};

inline constexpr uint32_t kPerDestinationMax = 2;
inline constexpr uint16_t kHopPort = 25;

Scenario draw_scenario(uint64_t seed);
// The same server with other policy, as a reload would bring it.
std::shared_ptr<const config::VirtualServer> redraw(const config::VirtualServer& server,
                                                    Chance& chance);
SocketAddress address_of(const config::VirtualServer& server);

}  // namespace mailroot::simtest
