// ControlServer: the Unix socket by which mailrootctl looks and commands. One command a line,
// SMTP-shaped replies: "250-{json}" lines, then "250 text"; "5yz text" on failure. Served by the
// control thread's reactor.
//
//   status | servers | metrics | start ID | stop ID | pause ID | continue ID | reload
//   queue list [server=ID] [cursor=N] [max=N] | queue show QUEUEID | queue retry QUEUEID|all
//   [server=ID] | help | quit
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "mailroot/base/log.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/server/supervisor.h"

namespace mailroot::control {

class ControlServer {
 public:
  ControlServer(reactor::Reactor& control, server::Supervisor& supervisor, log::Sink& log);
  ~ControlServer();

  // Binds and listens at `path`, replacing a socket that nobody listens at.
  std::expected<void, std::string> open(const std::string& path);
  // Serves until stop(); spawn it in a group that is joined.
  reactor::task<void> run();
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailroot::control
