// A dispatcher with everything around it: a spool in memory, a fixed resolver, sinks on loopback
// addresses.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fake_spool.h"
#include "mailroot/deliver/dispatcher.h"
#include "sink.h"

namespace mailroot::deliver::test {

using namespace std::chrono_literals;

class FakeResolver final : public dns::Resolver {
 public:
  using Hosts = std::expected<dns::MailHosts, dns::ResolveFailure>;
  reactor::task<Hosts> mail_hosts(std::string domain, reactor::Wait wait) override;
  reactor::task<std::expected<std::vector<IpAddress>, dns::ResolveFailure>> addresses(
      std::string host, reactor::Wait wait) override;
  reactor::task<Hosts> named_host(std::string host, reactor::Wait wait) override;
  reactor::task<std::expected<std::vector<dns::TlsaRecord>, dns::ResolveFailure>> tlsa(
      std::string host, uint16_t port, reactor::Wait wait) override;
  reactor::task<std::expected<std::string, dns::ResolveFailure>> reverse(
      IpAddress address, reactor::Wait wait) override;

  void set(const std::string& domain, std::vector<std::pair<uint16_t, std::string>> hosts);
  void set_failure(const std::string& domain, dns::Failure failure);
  std::map<std::string, Hosts> answers;
  int asked = 0;
};

class LogStore final : public log::Sink {
 public:
  void write(log::Event&& event) override { events.push_back(std::move(event)); }
  bool enabled(log::Level) const override { return true; }
  size_t count(std::string_view name) const;
  // The newest event of that name; its field as text, "" when absent.
  std::string field(std::string_view name, std::string_view key) const;
  std::vector<log::Event> events;
};

class World {
 public:
  explicit World(reactor::Reactor& reactor);

  // On 127.0.0.<last>, all on one port.
  Sink& add_sink(uint8_t last, SinkRules rules);
  // Everything goes to these hosts, in order of preference.
  void use_smart_hosts(std::vector<std::string> hosts);
  void start();
  QueueId send(std::vector<std::string> recipients, std::string content);
  QueueId send_envelope(smtp::Envelope envelope, std::string content);
  static smtp::Envelope envelope(std::vector<std::string> recipients);
  // Until nothing is open in the spool, or 10 s.
  reactor::task<void> settle_all();
  reactor::task<bool> wait_for(std::function<bool()> condition);
  reactor::task<void> stop();

  reactor::Reactor& reactor;
  FakeSpool spool;
  FakeResolver resolver;
  LogStore log;
  Counters counters;
  std::unique_ptr<queue::SlotTable> slots;
  std::shared_ptr<config::VirtualServer> settings = std::make_shared<config::VirtualServer>();
  std::unique_ptr<Dispatcher> dispatcher;
  std::vector<std::unique_ptr<Sink>> sinks;
  uint16_t port = 0;
};

using Body = reactor::task<void> (*)(World&);
// Runs the body on each backend in a reactor of its own; stops everything afterwards and checks
// that nothing is left over.
void run_world(Body body);

inline const std::string kContent =
    "Subject: hello\r\n\r\nfirst line\r\n.second begins with a dot\r\n..third with two\r\nend\r\n";

}  // namespace mailroot::deliver::test
