#include "doctor_findings.h"

#include <fmt/format.h>

#include <algorithm>

namespace mailroot::ctl {

namespace {

constexpr int64_t kSlowFlushUs = 50'000;
// No disk is that fast: who answers sooner, with a cache that has to be flushed, has not done it.
constexpr int64_t kFastestFlushUs = 30;
constexpr uint64_t kFewInodes = 10'000;
constexpr uint64_t kHardlyInodes = 1'000;
constexpr uint64_t kSmallBacklog = 1'024;
constexpr int64_t kLargeClockErrorUs = 1'000'000;
constexpr uint64_t kMiB = 1024 * 1024;

bool is_name(std::string_view reverse, std::string_view name) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  };
  return std::equal(reverse.begin(), reverse.end(), name.begin(), name.end(), same);
}

}  // namespace

std::string_view to_string(Grade grade) {
  switch (grade) {
    case Grade::ok:
      return "ok";
    case Grade::warning:
      return "warning";
    case Grade::problem:
      return "problem";
  }
  return "problem";
}

nlohmann::ordered_json to_json(const DoctorFinding& finding) {
  return {{"topic", finding.topic},
          {"subject", finding.subject},
          {"grade", to_string(finding.grade)},
          {"text", finding.text},
          {"remedy", finding.remedy}};
}

int exit_code_of(const std::vector<DoctorFinding>& findings) {
  int code = 0;
  for (const auto& finding : findings) code = std::max(code, static_cast<int>(finding.grade));
  return code;
}

DoctorFinding judge(const NameFacts& facts) {
  const auto warn = [&facts](std::string text, std::string remedy) {
    return DoctorFinding{"dns", facts.name, Grade::warning, std::move(text), std::move(remedy)};
  };
  if (facts.name.ends_with(".localdomain")) {
    return warn("the machine has no full name; this one was made up",
                "put the full name into /etc/hostname or /etc/mailname, or set fqdn and "
                "default_domain of the virtual server");
  }
  if (!facts.forward_error.empty() || facts.forward.empty()) {
    return warn(facts.forward_error.empty() ? "has no address" : facts.forward_error,
                "have an A or AAAA record made for it, or set fqdn to a name that has one: "
                "many hosts refuse mail from a name without");
  }
  std::string addresses;
  for (const auto& [address, name] : facts.reverse) {
    if (!is_name(name, facts.name)) {
      return warn(
          fmt::format("{} leads back to {}", address.to_string(), name.empty() ? "no name" : name),
          fmt::format("have whoever owns the address set its PTR record to {}: many "
                      "hosts compare the two",
                      facts.name));
    }
    addresses += (addresses.empty() ? "" : ", ") + address.to_string();
  }
  return {"dns", facts.name, Grade::ok, fmt::format("is {}, and back", addresses), ""};
}

DoctorFinding judge(const EgressFacts& facts) {
  const auto problem = [&facts](std::string text, std::string remedy) {
    return DoctorFinding{"egress", facts.host, Grade::problem, std::move(text), std::move(remedy)};
  };
  if (!facts.resolve_error.empty()) {
    return problem(facts.resolve_error, "correct the host's name, or its records in DNS");
  }
  std::string tried;
  for (const auto& address : facts.tried) tried += (tried.empty() ? "" : ", ") + address;
  if (!facts.connect_error.empty()) {
    return problem(
        fmt::format("no connection to {}: {}", tried, facts.connect_error),
        facts.port == 25
            ? "is the host up, and does a firewall or the provider block outgoing port 25? Many "
              "do; a smart host at port 587 is the way out"
            : "is the host up, and does a firewall block the port?");
  }
  if (!facts.greeting_error.empty()) {
    return problem(fmt::format("{} takes the connection, but: {}", tried, facts.greeting_error),
                   "is it an SMTP server, without TLS from the first byte? A firewall may also "
                   "answer in its place");
  }
  if (facts.greeting_code != 220) {
    return problem(fmt::format("{} refuses us: {}", tried, facts.greeting),
                   "ask whoever runs it to take mail from this machine's address");
  }
  return {"egress", facts.host, Grade::ok, fmt::format("{} says {}", tried, facts.greeting), ""};
}

namespace {

DoctorFinding judge_space(const HomeFacts& facts) {
  DoctorFinding out{"space", facts.server, Grade::ok, "", ""};
  const std::string inodes =
      facts.total_inodes == 0 ? "" : fmt::format(", {} inodes", facts.free_inodes);
  out.text = fmt::format("{} MiB free{} at {}", facts.free_bytes / kMiB, inodes, facts.path);
  const bool counts_inodes = facts.total_inodes > 0;
  if (facts.free_bytes < facts.free_min_bytes ||
      (counts_inodes && facts.free_inodes < kHardlyInodes)) {
    out.grade = Grade::problem;
    out.remedy =
        fmt::format("make room: below {} MiB (spool.free_min) clients hear 452 and keep their mail",
                    facts.free_min_bytes / kMiB);
  } else if (facts.free_bytes / 4 < facts.free_min_bytes ||
             (counts_inodes && facts.free_inodes < kFewInodes)) {
    out.grade = Grade::warning;
    out.remedy = "make room before it is needed, or move the home directory to a larger volume";
  }
  return out;
}

DoctorFinding judge_flush(const HomeFacts& facts) {
  DoctorFinding out{"flush", facts.server, Grade::ok, "", ""};
  if (!facts.memory_file_system.empty()) {
    out.grade = Grade::problem;
    out.text = fmt::format("{} is in memory ({}): mail is lost when the machine restarts",
                           facts.path, facts.memory_file_system);
    out.remedy = "set home_directory to a directory on a disk";
    return out;
  }
  if (!facts.flush_us) {
    out.grade = Grade::warning;
    out.text = fmt::format("not measured: {}", facts.flush_error);
    out.remedy = "run doctor as root or as the daemon's user";
    return out;
  }
  out.text = fmt::format("a flush takes {:.2f} ms", static_cast<double>(*facts.flush_us) / 1000);
  if (*facts.flush_us > kSlowFlushUs) {
    out.grade = Grade::warning;
    out.remedy =
        "every message waits for one: use a disk with a protected cache (power-loss "
        "protection), or one that is less busy";
  } else if (*facts.flush_us < kFastestFlushUs && facts.write_cache == WriteCache::write_back) {
    out.grade = Grade::warning;
    out.text += ", too soon for a disk that has a write cache";
    out.remedy =
        "the disk or the hypervisor seems to ignore flushes: what was accepted can be "
        "lost at a power failure. Set the virtual disk's cache mode to honour them";
  }
  return out;
}

DoctorFinding judge_cache(const HomeFacts& facts) {
  DoctorFinding out{"write-cache", facts.server, Grade::ok, "", ""};
  switch (facts.write_cache) {
    case WriteCache::unknown:
      out.text = "not known" + (facts.device.empty() ? "" : ": " + facts.device);
      break;
    case WriteCache::write_back:
      out.text = facts.device + ": write back; the kernel flushes it when mail is stored";
      break;
    case WriteCache::write_through:
      out.text = facts.device + ": write through; no volatile cache";
      break;
  }
  return out;
}

}  // namespace

std::vector<DoctorFinding> judge(const HomeFacts& facts) {
  DoctorFinding home{"home", facts.server, Grade::ok, facts.path, ""};
  if (!facts.trouble.empty()) {
    home.grade = Grade::problem;
    home.text = facts.trouble;
    home.remedy = "mend it, or set home_directory to another local directory";
    return {home};
  }
  if (!facts.exists) {
    home.text += " does not exist yet, or cannot be looked into";
    return {home};
  }
  if (facts.owner != facts.daemon_user) {
    home.grade = Grade::warning;
    home.text = fmt::format("{} belongs to user {}, the daemon runs as {}", facts.path, facts.owner,
                            facts.daemon_user);
    home.remedy = fmt::format("chown {} {}", facts.daemon_user, facts.path);
  }
  return {home, judge_space(facts), judge_flush(facts), judge_cache(facts)};
}

DoctorFinding judge(const ClockFacts& facts) {
  if (!facts.error.empty()) {
    return {"clock", "", Grade::warning, "not known: " + facts.error,
            "see timedatectl(1) whether the clock is synchronised"};
  }
  if (!facts.is_synchronised) {
    return {"clock", "", Grade::warning, "is not synchronised",
            "start a time service: apt install systemd-timesyncd (or chrony); dates in mail and "
            "logs, and when it expires, hang on the clock"};
  }
  if (facts.max_error_us > kLargeClockErrorUs) {
    return {"clock", "", Grade::warning,
            fmt::format("may be wrong by {:.1f} s", static_cast<double>(facts.max_error_us) / 1e6),
            "see whether the time service reaches its servers: timedatectl timesync-status"};
  }
  return {"clock", "", Grade::ok,
          fmt::format("synchronised, wrong by {} ms at most", facts.max_error_us / 1000), ""};
}

std::vector<DoctorFinding> judge(const LimitFacts& facts) {
  const char* const whose = facts.of_daemon ? "the daemon" : "this shell";
  DoctorFinding descriptors{"descriptors", "", Grade::ok,
                            fmt::format("{} may have {} open; connections.limit and "
                                        "outbound.connections of all servers want {}",
                                        whose, facts.descriptors, facts.descriptors_wanted),
                            ""};
  if (facts.descriptors < facts.descriptors_wanted && facts.of_daemon) {
    descriptors.grade = Grade::warning;
    descriptors.remedy = fmt::format(
        "set LimitNOFILE={} with systemctl edit mailroot, or lower the limits of connections",
        facts.descriptors_wanted);
  }
  DoctorFinding backlog{"somaxconn", "", Grade::ok,
                        fmt::format("{} connections may wait to be accepted", facts.somaxconn), ""};
  if (facts.somaxconn < kSmallBacklog) {
    backlog.grade = Grade::warning;
    backlog.remedy = "sysctl net.core.somaxconn=4096, and the same in /etc/sysctl.d";
  }
  return {descriptors, backlog};
}

DoctorFinding judge(const IoFacts& facts) {
  DoctorFinding out{"io_uring", "", Grade::ok, "", ""};
  const std::string remedy =
      "epoll works, at a lower speed. For io_uring: Linux 6.1, sysctl kernel.io_uring_disabled=0, "
      "and no seccomp filter that forbids it (containers do)";
  if (!facts.wanted) {
    out.text = "not wanted (service.io is epoll)";
  } else if (!facts.used.empty() && facts.used != "io_uring") {
    out.grade = Grade::warning;
    out.text = "the daemon does without: " + facts.used;
    out.remedy = remedy;
  } else if (facts.used.empty() && !facts.why_not.empty()) {
    out.grade = facts.required ? Grade::problem : Grade::warning;
    out.text = "not available: " + facts.why_not;
    out.remedy = facts.required ? "set service.io to auto; " + remedy : remedy;
  } else {
    out.text = facts.used.empty() ? "available" : "used by the daemon";
  }
  return out;
}

DoctorFinding judge(const PortFacts& facts) {
  const std::string subject = facts.server + " " + facts.binding;
  if (!facts.obstacle.empty()) {
    return {"port", subject, Grade::problem, facts.obstacle,
            "end the other program (systemctl disable --now ...), or change bindings of the "
            "virtual server"};
  }
  return {"port", subject, Grade::ok, facts.is_held ? "the daemon listens" : "free", ""};
}

std::vector<DoctorFinding> judge(const DaemonFacts& facts) {
  if (!facts.error.empty()) {
    return {{"daemon", "", Grade::problem, facts.error,
             "systemctl start mailroot; if it does not stay, journalctl -u mailroot says why"}};
  }
  std::vector<DoctorFinding> out;
  out.push_back({"daemon", "", Grade::ok,
                 fmt::format("answers, up {} s, {} virtual servers", facts.uptime_seconds,
                             facts.servers.size()),
                 ""});
  for (const auto& server : facts.servers) {
    DoctorFinding finding{"server", server.id, Grade::ok, server.state, ""};
    if (!server.reason.empty()) {
      finding.grade = server.state == "started" ? Grade::warning : Grade::problem;
      finding.text += ": " + server.reason;
      finding.remedy = "mend what it says, then mailrootctl reload";
    } else if (server.state == "stopped" || server.state == "paused") {
      finding.grade = Grade::warning;
      finding.remedy = fmt::format("mailrootctl {} {}, if that is not meant",
                                   server.state == "paused" ? "continue" : "start", server.id);
    }
    out.push_back(std::move(finding));
  }
  return out;
}

}  // namespace mailroot::ctl
