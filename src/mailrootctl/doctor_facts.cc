#include "doctor_facts.h"

#include <fmt/format.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "line_client.h"
#include "mailroot/reactor/backend.h"
#include "tool_limits.h"

namespace mailroot::ctl {

namespace {

constexpr size_t kSmallFileMax = 64 * 1024;

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kSmallFileMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

NameFacts look_at_name(NameLookup& lookup, const std::string& name) {
  NameFacts facts;
  facts.name = name;
  if (name.ends_with(".localdomain")) return facts;  // made up: nobody knows it
  auto found = lookup.addresses(name);
  if (!found) {
    facts.forward_error = found.error();
    return facts;
  }
  facts.forward = std::move(*found);
  for (const IpAddress& address : facts.forward) {
    facts.reverse.emplace_back(address, lookup.reverse(address).value_or(""));
  }
  return facts;
}

std::optional<config::SmartHost> parse_host(const std::string& text) {
  config::SmartHost host;
  if (const auto bare = IpAddress::parse(text)) {
    host.host = text;
    host.is_literal = true;
    return host;
  }
  std::string name = text;
  const size_t colon = text.rfind(':');
  if (colon != std::string::npos && text.find(']', colon) == std::string::npos) {
    const auto port = parse_number<uint16_t>(std::string_view(text).substr(colon + 1));
    if (!port || *port == 0) return std::nullopt;
    host.port = *port;
    name = text.substr(0, colon);
  }
  if (name.starts_with('[') && name.ends_with(']')) {
    name = name.substr(1, name.size() - 2);
    host.is_literal = true;
  }
  host.is_literal = host.is_literal || IpAddress::parse(name).has_value();
  if (host.is_literal && !IpAddress::parse(name)) return std::nullopt;
  const bool has_other = name.find_first_not_of(
                             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
                             "XYZ0123456789-_.:") != std::string::npos;
  const bool is_name = !name.empty() && !has_other && (host.is_literal || !name.contains(':'));
  if (!is_name) return std::nullopt;
  host.host = name;
  return host;
}

EgressFacts look_at_egress(NameLookup& lookup, const config::SmartHost& host, uint16_t port) {
  EgressFacts facts;
  facts.host = host.to_string();
  facts.port = host.port.value_or(port);
  std::vector<IpAddress> addresses;
  if (const auto literal = IpAddress::parse(host.host)) {
    addresses.push_back(*literal);
  } else if (auto found = lookup.mail_hosts(host.host)) {
    addresses = std::move(*found);
  } else {
    facts.resolve_error = found.error();
    return facts;
  }
  if (addresses.size() > kEgressAddressesMax) addresses.resize(kEgressAddressesMax);
  if (addresses.empty()) facts.resolve_error = "has no address";
  for (const IpAddress& address : addresses) {
    const SocketAddress peer{address, facts.port};
    facts.tried.push_back(peer.to_string());
    LineClient client;
    const std::chrono::seconds patience(kEgressPatienceSeconds);
    const auto connected = client.connect(peer, patience);
    facts.connect_error = connected ? "" : connected.error();
    if (!connected) continue;
    facts.tried = {peer.to_string()};
    const auto greeting = client.read_reply();
    if (!greeting) {
      facts.greeting_error = greeting.error();
      return facts;
    }
    facts.greeting = to_line(*greeting);
    facts.greeting_code = greeting->code;
    // Polite; whatever comes back says nothing about the way there.
    const auto goodbye = client.ask("QUIT");
    static_cast<void>(goodbye);
    return facts;
  }
  return facts;
}

ClockFacts look_at_clock() {
  ClockFacts facts;
  timex state{};
  const int answer = adjtimex(&state);
  if (answer < 0) {
    facts.error = std::strerror(errno);
    return facts;
  }
  facts.is_synchronised = answer != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
  facts.max_error_us = state.maxerror;
  return facts;
}

std::optional<uint64_t> soft_limit(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    std::istringstream words(line.substr(name.size()));
    std::string soft;
    words >> soft;
    if (soft == "unlimited") return UINT64_MAX;
    return parse_number<uint64_t>(soft);
  }
  return std::nullopt;
}

uint64_t descriptors_wanted(const config::ConfigSnapshot& snapshot) {
  constexpr uint64_t kEach = 2;          // a socket and a file
  constexpr uint64_t kOfOneServer = 64;  // directories, journals, listening sockets
  constexpr uint64_t kOwn = 256;
  uint64_t wanted = kOwn;
  for (const auto& server : snapshot.servers) {
    wanted += kOfOneServer +
              kEach * (uint64_t{server->connections_limit} + server->delivery.outbound_connections);
  }
  return wanted;
}

LimitFacts look_at_limits(const config::ConfigSnapshot& snapshot, int pid) {
  LimitFacts facts;
  const std::string of_daemon = pid == 0 ? "" : read_text(fmt::format("/proc/{}/limits", pid));
  facts.of_daemon = !of_daemon.empty();
  const std::string text = facts.of_daemon ? of_daemon : read_text("/proc/self/limits");
  facts.descriptors = soft_limit(text, "Max open files").value_or(0);
  facts.descriptors_wanted = descriptors_wanted(snapshot);
  std::istringstream(read_text("/proc/sys/net/core/somaxconn")) >> facts.somaxconn;
  return facts;
}

IoFacts look_at_io(const config::Service& service, const std::string& used) {
  IoFacts facts;
  facts.wanted = service.io != config::IoChoice::epoll;
  facts.required = service.io == config::IoChoice::io_uring;
  facts.used = used;
  if (!facts.wanted || !used.empty()) return facts;
  const auto made = reactor::make_backend(reactor::BackendChoice::io_uring, {}, facts.why_not);
  if (made) facts.why_not.clear();
  if (!made && facts.why_not.empty()) facts.why_not = describe(made.error().code);
  return facts;
}

}  // namespace mailroot::ctl
