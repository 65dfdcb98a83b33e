// doctor: everything outside Mailroot that decides whether mail flows, each with its remedy.
#include <fmt/format.h>

#include <memory>
#include <set>

#include "client.h"
#include "commands.h"
#include "doctor_facts.h"
#include "doctor_findings.h"
#include "mailroot/config/load.h"
#include "name_lookup.h"
#include "site.h"
#include "tool_limits.h"

namespace mailroot::ctl {

using nlohmann::json;

namespace {

constexpr int kCannotAsk = 3;  // so that it is no finding

// Shows each finding as soon as it is there: some take their time.
class Report {
 public:
  explicit Report(bool as_json) : as_json_(as_json) {}

  void add(DoctorFinding finding) {
    if (as_json_) {
      using nlohmann::ordered_json;
      fmt::print("{}\n",
                 to_json(finding).dump(-1, ' ', true, ordered_json::error_handler_t::replace));
    } else {
      const std::string where =
          finding.subject.empty() ? finding.topic : finding.topic + " " + finding.subject;
      fmt::print("{:<8} {}: {}\n", to_string(finding.grade), where, finding.text);
      if (!finding.remedy.empty()) fmt::print("         -> {}\n", finding.remedy);
    }
    std::fflush(stdout);
    findings_.push_back(std::move(finding));
  }
  void add(std::vector<DoctorFinding> findings) {
    for (auto& finding : findings) add(std::move(finding));
  }

  int end() const {
    size_t counts[3] = {};
    for (const auto& finding : findings_) ++counts[static_cast<size_t>(finding.grade)];
    if (!as_json_) {
      fmt::print("{} ok, {} warnings, {} problems\n", counts[0], counts[1], counts[2]);
    }
    return exit_code_of(findings_);
  }

 private:
  bool as_json_;
  std::vector<DoctorFinding> findings_;
};

struct Daemon {
  DaemonFacts facts;
  std::string io;                   // what it says of its backend
  std::set<std::string> listening;  // "all-unassigned:25"
  int pid = 0;
};

Daemon ask_daemon(const std::string& socket) {
  Daemon out;
  Client client;
  if (auto connected = client.connect(socket); !connected) {
    out.facts.error = connected.error();
    return out;
  }
  const auto reply = client.ask("status");
  if (!reply || !reply->ok || reply->lines.size() != 1) {
    out.facts.error = reply ? reply->last : reply.error();
    return out;
  }
  const json status = json::parse(reply->lines.front(), nullptr, false);
  if (status.is_discarded() || !status.contains("servers")) {
    out.facts.error = "what answers at " + socket + " is no mailrootd";
    return out;
  }
  out.io = status.value("io", "");
  out.facts.uptime_seconds = status.value("uptime_seconds", uint64_t{0});
  for (const json& server : status["servers"]) {
    out.facts.servers.push_back(
        {server.value("id", ""), server.value("state", ""), server.value("reason", "")});
    for (const json& key : server.value("listening", json::array())) {
      if (key.is_string()) out.listening.insert(key.get<std::string>());
    }
  }
  const auto found = config::find_daemon(socket);
  out.pid = found ? found->pid : 0;
  return out;
}

void examine_servers(Report& report, const config::ConfigSnapshot& snapshot, const Daemon& daemon,
                     const std::string& socket) {
  const auto machine = config::look_at_machine(socket);
  for (const auto& server : snapshot.servers) {
    for (const config::Binding& binding : server->bindings) {
      const auto key = config::key_of(binding);
      report.add(judge(PortFacts{server->id, key.to_string(), config::why_not_listen(key, machine),
                                 daemon.listening.contains(key.to_string())}));
    }
    report.add(judge(look_at_home(*server, machine.user)));
  }
}

void examine_network(Report& report, const config::ConfigSnapshot& snapshot,
                     const std::optional<config::SmartHost>& to) {
  NameLookup lookup(snapshot.service);
  std::set<std::string> names, hosts;
  for (const auto& server : snapshot.servers) {
    if (names.size() < kDoctorNamesMax && names.insert(server->fqdn).second) {
      report.add(judge(look_at_name(lookup, server->fqdn)));
    }
  }
  const auto reach = [&](const config::SmartHost& host, uint16_t port) {
    const std::string key = fmt::format("{} {}", host.to_string(), host.port.value_or(port));
    if (hosts.size() < kEgressHostsMax && hosts.insert(key).second) {
      report.add(judge(look_at_egress(lookup, host, port)));
    }
  };
  if (to) reach(*to, 25);
  for (const auto& server : snapshot.servers) {
    for (const auto& host : server->delivery.smart_host) {
      reach(host, server->delivery.outbound_port);
    }
    for (const auto& domain : server->domains) {
      for (const auto& host : domain.smart_host) reach(host, server->delivery.outbound_port);
    }
  }
}

int examine(const Settings& settings, const std::string& to_text) {
  std::optional<config::SmartHost> to;
  if (!to_text.empty()) {
    to = parse_host(to_text);
    if (!to) return complain("--to takes a host: relay.example, [192.0.2.7]:587", kCannotAsk);
  }
  Report report(settings.json);
  const std::string file = config_file_of(settings);
  auto loaded = config::load(file, {});
  config::ConfigSnapshot snapshot;
  if (loaded) {
    snapshot = std::move(*loaded);
    for (const auto& warning : snapshot.warnings) {
      report.add({"configuration", file, Grade::warning, warning, "see mailrootctl check"});
    }
  } else {
    for (const auto& problem : loaded.error()) {
      report.add({"configuration", file, Grade::problem, problem.to_string(),
                  "mend the file; mailrootctl check says whether it is right"});
    }
  }
  const bool socket_known = settings.socket_given() || !settings.config_given() || !loaded;
  const std::string socket = socket_known ? settings.socket : snapshot.service.control_socket;
  const Daemon daemon = ask_daemon(socket);
  report.add(judge(daemon.facts));
  report.add(judge(look_at_clock()));
  report.add(judge(look_at_limits(snapshot, daemon.pid)));
  report.add(judge(look_at_io(snapshot.service, daemon.io)));
  examine_servers(report, snapshot, daemon, socket);
  examine_network(report, snapshot, to);
  return report.end();
}

}  // namespace

void add_doctor(CLI::App& app, const Settings& settings, int& code) {
  const auto to = std::make_shared<std::string>();
  auto* doctor = app.add_subcommand(
      "doctor",
      "what of this machine hinders mail, and the remedy; exit code 1 for warnings, 2 "
      "for problems");
  doctor->add_option("--to", *to, "also see whether this host can be reached: HOST[:PORT]");
  doctor->callback([&settings, &code, to] { code = examine(settings, *to); });
}

}  // namespace mailroot::ctl
