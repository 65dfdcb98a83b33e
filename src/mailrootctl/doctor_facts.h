// What doctor looks at on this machine. Nothing is changed; what is measured leaves no file.
#pragma once

#include <string>

#include "doctor_findings.h"
#include "mailroot/config/machine_state.h"
#include "mailroot/config/snapshot.h"
#include "name_lookup.h"

namespace mailroot::ctl {

NameFacts look_at_name(NameLookup& lookup, const std::string& name);
// Connects, reads the greeting, says QUIT.
EgressFacts look_at_egress(NameLookup& lookup, const config::SmartHost& host, uint16_t port);
// "relay.example", "[192.0.2.7]:587", "192.0.2.7", "2001:db8::1"; nothing for what is no host.
std::optional<config::SmartHost> parse_host(const std::string& text);
HomeFacts look_at_home(const config::VirtualServer& server, const config::User& user);
ClockFacts look_at_clock();
// `pid` of the daemon, 0 when it does not run.
LimitFacts look_at_limits(const config::ConfigSnapshot& snapshot, int pid);
IoFacts look_at_io(const config::Service& service, const std::string& used);

// The soft limit in the text of /proc/PID/limits with this name; nothing when it is not there.
// Pure.
std::optional<uint64_t> soft_limit(const std::string& text, const std::string& name);
// What all sessions and deliveries may have open at once: a socket and a file each.
uint64_t descriptors_wanted(const config::ConfigSnapshot& snapshot);

}  // namespace mailroot::ctl
