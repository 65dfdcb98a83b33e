#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "address.h"

namespace mailroot::bench {

/// What the user asked for; one immutable value shared by all threads.
struct Options {
  Address to;
  uint32_t connections = 1;
  uint64_t messages = 1000;
  uint64_t size_bytes = 4096;
  uint32_t recipients = 1;
  uint32_t domains = 1;
  uint64_t per_connection = 0;  // messages before QUIT and a new connection; 0 keeps it
  bool pipeline = false;
  uint32_t depth = 1;  // transactions in flight per connection
  bool chunking = false;
  bool helo = false;
  std::string run;
  std::string sender = "source@bench.example";
  std::string recipient = "r{n}@d{d}.sink.example";
  bool idle = false;
  uint32_t hold_s = 10;
  uint32_t threads = 1;
  uint32_t time_limit_s = 600;
  uint32_t reply_limit_s = 120;
  uint32_t source_addresses = 0;
  std::string accept_log;
  bool tolerate = false;
  bool json = false;
};

/// Reads the command line. Without a value the program ends with `exit_code`; everything the user
/// has to know was printed.
std::optional<Options> read_options(int argc, char** argv, int& exit_code);

}  // namespace mailroot::bench
