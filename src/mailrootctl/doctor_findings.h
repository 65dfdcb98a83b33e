// What doctor concludes from what it saw: facts in, findings with their remedy out. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mailroot/base/address.h"

namespace mailroot::ctl {

enum class Grade : uint8_t { ok, warning, problem };
std::string_view to_string(Grade grade);

struct DoctorFinding {
  std::string topic;    // "dns", "egress", "disk", ...: a stable word
  std::string subject;  // which name, host, home, port; may be empty
  Grade grade = Grade::ok;
  std::string text;
  std::string remedy;  // empty when ok
};
nlohmann::ordered_json to_json(const DoctorFinding& finding);
// Of the worst: 0 ok, 1 a warning, 2 a problem.
int exit_code_of(const std::vector<DoctorFinding>& findings);

struct NameFacts {
  std::string name;
  std::string forward_error;  // empty: it was answered
  std::vector<IpAddress> forward;
  std::vector<std::pair<IpAddress, std::string>> reverse;  // names, "" for none
};
DoctorFinding judge(const NameFacts& facts);

struct EgressFacts {
  std::string host;           // as configured or asked
  std::string resolve_error;  // empty: there are addresses
  std::vector<std::string> tried;
  std::string connect_error;  // of the last one; empty: connected
  std::string greeting;       // the reply's line; empty with greeting_error
  std::string greeting_error;
  uint16_t port = 25;
  uint16_t greeting_code = 0;
};
DoctorFinding judge(const EgressFacts& facts);

enum class WriteCache : uint8_t { unknown, write_back, write_through };

struct HomeFacts {
  std::string server, path;
  std::string trouble;             // why it cannot be a home directory; empty when it can
  bool exists = true;              // and we could look into it
  std::string memory_file_system;  // its name, when it is one
  uint32_t owner = 0, daemon_user = 0;
  uint64_t free_bytes = 0, free_min_bytes = 0;
  uint64_t free_inodes = 0, total_inodes = 0;  // total 0: the file system does not count them
  std::optional<int64_t> flush_us;             // nothing: not measured, see flush_error
  std::string flush_error;
  std::string device;  // "sda"; empty when it is not known
  WriteCache write_cache = WriteCache::unknown;
};
std::vector<DoctorFinding> judge(const HomeFacts& facts);

struct ClockFacts {
  std::string error;  // adjtimex(2) failed
  bool is_synchronised = false;
  int64_t max_error_us = 0;
};
DoctorFinding judge(const ClockFacts& facts);

struct LimitFacts {
  bool of_daemon = false;  // else of this process: what a daemon will have may differ
  uint64_t descriptors = 0, descriptors_wanted = 0;
  uint64_t somaxconn = 0;
};
std::vector<DoctorFinding> judge(const LimitFacts& facts);

struct IoFacts {
  bool wanted = true;  // service.io is not epoll
  bool required = false;
  std::string used;     // by the running daemon, its words; empty when it does not run
  std::string why_not;  // of our own attempt; empty when it worked
};
DoctorFinding judge(const IoFacts& facts);

struct PortFacts {
  std::string server, binding;
  std::string obstacle;  // why nobody can listen there; empty when one can
  bool is_held = false;  // by the running daemon
};
DoctorFinding judge(const PortFacts& facts);

struct DaemonFacts {
  std::string error;  // it cannot be reached
  struct Server {
    std::string id, state, reason;
  };
  std::vector<Server> servers;
  uint64_t uptime_seconds = 0;
};
std::vector<DoctorFinding> judge(const DaemonFacts& facts);

}  // namespace mailroot::ctl
