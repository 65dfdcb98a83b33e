// The protocol log of one virtual server: a line for each SMTP command, in and out. Whoever speaks
// SMTP hands lines over; what makes files of them lives in control/. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "mailroot/base/address.h"
#include "mailroot/base/time.h"

namespace mailroot::log {

// In the terms of the W3C Extended Log File Format: c is the SMTP client (or the next hop), s this
// server. Texts are as the peer sent them; the writer escapes.
struct ProtocolLine {
  WallTime time;
  IpAddress remote;                    // c-ip: the other end
  std::optional<SocketAddress> local;  // s-ip, s-port; outbound: none
  uint16_t remote_port = 0;            // outbound: s-port
  std::string user;                    // cs-username: the EHLO name, or the direction
  std::string method;                  // cs-method: the verb
  std::string query;                   // cs-uri-query: its argument, or a reply
  uint16_t status = 0;                 // sc-status: the reply code
  uint64_t sent_bytes = 0;             // sc-bytes
  uint64_t received_bytes = 0;         // cs-bytes
  std::chrono::milliseconds taken{};   // time-taken
};

class ProtocolLog {
 public:
  virtual ~ProtocolLog() = default;
  // Any thread. Never waits for the disk; beyond a limit lines are dropped, and their number is a
  // remark in the file.
  virtual void write(ProtocolLine&& line) = 0;
};

}  // namespace mailroot::log
