#include "world.h"

#include <cstdio>
#include <cstdlib>

#include "mailroot/smtp/grammar.h"

namespace mailroot::deliver::test {

reactor::task<FakeResolver::Hosts> FakeResolver::mail_hosts(std::string domain, reactor::Wait) {
  ++asked;
  const auto found = answers.find(domain);
  if (found != answers.end()) co_return found->second;
  co_return std::unexpected(
      dns::ResolveFailure{dns::Failure::no_such_domain, domain + " does not exist"});
}

reactor::task<std::expected<std::vector<IpAddress>, dns::ResolveFailure>> FakeResolver::addresses(
    std::string host, reactor::Wait) {
  const auto found = answers.find(host);
  if (found != answers.end() && found->second) co_return found->second->hosts.at(0).addresses;
  co_return std::unexpected(
      dns::ResolveFailure{dns::Failure::no_such_domain, host + " does not exist"});
}

reactor::task<FakeResolver::Hosts> FakeResolver::named_host(std::string host, reactor::Wait wait) {
  auto found = co_await addresses(host, wait);
  if (!found) co_return std::unexpected(found.error());
  dns::MailHosts hosts;
  hosts.hosts.push_back({0, host, std::move(*found), false});
  co_return hosts;
}

reactor::task<std::expected<std::vector<dns::TlsaRecord>, dns::ResolveFailure>> FakeResolver::tlsa(
    std::string, uint16_t, reactor::Wait) {
  co_return std::vector<dns::TlsaRecord>();
}

reactor::task<std::expected<std::string, dns::ResolveFailure>> FakeResolver::reverse(
    IpAddress, reactor::Wait) {
  co_return "";
}

void FakeResolver::set(const std::string& domain,
                       std::vector<std::pair<uint16_t, std::string>> hosts) {
  dns::MailHosts found;
  for (const auto& [preference, address] : hosts) {
    found.hosts.push_back({preference,
                           "mx" + address.substr(address.rfind('.') + 1) + ".example",
                           {*IpAddress::parse(address)}});
  }
  answers[domain] = std::move(found);
}

void FakeResolver::set_failure(const std::string& domain, dns::Failure failure) {
  answers[domain] = std::unexpected(dns::ResolveFailure{failure, "lookup of " + domain});
}

size_t LogStore::count(std::string_view name) const {
  size_t found = 0;
  for (const auto& event : events) found += event.name() == name;
  return found;
}

std::string LogStore::field(std::string_view name, std::string_view key) const {
  for (size_t i = events.size(); i-- > 0;) {
    if (events[i].name() != name) continue;
    for (const auto& [field_key, value] : events[i].fields()) {
      if (field_key != key) continue;
      if (std::holds_alternative<std::string>(value)) return std::get<std::string>(value);
      return std::to_string(std::get<int64_t>(value));
    }
    return "";
  }
  return "";
}

World::World(reactor::Reactor& world_reactor)
    : reactor(world_reactor),
      spool(world_reactor),
      slots(queue::make_slot_table([](uint16_t, const std::string&) { return false; })) {
  settings->id = "default";
  settings->default_domain = "local.example";
  settings->fqdn = "mail.local.example";
  settings->delivery.quick_retries_count = 0;
  settings->delivery.retry_intervals = {200ms};
  settings->delivery.connect_timeout = 2s;
}

Sink& World::add_sink(uint8_t last, SinkRules rules) {
  const SocketAddress where{IpAddress::v4(0x7f000000U | last), port};
  sinks.push_back(std::make_unique<Sink>(reactor, where, std::move(rules)));
  port = sinks.back()->address().port;
  settings->delivery.outbound_port = port;
  return *sinks.back();
}

void World::use_smart_hosts(std::vector<std::string> hosts) {
  settings->delivery.smart_host.clear();
  for (std::string& host : hosts) {
    settings->delivery.smart_host.push_back(
        {.host = std::move(host), .is_literal = true, .port = port, .preset = {}});
  }
}

void World::start() {
  const Surroundings surroundings{.reactor = reactor,
                                  .spool = spool,
                                  .resolver = resolver,
                                  .slots = *slots,
                                  .log = log,
                                  .counters = counters,
                                  .shard = 0};
  dispatcher = std::make_unique<Dispatcher>(surroundings, settings,
                                            std::make_shared<route::Router>(settings));
}

smtp::Envelope World::envelope(std::vector<std::string> recipients) {
  smtp::Envelope envelope;
  envelope.reverse_path = {.local_part = "ann", .domain = "sender.example"};
  for (const std::string& text : recipients) {
    const auto mailbox = smtp::parse_mailbox(text, {.smtputf8 = true});
    REQUIRE(mailbox.has_value());
    envelope.recipients.push_back({.address = *mailbox, .notify = {}, .original_recipient = ""});
  }
  return envelope;
}

QueueId World::send(std::vector<std::string> recipients, std::string content) {
  return send_envelope(envelope(std::move(recipients)), std::move(content));
}

QueueId World::send_envelope(smtp::Envelope message, std::string content) {
  if (!dispatcher) start();
  const uint64_t size = content.size();
  const QueueId id = spool.put(message, std::move(content));
  dispatcher->admit(id, message, "", spool.at(id).times, size);
  return id;
}

reactor::task<bool> World::wait_for(std::function<bool()> condition) {
  const Instant until = reactor.now() + 10s;
  while (!condition()) {
    if (reactor.now() >= until) co_return false;
    co_await reactor.sleep_until(reactor.now() + 2ms, reactor::Wait{});
  }
  co_return true;
}

reactor::task<void> World::settle_all() {
  const bool settled = co_await wait_for([this] { return spool.open_messages() == 0; });
  CHECK(settled);
  for (size_t i = 0; !settled && i < log.events.size() && i < 20; ++i) {
    std::string line(log.events[i].name());
    for (const auto& [key, value] : log.events[i].fields()) {
      line += " " + std::string(key) + "=";
      line += std::holds_alternative<std::string>(value) ? std::get<std::string>(value)
                                                         : std::to_string(std::get<int64_t>(value));
    }
    MESSAGE(line);
  }
}

reactor::task<void> World::stop() {
  if (dispatcher) {
    co_await dispatcher->stop();
  }
  for (auto& sink : sinks) sink->stop();
  for (auto& sink : sinks) {
    co_await sink->join();
  }
}

namespace {

class Watchdog final : public reactor::Timer {
 public:
  void on_timer() override {
    std::fputs("the test hangs\n", stderr);
    std::abort();
  }
};

reactor::task<void> run_all(reactor::Reactor& reactor, World& world, Body body) {
  co_await body(world);
  co_await world.stop();
  reactor.stop();
}

void run_on(reactor::BackendChoice choice, Body body) {
  std::string why;
  auto backend = reactor::make_backend(choice, {}, why);
  if (!backend && choice == reactor::BackendChoice::io_uring) {
    MESSAGE("skipped, " << why);
    return;
  }
  REQUIRE(backend.has_value());
  reactor::Reactor reactor(std::move(*backend), {});
  Watchdog watchdog;
  reactor.add_timer(watchdog, reactor.now() + 60s);
  {
    World world(reactor);
    reactor::TaskGroup group;
    reactor.post([&] { group.spawn(run_all(reactor, world, body)); });
    reactor.run();
    CHECK(group.running() == 0);
    CHECK(world.slots->in_use(queue::kAllDestinations) == 0);
    CHECK(world.counters.connections_open.load() == 0);
    if (world.dispatcher) CHECK(world.dispatcher->queue().counters().connections == 0);
  }
  reactor.cancel_timer(watchdog);
}

}  // namespace

void run_world(Body body) {
  run_on(reactor::BackendChoice::epoll, body);
  run_on(reactor::BackendChoice::io_uring, body);
}

}  // namespace mailroot::deliver::test
