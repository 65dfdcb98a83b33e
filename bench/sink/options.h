#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "address.h"
#include "misbehaviour.h"

namespace mailroot::bench {

/// What the user asked for; one immutable value shared by all threads.
struct Options {
  Address listen;
  std::string name = "sink.bench.example";
  std::string capture;
  std::string log;
  uint64_t size_limit_bytes = uint64_t{1} << 30;
  uint32_t recipients_limit = 10'000;
  uint64_t expect = 0;  // messages after which the sink ends by itself; 0 = never
  uint64_t close_after = 0;
  uint32_t threads = 1;
  bool latency = false;
  bool json = false;
  std::vector<std::string> disabled;  // EHLO keywords
  Misbehaviour misbehaviour;

  /// The header section is read only when somebody wants to know what is in it.
  bool reads_headers() const { return latency || !log.empty() || !capture.empty(); }
  bool offers(std::string_view keyword) const;
};

/// Reads the command line. Without a value the program ends with `exit_code`; everything the user
/// has to know was printed.
std::optional<Options> read_options(int argc, char** argv, int& exit_code);

}  // namespace mailroot::bench
