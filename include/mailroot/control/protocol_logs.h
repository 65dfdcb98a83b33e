// ProtocolLogs: the protocol log files of all virtual servers, written by a thread of their own, so
// that neither a shard nor the other log waits for a slow disk.
#pragma once

#include <memory>

#include "mailroot/base/log.h"
#include "mailroot/base/protocol_log.h"
#include "mailroot/config/snapshot.h"

namespace mailroot::control {

class ProtocolLogs {
 public:
  // What goes wrong with a file is said to `log`, by the writing thread alone.
  explicit ProtocolLogs(log::Sink& log);
  ~ProtocolLogs();  // writes what is left
  ProtocolLogs(const ProtocolLogs&) = delete;
  ProtocolLogs& operator=(const ProtocolLogs&) = delete;

  // The log of this server, with its newest settings; null when it is off. Any thread.
  std::shared_ptr<log::ProtocolLog> of(const config::VirtualServer& server);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailroot::control
