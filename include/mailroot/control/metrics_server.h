// MetricsServer: GET /metrics over HTTP/1.0 or 1.1 for Prometheus, one request a connection. Served
// by the control thread's reactor, so that no shard writes text or waits for who reads it.
#pragma once

#include <memory>
#include <string>

#include "mailroot/base/log.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/server/supervisor.h"

namespace mailroot::control {

class MetricsServer {
 public:
  // `listen`: address:port, or "off".
  MetricsServer(reactor::Reactor& control, server::Supervisor& supervisor, log::Sink& log,
                std::string listen);
  ~MetricsServer();

  // Serves until stop(); spawn it in a group that is joined. A taken port is only warned of, and
  // tried again.
  reactor::task<void> run();
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailroot::control
