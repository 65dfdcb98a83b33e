#include "scenario.h"

#include <fmt/format.h>

namespace mailroot::simtest {

namespace {

using reactor::sim::Faults;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr uint64_t kScenarioStream = 1;
const IpAddress kMachine = IpAddress::v4(0xC6336401);    // 198.51.100.1
const IpAddress kSmartHost = IpAddress::v4(0xC0000263);  // 192.0.2.99

std::shared_ptr<config::VirtualServer> draw_server(uint32_t index, Chance& chance) {
  auto server = std::make_shared<config::VirtualServer>();
  server->id = fmt::format("server{}", index);
  server->name = server->id;
  config::Binding& binding = server->bindings.emplace_back();
  binding.address = kMachine;
  binding.port = static_cast<uint16_t>(25 + index);
  server->default_domain = fmt::format("local{}.example", index);
  server->fqdn = fmt::format("mx{}.relay.example", index);
  server->home_directory = "/srv/" + server->id;
  server->connections_limit = static_cast<uint32_t>(chance.between(2, 12));
  server->connection_timeout = minutes(2);
  server->access.relay_allow.push_back(*Network::parse("203.0.113.0/24"));
  server->recipients_limit = static_cast<uint32_t>(chance.between(2, 8));
  server->per_connection_limit = static_cast<uint32_t>(chance.between(1, 5));
  server->size_limit_bytes = kMiB;
  server->stamp_headers = "never";
  server->free_min_bytes = 4 * kMiB;
  server->materialise_after = chance.percent(25) ? Duration{} : Duration(seconds(2));
  config::Delivery& delivery = server->delivery;
  delivery.quick_retries_interval = seconds(chance.between(5, 60));
  delivery.retry_intervals = {minutes(2), minutes(5)};
  delivery.delay_notification = minutes(chance.between(5, 30));
  delivery.expiration = minutes(chance.between(40, 120));
  delivery.local_delay_notification = delivery.delay_notification;
  delivery.local_expiration = delivery.expiration;
  delivery.outbound_connections = static_cast<uint32_t>(chance.between(2, 6));
  delivery.outbound_per_domain = static_cast<uint32_t>(chance.between(1, kPerDestinationMax));
  delivery.connect_timeout = seconds(30);
  delivery.outbound_timeout = minutes(3);
  return server;
}

void draw_hops(Scenario& scenario, Chance& chance) {
  const uint64_t domains = chance.between(1, 3);
  uint32_t next_address = 0xC000020A;  // 192.0.2.10
  for (uint64_t i = 0; i <= domains; ++i) {
    HopPlan hop;
    const bool is_smart_host = i == domains;
    if (!is_smart_host) hop.domain = fmt::format("d{}.example", i);
    hop.manners.misbehaves = chance.percent(30) ? 0 : chance.between(5, 60);
    hop.manners.pipelining = chance.percent(70);
    hop.manners.chunking = chance.percent(50);
    hop.manners.greylists = chance.percent(30);
    const uint64_t hosts = is_smart_host ? 1 : chance.between(1, 2);
    dns::FixedAnswer mx{hop.domain, {}};
    for (uint64_t host = 0; host < hosts; ++host) {
      const IpAddress address = is_smart_host ? kSmartHost : IpAddress::v4(next_address++);
      hop.addresses.push_back(address);
      if (is_smart_host) continue;
      const std::string name = fmt::format("mx{}.d{}.example", host, i);
      mx.values.push_back(fmt::format("mx:{} {}", 10 * (1 + chance.below(2)), name));
      scenario.names.push_back({name, {address.to_string()}});
    }
    if (!is_smart_host) scenario.names.push_back(std::move(mx));
    scenario.hops.push_back(std::move(hop));
  }
}

void draw_clients(Scenario& scenario, Chance& chance) {
  const uint64_t clients = chance.between(2, 10);
  for (uint64_t i = 0; i < clients; ++i) {
    ClientPlan client;
    client.server = static_cast<uint32_t>(chance.below(scenario.servers.size()));
    client.is_foreign = chance.percent(5);
    const uint32_t net = client.is_foreign ? 0xC6120000 : 0xCB007100;  // 198.18.0.0, 203.0.113.0
    client.address = IpAddress::v4(net + 1 + static_cast<uint32_t>(chance.below(250)));
    client.starts_after = chance.up_to(scenario.faulty_time);
    client.sessions = static_cast<uint32_t>(chance.between(1, 4));
    client.is_rude = chance.percent(25);
    client.is_silent = chance.percent(5);
    scenario.clients.push_back(client);
  }
}

// A quarter of all worlds are kind, so that what fails there fails for a simple reason.
void draw_unkindness(Scenario& scenario, Chance& chance) {
  scenario.faulty_time = seconds(chance.between(20, 600));
  const bool is_kind = scenario.seed % 4 == 0;
  scenario.world.faults = is_kind ? Faults::none() : Faults::from_seed(scenario.seed);
  scenario.world.disk_bytes = 256 * kMiB;
  scenario.world.receive_buffers = static_cast<uint32_t>(chance.between(8, 64));
  scenario.deaths = chance.percent(60) ? static_cast<uint32_t>(chance.between(1, 4)) : 0;
  scenario.reloads = static_cast<uint32_t>(chance.below(4));
  scenario.restarts = chance.percent(30) ? 1 : 0;
  scenario.full_disks = chance.percent(15) ? 1 : 0;
  scenario.slab_budget_bytes = chance.percent(20) ? 512 * kKiB : 16 * kMiB;
}

}  // namespace

Scenario draw_scenario(uint64_t seed) {
  Chance chance(seed, kScenarioStream);
  Scenario scenario;
  scenario.seed = seed;
  scenario.shards = static_cast<uint32_t>(chance.between(1, 2));
  draw_unkindness(scenario, chance);
  const uint64_t servers = chance.between(1, 2);
  for (uint32_t i = 0; i < servers; ++i) scenario.servers.push_back(draw_server(i, chance));
  draw_hops(scenario, chance);
  draw_clients(scenario, chance);
  return scenario;
}

std::shared_ptr<const config::VirtualServer> redraw(const config::VirtualServer& server,
                                                    Chance& chance) {
  auto next = std::make_shared<config::VirtualServer>(server);
  next->delivery.outbound_per_domain = static_cast<uint32_t>(chance.between(1, kPerDestinationMax));
  next->delivery.quick_retries_interval = seconds(chance.between(5, 60));
  next->delivery.smart_host.clear();
  if (chance.percent(40)) {
    next->delivery.smart_host.push_back({kSmartHost.to_string(), true, kHopPort, {}});
    next->delivery.attempt_direct_delivery_first = chance.percent(30);
  }
  return next;
}

SocketAddress address_of(const config::VirtualServer& server) {
  return {*server.bindings.front().address, server.bindings.front().port};
}

}  // namespace mailroot::simtest
