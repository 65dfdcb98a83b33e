// Delivery in simulated worlds: days of faulty networks in milliseconds, replayed by seed.
#include <set>

#include "mailroot/reactor/sim.h"
#include "world.h"

using namespace mailroot;
using namespace mailroot::deliver::test;

namespace {

namespace sim = reactor::sim;

constexpr uint16_t kPort = 25;
constexpr int kMessages = 40;

SocketAddress host(uint32_t last) { return {IpAddress::v4(0xCB007100U | last), kPort}; }

std::string content_of(int number) {
  std::string content = "Subject: " + std::to_string(number) + "\r\n\r\n";
  for (int i = 0; i < number * number; ++i) content += ". line " + std::to_string(i) + "\r\n";
  return content;
}

struct Result {
  size_t duplicates = 0;
  size_t uncertain = 0;
  uint64_t trace_hash = 0;
};

// The reply to a complete message may have been lost.
bool is_uncertain(const log::Event& event) {
  if (event.name() != "deferred") return false;
  for (const auto& [key, value] : event.fields()) {
    if (key == "reply" &&
        std::get<std::string>(value).find("may have taken") != std::string::npos) {
      return true;
    }
  }
  return false;
}

void prepare(World& world) {
  world.port = kPort;
  world.settings->delivery.outbound_port = kPort;
  world.settings->delivery.retry_intervals = {5min};
  world.settings->delivery.outbound_per_domain = 4;
  world.settings->delivery.connect_timeout = 30s;
  world.resolver.set("one.example", {{10, "203.0.113.1"}, {20, "203.0.113.2"}});
  world.resolver.set("two.example", {{10, "203.0.113.2"}, {10, "203.0.113.3"}});
  world.start();
}

void send_all(World& world) {
  for (int i = 0; i < kMessages; ++i) {
    std::vector<std::string> to = {"a" + std::to_string(i) + "@one.example"};
    if (i % 3 == 0) to.push_back("b@two.example");
    if (i % 5 == 0) to.push_back("c@one.example");
    world.send(to, content_of(i));
  }
}

// Every recipient got every message whole, and more often only where a reply may have been lost.
void check_mail(const World& world, const std::vector<std::unique_ptr<Sink>>& sinks,
                Result& result) {
  std::map<std::pair<std::string, std::string>, size_t> arrived;  // subject line, recipient
  std::set<std::string> known;
  for (int i = 0; i < kMessages; ++i) known.insert(content_of(i));
  for (const auto& sink : sinks) {
    for (const SinkMessage& message : sink->messages) {
      const bool is_whole = known.contains(message.content);
      CHECK(is_whole);
      const std::string subject = message.content.substr(0, message.content.find('\r'));
      for (const std::string& to : message.rcpt) ++arrived[{subject, to}];
    }
  }
  size_t recipients = 0;
  for (const auto& [id, message] : world.spool.messages) {
    CHECK(message.status == std::string(message.envelope.recipients.size(), 'D'));
    recipients += message.envelope.recipients.size();
  }
  CHECK(arrived.size() == recipients);
  for (const auto& [what, count] : arrived) result.duplicates += count - 1;
  for (const auto& event : world.log.events) result.uncertain += is_uncertain(event);
  CHECK(result.duplicates <= result.uncertain);
}

Result run_seed(uint64_t seed, const sim::Faults& faults) {
  sim::WorldOptions options;
  options.faults = faults;
  sim::World simulated(seed, 1, options);
  reactor::Reactor outside(simulated.make_outside_backend(), {});
  reactor::Reactor inside(simulated.make_backend(0), {});
  simulated.attach(outside);
  simulated.attach(inside);
  Result result;
  {
    World world(inside);
    std::vector<std::unique_ptr<Sink>> sinks;
    reactor::TaskGroup group;
    bool stopped = false;
    outside.post([&] {
      for (uint32_t i = 1; i <= 3; ++i) {
        SinkRules rules;
        if (i % 2 == 0) rules.offers.push_back("CHUNKING");
        sinks.push_back(std::make_unique<Sink>(outside, host(i), rules));
      }
    });
    inside.post([&] { prepare(world); });
    const bool ready =
        simulated.run_until([&] { return sinks.size() == 3 && world.dispatcher != nullptr; }, 1min);
    REQUIRE(ready);
    inside.post([&] { send_all(world); });
    simulated.run_until(simulated.now() + 3h);
    simulated.set_faults(sim::Faults::none());
    const auto all_settled = [&] {
      return world.spool.messages.size() == kMessages && world.spool.open_messages() == 0;
    };
    const bool drained = simulated.run_until(all_settled, 24h);
    CHECK(drained);
    inside.post([&] { group.spawn(world.dispatcher->stop()); });
    simulated.run_until(simulated.now() + 1min);
    CHECK(group.running() == 0);
    CHECK(world.slots->in_use(queue::kAllDestinations) == 0);
    CHECK(world.dispatcher->queue().counters().messages == 0);
    CHECK(simulated.open_descriptors() == 0);
    check_mail(world, sinks, result);
    outside.post([&] {
      for (auto& sink : sinks) {
        sink->stop();
        group.spawn(sink->join());
      }
      stopped = true;
    });
    const bool gone = simulated.run_until([&] { return stopped && group.running() == 0; }, 1h);
    CHECK(gone);
  }
  simulated.detach(inside);
  simulated.detach(outside);
  result.trace_hash = simulated.trace_hash();
  return result;
}

}  // namespace

TEST_CASE("a network that only cuts and delays: every message exactly once") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    sim::Faults faults = sim::Faults::none();
    faults.network_latency_max = 50ms;
    faults.tiny_segments = seed % 2 ? 0.02 : 0;
    faults.cut_segments = 0.3;
    faults.stall = 0.02;
    faults.stall_max = 20s;
    const Result result = run_seed(seed, faults);
    CHECK(result.duplicates == 0);
    CHECK(result.uncertain == 0);
  }
}

TEST_CASE("any network: nothing lost, nothing cut short, doubled only where a reply was lost") {
  size_t uncertain = 0;
  for (uint64_t seed = 100; seed < 140; ++seed) {
    CAPTURE(seed);
    uncertain += run_seed(seed, sim::Faults::from_seed(seed)).uncertain;
  }
  CHECK(uncertain > 0);
}

TEST_CASE("the same seed is the same run") {
  const Result first = run_seed(7, sim::Faults::from_seed(7));
  const Result second = run_seed(7, sim::Faults::from_seed(7));
  CHECK(first.trace_hash == second.trace_hash);
}
