// ServiceManager: what systemd is told (sd_notify(3)): ready, reloading, stopping, alive, a status
// line. Without systemd ($NOTIFY_SOCKET is not set) everything here does nothing. Control thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/server/supervisor.h"

namespace mailroot {

// Its store of file descriptors keeps the listening sockets (FileDescriptorStoreMax=).
class ServiceManager final : public server::SocketStore {
 public:
  ServiceManager();  // reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID

  bool is_there() const { return is_there_; }
  // Nothing: no watchdog waits for us.
  std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }
  // How often to send alive() and status(): four times in the watchdog's time, or each 10 s.
  std::chrono::microseconds interval() const;

  // Each answers false, with errno, when systemd could not be told; the service works without.
  bool ready(std::string_view status) const;
  bool reloading() const;
  bool stopping() const;
  bool alive() const;
  bool status(std::string_view text) const;

  std::vector<server::KeptSocket> inherited() override;
  void keep(const std::string& name, std::span<const reactor::Descriptor> sockets) override;
  void drop(const std::string& name) override;

 private:
  bool tell(const std::string& state) const;

  bool is_there_ = false;
  std::optional<std::chrono::microseconds> watchdog_;
};

// One line for `systemctl status`: who listens, connections, queued messages, who is stopped and
// why, the first problem of a reload that was refused (empty: it was not).
std::string status_line(const std::vector<server::ServerView>& servers,
                        std::string_view refused_reload);

}  // namespace mailroot
